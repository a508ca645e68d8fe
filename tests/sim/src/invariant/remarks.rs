//! What is weaker than one would wish and no violation: counted by kind.
//!
//! A state that lasts is seen after every event, so a kind counts at most once in a second of the
//! world: the count says for how long, not how busy the world was.

use std::collections::BTreeMap;

use crate::ids::At;

const SECOND: u64 = 1_000_000_000;

/// The counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Remarks(BTreeMap<&'static str, Remark>);

#[derive(Clone, Copy, Debug)]
struct Remark {
    count: u64,
    /// The second of the world that was counted last.
    last: u64,
}

impl Remarks {
    /// Notes a remark of this instant.
    pub(super) fn add(&mut self, kind: &'static str, now: At) {
        let second = now.0 / SECOND;
        let remark = self.0.entry(kind).or_insert(Remark {
            count: 0,
            last: u64::MAX,
        });
        if remark.last != second {
            remark.last = second;
            remark.count += 1;
        }
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.0.iter();
        counts.map(|(kind, remark)| (*kind, remark.count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_counts_once_in_a_second() {
        let mut remarks = Remarks::default();
        for at in [0, 1, SECOND - 1, SECOND, 5 * SECOND] {
            remarks.add("late", At(at));
        }
        remarks.add("odd", At(0));
        assert_eq!(remarks.counts(), [("late", 3), ("odd", 1)].into());
    }
}
