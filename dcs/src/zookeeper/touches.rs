//! When the store last heard of a session, as far as can be proven.
//!
//! A server that is not ZooKeeper's leader collects which sessions it heard of and reports them
//! every half tick. So a request that it answered may be unknown to the leader for that long, and
//! if the server is lost meanwhile it stays unknown. A session's timeout is at least two ticks,
//! which makes half a tick at most a quarter of the timeout. What the leader knows at once is a
//! new connection: it is asked whether the session still lives.
//!
//! Invariant: the store does not end the session before [`Touches::reported_by`] plus its timeout.

use std::collections::VecDeque;
use std::time::Duration;

use super::boot_clock::BootInstant;

#[derive(Debug, Default)]
pub(super) struct Touches {
    /// When the present connection was asked for; the leader confirmed it.
    connected: Option<BootInstant>,
    /// When answered requests were sent, oldest first.
    answered: VecDeque<BootInstant>,
}

impl Touches {
    /// A connection that was asked for at `sent` was granted.
    pub(super) fn connected(&mut self, sent: BootInstant) {
        self.connected = Some(sent);
        self.answered.clear();
    }

    /// A request that was sent at `sent` was answered on the present connection.
    pub(super) fn answered(&mut self, sent: BootInstant, timeout: Duration) {
        while let Some(oldest) = self.answered.front()
            && sent.since(*oldest) > timeout
        {
            self.answered.pop_front();
        }
        self.answered.push_back(sent);
    }

    /// The newest instant at which the session was in use and which the leader must know of at
    /// `now`.
    pub(super) fn reported_by(&self, now: BootInstant, timeout: Duration) -> Option<BootInstant> {
        let old_enough = |sent: &&BootInstant| now.since(**sent) >= timeout / 4;
        let answered = self.answered.iter().rev().find(old_enough).copied();
        self.connected.max(answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(4);

    fn at(millis: u64) -> BootInstant {
        BootInstant::ZERO.plus(Duration::from_millis(millis))
    }

    #[test]
    fn answer_counts_when_a_report_must_have_told_of_it() {
        let mut touches = Touches::default();
        assert_eq!(touches.reported_by(at(0), TIMEOUT), None);
        touches.connected(at(0));
        touches.answered(at(500), TIMEOUT);
        touches.answered(at(1000), TIMEOUT);
        assert_eq!(touches.reported_by(at(1499), TIMEOUT), Some(at(0)));
        assert_eq!(touches.reported_by(at(1500), TIMEOUT), Some(at(500)));
        assert_eq!(touches.reported_by(at(2000), TIMEOUT), Some(at(1000)));
    }

    #[test]
    fn new_connection_counts_at_once_and_old_answers_no_more() {
        let mut touches = Touches::default();
        touches.connected(at(0));
        touches.answered(at(500), TIMEOUT);
        touches.connected(at(3000));
        assert_eq!(touches.reported_by(at(3001), TIMEOUT), Some(at(3000)));
    }
}
