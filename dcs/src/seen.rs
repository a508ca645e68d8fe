//! Notices that a store is not the one of before.
//!
//! Invariant: a linearizable answer is at least as new as anything this handle saw before the call
//! was started. Only the floor taken at the start counts: answers of concurrent calls may arrive
//! in any order.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Error, Revision};

/// What one handle has seen of its store.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    newest: Revision,
    /// The store's own name for itself, if it has one.
    identity: Option<u64>,
    replaced: Option<Error>,
}

/// The newest revision seen when a call was started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Floor(pub(crate) Revision);

impl Seen {
    /// Begins a call; fails as long as the store counts as replaced.
    pub(crate) fn begin(&self) -> Result<Floor, Error> {
        let state = self.lock();
        match &state.replaced {
            Some(error) => Err(error.clone()),
            None => Ok(Floor(state.newest)),
        }
    }

    /// Accepts the store as it is.
    pub(crate) fn reset(&self) {
        *self.lock() = State::default();
    }

    /// Takes note of an answer that may be old, such as a lease's: it is never evidence of a
    /// replaced store, except by its identity.
    #[cfg(any(feature = "etcd", test))]
    pub(crate) fn note(&self, found: Revision, identity: Option<u64>) -> Result<(), Error> {
        self.check(Floor::default(), found, identity)
    }

    /// Takes note of a linearizable answer to a call that was started at `floor`.
    pub(crate) fn check(
        &self,
        floor: Floor,
        found: Revision,
        identity: Option<u64>,
    ) -> Result<(), Error> {
        let mut state = self.lock();
        let is_other = matches!((state.identity, identity), (Some(a), Some(b)) if a != b);
        // A reset during the call lowered what was seen; the floor of before says nothing then.
        let floor = floor.0.min(state.newest);
        if is_other || found < floor {
            let error = Error::StoreReplaced {
                seen: state.newest,
                found,
            };
            state.replaced = Some(error.clone());
            return Err(error);
        }
        state.newest = state.newest.max(found);
        state.identity = state.identity.or(identity);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64) -> Revision {
        Revision::new(number)
    }

    #[test]
    fn answer_older_than_the_start_of_its_call_is_a_replaced_store() {
        let seen = Seen::default();
        let early = seen.begin().unwrap();
        seen.check(early, at(7), None).unwrap();
        seen.check(early, at(5), None).unwrap();
        let late = seen.begin().unwrap();
        let error = seen.check(late, at(6), None).unwrap_err();
        let expected = Error::StoreReplaced {
            seen: at(7),
            found: at(6),
        };
        assert_eq!(error, expected);
        assert_eq!(seen.begin().unwrap_err(), expected);
        seen.reset();
        let floor = seen.begin().unwrap();
        seen.check(floor, at(6), None).unwrap();
    }

    #[test]
    fn other_identity_is_a_replaced_store() {
        let seen = Seen::default();
        let floor = seen.begin().unwrap();
        seen.check(floor, at(3), Some(1)).unwrap();
        seen.note(at(2), Some(1)).unwrap();
        assert!(seen.note(at(9), Some(2)).is_err());
    }
}
