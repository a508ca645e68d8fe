//! Who claimed the lock, from when until when.
//!
//! A holder's claim begins when it knows that it has the lock and reaches as far as its last
//! renewal says. Invariant to be judged: claims of two owners have no instant in common. The second
//! owner knows of its lock after the store gave it, so the first one's claim ended before the
//! store's own expiry.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::member::Role;

#[derive(Clone, Debug)]
pub(super) struct Claim {
    owner: Role,
    from: Instant,
    until: Instant,
    /// The time in which the owner had the lock and could not know.
    gap: Duration,
}

#[derive(Debug, Default)]
struct State {
    claims: Vec<Claim>,
    /// Proofs that were asked for before this say nothing: another tool took the lock away.
    void_before: Option<Instant>,
}

/// All claims of one course.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<State>);

impl Claims {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The owner has learned that the lock is its own. Gives the number of the claim.
    pub(super) fn begin(&self, owner: Role, until: Instant) -> usize {
        let mut state = self.state();
        state.claims.push(Claim {
            owner,
            from: Instant::now(),
            until,
            gap: Duration::ZERO,
        });
        state.claims.len() - 1
    }

    /// A renewal that was sent at `sent` has proven the claim until then.
    pub(super) fn extend(&self, number: usize, sent: Instant, until: Instant) {
        let mut state = self.state();
        if state.void_before.is_some_and(|void| sent < void) {
            return;
        }
        let now = Instant::now();
        let claim = &mut state.claims[number];
        claim.gap += now.saturating_duration_since(claim.until);
        claim.until = claim.until.max(until);
    }

    /// The owner gives the lock back.
    pub(super) fn end(&self, number: usize, at: Instant) {
        let claim = &mut self.state().claims[number];
        claim.until = claim.until.min(at);
    }

    /// Another tool has taken the lock away between `begin` and now: nobody can know that before
    /// the next proof.
    pub(super) fn void(&self, begin: Instant) {
        let mut state = self.state();
        state.void_before = Some(Instant::now());
        for claim in &mut state.claims {
            claim.until = claim.until.min(begin);
        }
    }

    pub(super) fn of(&self, owner: Role) -> Vec<Claim> {
        let state = self.state();
        let of_owner = state.claims.iter().filter(|claim| claim.owner == owner);
        of_owner.cloned().collect()
    }

    /// Two claims of different owners that overlap.
    pub(super) fn conflict(&self) -> Option<(Claim, Claim)> {
        let state = self.state();
        for (number, one) in state.claims.iter().enumerate() {
            for other in &state.claims[number + 1..] {
                let overlap = one.from < other.until && other.from < one.until;
                if overlap && one.owner != other.owner {
                    return Some((one.clone(), other.clone()));
                }
            }
        }
        None
    }

    /// The shortest time between the end of the holder's last claim and the begin of the next
    /// owner's.
    pub(super) fn shortest_margin(&self, holder: Role) -> Option<Duration> {
        let state = self.state();
        let pairs = state.claims.windows(2);
        let margins = pairs.filter(|pair| pair[0].owner == holder && pair[1].owner != holder);
        let margins = margins.map(|pair| pair[1].from.saturating_duration_since(pair[0].until));
        margins.min()
    }
}

impl Claim {
    pub(super) const fn gap(&self) -> Duration {
        self.gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn claims_of_two_owners_must_not_meet() {
        let claims = Claims::default();
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let first = claims.begin(Role::Holder, start + second * 2);
        tokio::time::advance(second * 3).await;
        let other = claims.begin(Role::Rival, start + second * 5);
        assert!(claims.conflict().is_none());
        assert_eq!(claims.shortest_margin(Role::Holder), Some(second));
        claims.end(other, start + second * 4);
        claims.extend(first, start + second, start + second * 4);
        assert!(claims.conflict().is_some());
        assert_eq!(claims.of(Role::Holder)[0].gap(), second);
    }

    #[tokio::test(start_paused = true)]
    async fn proof_of_before_a_sabotage_counts_nothing() {
        let claims = Claims::default();
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let first = claims.begin(Role::Holder, start + second * 2);
        tokio::time::advance(second).await;
        claims.void(start + second);
        claims.extend(first, start, start + second * 9);
        claims.begin(Role::Rival, start + second * 5);
        assert!(claims.conflict().is_none());
    }
}
