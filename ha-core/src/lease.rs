//! What this member holds in the store, and until when it may act on it.
//!
//! Validity counts from the moment a request was *sent*: the store cannot have started counting
//! earlier. A [`Grant`] is the proof that a leadership was held when a decision was taken; only
//! this file makes one.

use core::time::Duration;

use serde::Serialize;

use crate::mutant::{Broken, Mutant};
use crate::time::Mono;
use crate::value::{Generation, Revision, SessionName};
use crate::view::LeaderKey;

/// The right to make the local server writable, as of one decision.
///
/// It has no public constructor and is never read back from text: a task that promotes cannot be
/// built without holding the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    generation: Generation,
    valid_until: Mono,
}

impl Grant {
    /// Which leadership this belongs to.
    #[must_use]
    pub fn generation(self) -> Generation {
        self.generation
    }

    /// When it ends unless it is renewed; to be compared again when the effect is executed.
    #[must_use]
    pub fn valid_until(self) -> Mono {
        self.valid_until
    }
}

/// A session that the store granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) name: SessionName,
    /// The time to live that was asked for; the store may grant another.
    pub(crate) asked: Duration,
    pub(crate) ttl: Duration,
    /// When the last successful request that proves it was sent.
    proven_at: Mono,
}

impl Session {
    /// The end of the session on our clock, early enough for clocks that differ by 0.1 %.
    pub(crate) fn valid_until(&self) -> Mono {
        self.proven_at.plus(self.ttl - self.ttl / 1000)
    }
}

/// How firmly the leadership is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Not held, and not lost since the server became writable.
    None,
    /// Held, with time to spare.
    Firm,
    /// Held, but time is short: stop in order now.
    Ending,
    /// Time is up.
    Over,
    /// It was held and is gone: removed or taken by somebody.
    Lost,
}

impl Hold {
    /// All words, for the enumeration of the tables.
    pub const ALL: [Self; 5] = [Self::None, Self::Firm, Self::Ending, Self::Over, Self::Lost];
}

/// A leadership that we hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leadership {
    generation: Generation,
    /// The revision since which the key is bound to our session: older views say nothing.
    since: Revision,
}

/// Session and leadership of this member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lease {
    session: Option<Session>,
    leadership: Option<Leadership>,
    /// The leadership that was taken away, until the server is no longer writable.
    lost: Option<Generation>,
    /// Up to here, what bound the leader key to us has ended: a view that still shows it is an old
    /// one. A generation would not tell: a key that was taken from us and is bound to us again
    /// without having been absent keeps its own.
    ended: Option<Revision>,
    /// When the next attempt to open or renew is due.
    next_attempt: Mono,
    broken: Broken,
}

/// Time to kill every process of a server, before the lease ends.
fn kill_budget(ttl: Duration) -> Duration {
    (ttl / 10).min(Duration::from_millis(500))
}

/// Time to stop a server in order, before it must be killed.
fn stop_budget(ttl: Duration) -> Duration {
    (ttl / 6).min(Duration::from_secs(5))
}

impl Lease {
    /// Nothing held.
    pub(crate) fn new(broken: Broken) -> Self {
        Self {
            broken,
            ..Self::default()
        }
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    pub(crate) fn session_name(&self) -> Option<SessionName> {
        self.session.as_ref().map(|session| session.name.clone())
    }

    /// The leadership that we believe to hold.
    pub(crate) fn leadership(&self) -> Option<Generation> {
        self.leadership.map(|held| held.generation)
    }

    /// The leadership that we know to have lost.
    pub(crate) fn lost(&self) -> Option<Generation> {
        self.lost
    }

    pub(crate) fn opened(
        &mut self,
        name: SessionName,
        asked: Duration,
        ttl: Duration,
        sent_at: Mono,
    ) {
        let ttl = if self.broken.breaks(Mutant::AskedTtlCounts) {
            asked
        } else {
            ttl
        };
        self.session = Some(Session {
            name,
            asked,
            ttl,
            proven_at: sent_at,
        });
        self.next_attempt = sent_at.plus(self.renewal_pause(ttl));
    }

    /// A renewal that was sent at `sent_at` succeeded.
    pub(crate) fn renewed(&mut self, sent_at: Mono) {
        let Some(session) = &mut self.session else {
            return;
        };
        session.proven_at = session.proven_at.max(sent_at);
        let ttl = session.ttl;
        self.next_attempt = sent_at.plus(self.renewal_pause(ttl));
    }

    /// Three renewals may go wrong before the session ends.
    fn renewal_pause(&self, ttl: Duration) -> Duration {
        if self.broken.breaks(Mutant::RenewsTooLate) {
            ttl - ttl / 10
        } else {
            ttl / 3
        }
    }

    /// Opening or renewing did not work: try again soon, but never in a tight loop.
    pub(crate) fn attempt_failed(&mut self, now: Mono) {
        let pause = self
            .session
            .as_ref()
            .map_or(Duration::from_secs(1), |session| session.ttl / 20);
        self.next_attempt =
            now.plus(pause.clamp(Duration::from_millis(100), Duration::from_secs(1)));
    }

    /// The store says that the session is gone: so is everything bound to it.
    pub(crate) fn session_lost(&mut self, now: Mono) {
        if self.broken.breaks(Mutant::SessionLossIgnored) {
            self.attempt_failed(now);
            return;
        }
        self.session = None;
        if !self.broken.breaks(Mutant::LeadershipOutlivesSession) {
            self.leadership_lost();
        }
        self.next_attempt = now;
    }

    pub(crate) fn session_closed(&mut self) {
        self.session = None;
        self.released();
    }

    /// The key of this leadership is bound to our session since revision `since`.
    pub(crate) fn acquired(&mut self, generation: Generation, since: Revision) {
        self.leadership = Some(Leadership { generation, since });
        self.lost = None;
    }

    pub(crate) fn released(&mut self) {
        if let Some(held) = self.leadership.take() {
            self.ended = self.ended.max(Some(held.since));
        }
    }

    pub(crate) fn leadership_lost(&mut self) {
        if let Some(held) = self.leadership
            && !self.broken.breaks(Mutant::LossHasNoConsequence)
        {
            self.lost = Some(held.generation);
        }
        self.released();
    }

    /// Whether a leader key of ours that was last written at `written` is one that has ended.
    pub(crate) fn has_ended(&self, written: Revision) -> bool {
        self.ended >= Some(written)
    }

    /// The store's history went backwards: its revisions say nothing about what has ended.
    pub(crate) fn store_replaced(&mut self) {
        self.ended = None;
    }

    /// Whether this run has held a leadership that ended.
    pub(crate) fn has_led(&self) -> bool {
        self.ended.is_some()
    }

    /// The server is not writable: a lost leadership has no more consequences.
    pub(crate) fn forget_loss(&mut self) {
        self.lost = None;
    }

    /// Takes what a complete view says about the leader key. Views from before our own
    /// acquisition say nothing.
    pub(crate) fn observe(&mut self, view: Revision, leader: Option<&LeaderKey>) {
        let Some(session) = self.session_name() else {
            return;
        };
        let held = leader.filter(|leader| leader.session.as_ref() == Some(&session));
        match (self.leadership, held) {
            // An acquisition with unknown outcome turns out to have worked.
            (None, Some(leader))
                if !self.has_ended(leader.revision)
                    || self.broken.breaks(Mutant::EndedLeadershipRevived) =>
            {
                self.acquired(leader.generation, view);
            }
            (Some(mine), None)
                if view >= mine.since || self.broken.breaks(Mutant::OldViewEndsLeadership) =>
            {
                self.leadership_lost();
            }
            (Some(mine), Some(leader))
                if mine.generation != leader.generation && view >= mine.since =>
            {
                self.acquired(leader.generation, view);
            }
            (None, None | Some(_)) | (Some(_), None | Some(_)) => {}
        }
    }

    /// The right to act as leader now, if there is one.
    pub(crate) fn grant(&self, now: Mono) -> Option<Grant> {
        let session = self.session.as_ref()?;
        let generation = self.leadership()?;
        let fence_at = self.fence_at()?;
        (now < fence_at).then(|| Grant {
            generation,
            valid_until: session.valid_until(),
        })
    }

    pub(crate) fn hold(&self, now: Mono) -> Hold {
        if self.lost.is_some() {
            return Hold::Lost;
        }
        let (Some(step_down_at), Some(fence_at)) = (self.step_down_at(), self.fence_at()) else {
            return Hold::None;
        };
        if self.broken.breaks(Mutant::NoDeadline) {
            Hold::Firm
        } else if now >= fence_at {
            Hold::Over
        } else if now >= step_down_at {
            Hold::Ending
        } else {
            Hold::Firm
        }
    }

    /// When a writable server must begin to stop in order; none without a leadership.
    pub(crate) fn step_down_at(&self) -> Option<Mono> {
        self.leadership()?;
        let session = self.session.as_ref()?;
        Some(self.fence_at()?.minus(stop_budget(session.ttl)))
    }

    /// When a writable server must be killed; none without a leadership.
    pub(crate) fn fence_at(&self) -> Option<Mono> {
        self.leadership()?;
        let session = self.session.as_ref()?;
        let end = session.valid_until();
        Some(if self.broken.breaks(Mutant::NoLeaseMargin) {
            end
        } else if self.broken.breaks(Mutant::LeaseMarginAdded) {
            end.plus(kill_budget(session.ttl))
        } else {
            end.minus(kill_budget(session.ttl))
        })
    }

    /// When the session should be opened or renewed next.
    pub(crate) fn next_attempt(&self) -> Mono {
        self.next_attempt
    }

    /// Brings the next renewal forward.
    pub(crate) fn renew_now(&mut self, now: Mono) {
        self.next_attempt = self.next_attempt.min(now);
    }

    /// Whether the session has lived through less than half its time since it was last proven.
    pub(crate) fn is_fresh(&self, now: Mono) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| now.since(session.proven_at) < session.ttl / 2)
    }
}

#[cfg(test)]
mod tests;
