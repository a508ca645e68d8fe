//! The end of a postmaster, as an event.

use std::fmt;

use tokio::sync::broadcast;

/// How a postmaster ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its process id.
    pub pid: u32,
    /// Its exit code, if it was our child and ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it, if it was our child.
    pub signal: Option<i32>,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid;
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "process {pid} ended with exit code {code}"),
            (None, Some(signal)) => write!(f, "process {pid} was ended by signal {signal}"),
            (None, None) => write!(f, "process {pid} ended"),
        }
    }
}

/// The ends of an instance's postmasters, one after the other, from the moment
/// of subscription. See [`Instance::exit_events`](crate::Instance::exit_events).
#[derive(Debug)]
pub struct ExitEvents {
    receiver: broadcast::Receiver<Exit>,
}

impl ExitEvents {
    pub(crate) const fn new(receiver: broadcast::Receiver<Exit>) -> Self {
        Self { receiver }
    }

    /// The next end of a postmaster. Pending while nothing ends, also while no
    /// postmaster is known. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Exit {
        loop {
            match self.receiver.recv().await {
                Ok(exit) => return exit,
                // Older ends are of no use to anybody: go on to the newest.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
