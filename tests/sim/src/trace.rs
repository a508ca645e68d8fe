//! What happened, line by line, and a hash over all of it.
//!
//! The hash is always kept: equal seeds must give equal hashes. Lines are kept only for somebody
//! who reads them.

use crate::ids::{At, Node};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something was done to the world.
    Fault,
    /// A machine decided.
    Decision,
    /// A task was started.
    Task,
    /// A task has ended.
    End,
    /// The store changed a key or ended a session.
    Store,
    /// A server changed its state.
    Server,
    /// A client's write.
    Client,
    /// An invariant does not hold.
    Violation,
    /// The run goes from one phase to the next.
    Phase,
}

/// A member at one instant, as the timeline shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The store says that it holds the leader key.
    pub is_leader: bool,
    /// Its server can acknowledge writes.
    pub is_writable: bool,
    /// Its server runs and is not writable.
    pub is_standby: bool,
    /// It cannot reach the store.
    pub is_cut_off: bool,
    /// Its agent does not run, or stands still.
    pub is_absent: bool,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: At,
    /// Whose.
    pub node: Option<Node>,
    /// About what.
    pub kind: Kind,
    /// What happened.
    pub what: String,
    /// The word of the reason, a task's number, or nothing.
    pub because: String,
    /// All members right after it.
    pub marks: Vec<Mark>,
}

/// The lines and their hash.
#[derive(Clone, Debug)]
pub struct Trace {
    is_kept: bool,
    hash: u64,
    lines: Vec<Line>,
}

impl Trace {
    /// A trace; `is_kept`: with lines.
    #[must_use]
    pub fn new(is_kept: bool) -> Self {
        Self {
            is_kept,
            hash: 0xCBF2_9CE4_8422_2325,
            lines: Vec::new(),
        }
    }

    /// Whether somebody reads the lines.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Mixes numbers that say what happened into the hash.
    pub fn mix(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01B3);
            self.hash ^= self.hash >> 29;
        }
    }

    /// Adds a line that is made only when somebody reads it.
    pub fn line(&mut self, line: impl FnOnce() -> Line) {
        if self.is_kept {
            self.lines.push(line());
        }
    }

    /// The hash of everything so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Takes the lines out.
    pub fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }
}
