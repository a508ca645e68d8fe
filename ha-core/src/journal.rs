//! The current decision and the last ones, for people.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use serde::Serialize;

use crate::reason::Reason;
use crate::time::{Mono, Wall};

/// Whether a decision changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Something is done.
    Act,
    /// Nothing is done, for a reason.
    Hold,
}

/// What was decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// When, on the clock that decides.
    pub at: Mono,
    /// When, on the clock that people read.
    pub wall: Wall,
    /// Whether it changes something.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

/// How many decisions are kept.
pub(crate) const KEPT: usize = 256;

/// Decisions that differed from the one before, newest last. They are shared with whoever shows
/// them: a machine is shown after every step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    decisions: VecDeque<Arc<Decision>>,
    /// How often the current decision was repeated.
    repeats: u64,
}

impl Journal {
    /// Notes a decision; tells whether it differs from the current one in kind or verdict.
    pub(crate) fn note(&mut self, decision: Decision) -> bool {
        if let Some(current) = self.decisions.back_mut()
            && current.verdict == decision.verdict
            && current.reason.code() == decision.reason.code()
        {
            self.repeats += 1;
            // The numbers move while the decision stays: keep the newest, count from the first.
            Arc::make_mut(current).reason = decision.reason;
            return false;
        }
        if self.decisions.len() == KEPT {
            self.decisions.pop_front();
        }
        self.decisions.push_back(Arc::new(decision));
        self.repeats = 0;
        true
    }

    pub(crate) fn current(&self) -> Option<&Decision> {
        self.decisions.back().map(AsRef::as_ref)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Decision>> {
        self.decisions.iter()
    }

    pub(crate) fn repeats(&self) -> u64 {
        self.repeats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Timeline;

    fn decision(at: u64, timeline: u32) -> Decision {
        let reason = Reason::Leading {
            timeline: Timeline(timeline),
        };
        Decision {
            at: Mono(at),
            wall: Wall(0),
            verdict: Verdict::Hold,
            reason,
        }
    }

    #[test]
    fn a_repeated_decision_is_counted_and_keeps_its_first_instant() {
        let mut journal = Journal::default();
        assert!(journal.note(decision(1, 1)));
        assert!(!journal.note(decision(2, 2)));
        let current = journal.current().expect("a decision");
        assert_eq!((current.at, journal.repeats()), (Mono(1), 1));
        assert_eq!(
            current.reason,
            Reason::Leading {
                timeline: Timeline(2)
            }
        );
    }

    #[test]
    fn the_journal_keeps_a_limited_number() {
        let mut journal = Journal::default();
        for at in 0..600 {
            let verdict = if at % 2 == 0 {
                Verdict::Act
            } else {
                Verdict::Hold
            };
            journal.note(Decision {
                verdict,
                ..decision(at, 1)
            });
        }
        assert_eq!(journal.all().count(), KEPT);
    }
}
