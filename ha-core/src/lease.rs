//! What this member holds in the store, and until when it may act on it.
//!
//! Validity counts from the moment a request was *sent*: the store cannot have started counting
//! earlier. A [`Grant`] is the proof that a leadership was held when a decision was taken; only
//! this file makes one.

use core::time::Duration;

use serde::Serialize;

use crate::mutant::{Broken, Mutant};
use crate::time::Mono;
use crate::value::{Generation, MemberName, Revision, SessionName};
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

    fn term(&self) -> Term {
        Term {
            until: self.valid_until(),
            ttl: self.ttl,
        }
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
    /// What the promises of the others are worth, when they were asked for.
    promised: Option<Term>,
    /// The leader key is known not to be ours at the store: the leadership rests on promises alone.
    is_key_gone: bool,
    /// Whether it is being taken anew.
    retaking: Retaking,
    /// When the next attempt to open or renew is due.
    next_attempt: Mono,
    broken: Broken,
}

/// Whether a request to take the leadership anew may take effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Retaking {
    /// None was sent.
    #[default]
    No,
    /// One is on its way.
    Sent,
    /// One has an unknown outcome: what is told of a later one says nothing about it.
    Doubtful,
}

/// Until when nobody else can lead, and the time to live that this comes from: the margins before
/// its end are parts of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Term {
    until: Mono,
    ttl: Duration,
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
            self.key_lost(now);
        }
        self.next_attempt = now;
    }

    /// The store does not bind the leader key to our session any more. Whoever was promised the
    /// time keeps leading by that, and takes the key anew.
    pub(crate) fn key_lost(&mut self, now: Mono) {
        let is_kept = self.leadership.is_some()
            && self
                .promised_term()
                .is_some_and(|term| now < self.fence_before(term));
        if is_kept {
            self.is_key_gone = true;
        } else {
            self.leadership_lost();
        }
    }

    /// The others hold back until `until`, each for `ttl` since it was asked. That counts only
    /// while the leadership has not run out: what was promised after somebody else could have taken
    /// it proves nothing.
    pub(crate) fn promised(&mut self, now: Mono, until: Mono, ttl: Duration) {
        let is_in_time = self.fence_at().is_some_and(|fence_at| now < fence_at)
            || self.broken.breaks(Mutant::LatePromisesCount);
        if self.leadership.is_some() && is_in_time {
            self.promised = Some(Term { until, ttl });
        }
    }

    /// The list of those who must promise gets longer: what was promised before is not enough.
    pub(crate) fn forget_promises(&mut self) {
        self.promised = None;
    }

    /// Whether the leadership rests on promises alone.
    pub(crate) fn is_key_gone(&self) -> bool {
        self.is_key_gone
    }

    /// A request to take the key anew is sent. Whoever sees it applied is free of the promise, so
    /// the session bounds what promises are worth from here on.
    pub(crate) fn retaking(&mut self) {
        if self.is_key_gone && self.retaking == Retaking::No {
            self.retaking = Retaking::Sent;
        }
    }

    /// It is known not to have been applied, or may still be.
    pub(crate) fn not_retaken(&mut self, is_known: bool) {
        self.retaking = match self.retaking {
            Retaking::Sent if is_known => Retaking::No,
            Retaking::Sent | Retaking::Doubtful => Retaking::Doubtful,
            Retaking::No => Retaking::No,
        };
    }

    /// What the promises are worth.
    fn promised_term(&self) -> Option<Term> {
        let promised = self.promised?;
        let is_free = self.broken.breaks(Mutant::RetakingKeepsPromises);
        if self.retaking == Retaking::No || is_free {
            return Some(promised);
        }
        let session = self.session.as_ref()?;
        Some(Term {
            until: promised.until.min(session.valid_until()),
            ..promised
        })
    }

    /// What a leadership rests on. Each has its own margins: the one that ends last may ask for a
    /// stop earlier than the other.
    fn terms(&self) -> impl Iterator<Item = Term> {
        let session = self.session.as_ref().filter(|_| !self.is_key_gone);
        let session = session.map(Session::term);
        session.into_iter().chain(self.promised_term())
    }

    pub(crate) fn session_closed(&mut self) {
        self.session = None;
        self.released();
    }

    /// The key of this leadership is bound to our session since revision `since`.
    pub(crate) fn acquired(&mut self, generation: Generation, since: Revision) {
        self.leadership = Some(Leadership { generation, since });
        self.lost = None;
        self.rest_on_the_key();
    }

    fn rest_on_the_key(&mut self) {
        self.promised = None;
        self.is_key_gone = false;
        self.retaking = Retaking::No;
    }

    pub(crate) fn released(&mut self) {
        self.rest_on_the_key();
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
    pub(crate) fn observe(
        &mut self,
        now: Mono,
        me: &MemberName,
        view: Revision,
        leader: Option<&LeaderKey>,
    ) {
        let session = self.session_name();
        if session.is_none() && !self.is_key_gone {
            return;
        }
        let held = leader.filter(|leader| session.is_some() && leader.session == session);
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
                // Left by our own former session, or gone; but not another's.
                let is_free = leader.is_none_or(|leader| {
                    leader.name == *me && leader.generation == mine.generation
                });
                if is_free {
                    self.key_lost(now);
                } else {
                    self.leadership_lost();
                }
            }
            (Some(mine), Some(leader)) if view >= mine.since => {
                if mine.generation != leader.generation {
                    self.acquired(leader.generation, view);
                } else if self.is_key_gone && leader.revision > mine.since {
                    self.acquired(mine.generation, view);
                }
            }
            (None, None | Some(_)) | (Some(_), None | Some(_)) => {}
        }
    }

    /// The right to act as leader now, if there is one.
    pub(crate) fn grant(&self, now: Mono) -> Option<Grant> {
        let generation = self.leadership()?;
        let valid_until = self.terms().map(|term| term.until).max()?;
        (now < self.fence_at()?).then_some(Grant {
            generation,
            valid_until,
        })
    }

    pub(crate) fn hold(&self, now: Mono) -> Hold {
        if self.lost.is_some() {
            return Hold::Lost;
        }
        let Some(fence_at) = self.fence_at() else {
            // Nothing is left that the leadership could rest on.
            return if self.is_key_gone {
                Hold::Over
            } else {
                Hold::None
            };
        };
        if self.broken.breaks(Mutant::NoDeadline) {
            Hold::Firm
        } else if now >= fence_at {
            Hold::Over
        } else if self.step_down_at().is_some_and(|at| now >= at) {
            Hold::Ending
        } else {
            Hold::Firm
        }
    }

    /// When a writable server must begin to stop in order; none without a leadership.
    pub(crate) fn step_down_at(&self) -> Option<Mono> {
        self.leadership?;
        let stop_before = |term: Term| self.fence_before(term).minus(stop_budget(term.ttl));
        self.terms().map(stop_before).max()
    }

    /// When a writable server must be killed; none without a leadership.
    pub(crate) fn fence_at(&self) -> Option<Mono> {
        self.leadership?;
        self.terms().map(|term| self.fence_before(term)).max()
    }

    /// When a server must be killed that may write as long as our session lives at least; none
    /// without a session.
    pub(crate) fn session_fence_at(&self) -> Option<Mono> {
        let session = self.session.as_ref()?;
        Some(self.fence_before(session.term()))
    }

    fn fence_before(&self, term: Term) -> Mono {
        if self.broken.breaks(Mutant::NoLeaseMargin) {
            term.until
        } else if self.broken.breaks(Mutant::LeaseMarginAdded) {
            term.until.plus(kill_budget(term.ttl))
        } else {
            term.until.minus(kill_budget(term.ttl))
        }
    }

    /// When the session should be opened or renewed next.
    pub(crate) fn next_attempt(&self) -> Mono {
        self.next_attempt
    }

    /// Brings the next renewal forward.
    pub(crate) fn renew_now(&mut self, now: Mono) {
        self.next_attempt = self.next_attempt.min(now);
    }

    /// When a leadership that was not proven any more should be secured by promises: a renewal has
    /// failed, and there is time for some rounds of questions before the server must stop.
    pub(crate) fn overdue_at(&self) -> Option<Mono> {
        self.leadership?;
        let session = self.session.as_ref().filter(|_| !self.is_key_gone);
        Some(session.map_or(Mono(0), |session| session.proven_at.plus(session.ttl / 2)))
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
