//! What a course showed, in a line.

use std::fmt;
use std::time::Duration;

use super::calls::Summary;
use super::{Fault, Store};

/// What one fault did to a holder.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) store: Store,
    pub(super) fault: Fault,
    pub(super) ttl: Duration,
    pub(super) granted: Duration,
    pub(super) lasted: Duration,
    pub(super) calls: Summary,
    pub(super) ending: Ending,
    /// From the holder's end to the next owner's begin.
    pub(super) margin: Option<Duration>,
    /// From the end of the fault until the holder had the lock, had renewed it and was told of a
    /// change.
    pub(super) recovery: Duration,
    /// Share of one processor that this process used while the fault lasted.
    pub(super) processor: f64,
}

/// What became of the holder's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was the holder's, and the holder could know that, at every instant.
    Kept,
    /// It stayed in the store; for this long the holder could not rely on it.
    KeptWithGap(Duration),
    /// Its session ended or the key was taken away.
    Lost,
}

impl Report {
    /// What became of the holder's lock.
    #[must_use]
    pub const fn ending(&self) -> Ending {
        self.ending
    }
}

fn millis(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, fault, .. } = self;
        write!(
            f,
            "{store}, {fault}, for {}, ttl {} (granted {}): ",
            millis(self.lasted),
            millis(self.ttl),
            millis(self.granted)
        )?;
        match self.ending {
            Ending::Kept => write!(f, "kept")?,
            Ending::KeptWithGap(gap) => write!(f, "kept, unproven for {}", millis(gap))?,
            Ending::Lost => write!(f, "lost")?,
        }
        if let Some(margin) = self.margin {
            write!(f, ", next owner {} after its end", millis(margin))?;
        }
        let calls = &self.calls;
        write!(
            f,
            "; longest call {} ({}), longest renewal {}, {} of {} calls failed",
            millis(calls.longest),
            calls.longest_what,
            millis(calls.longest_renewal),
            calls.failed,
            calls.made
        )?;
        if !calls.errors.is_empty() {
            let errors = calls.errors.iter().map(|(kind, n)| format!("{kind} {n}"));
            write!(f, " ({})", errors.collect::<Vec<_>>().join(", "))?;
        }
        write!(
            f,
            "; in order {} after it; cpu {:.0} %",
            millis(self.recovery),
            self.processor * 100.0
        )
    }
}
