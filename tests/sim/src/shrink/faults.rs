//! Leaves faults out: halves, quarters, each alone, and those that only prepare the others.

use super::Shrinking;
use crate::ids::Node;
use crate::schedule::Schedule;

/// Longer schedules are not worth so many runs.
const FEW: usize = 8;

impl Shrinking<'_> {
    /// Delta debugging: parts of ever smaller size, from the end, because the beginning of a story
    /// is more often needed than its end.
    pub(super) fn without_faults(&mut self) -> bool {
        let before = self.best.faults.len();
        let mut size = before.div_ceil(2);
        while size > 0 {
            let mut end = self.best.faults.len();
            while end > 0 {
                let start = end.saturating_sub(size);
                self.change(|schedule| {
                    schedule.faults.drain(start..end);
                });
                // The rest begins where this part began, whether it is gone or not.
                end = start;
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
        self.best.faults.len() < before
    }

    /// Often the first faults only bring the leadership to the member that the others are about:
    /// without them the story is the same about the member that leads from the beginning.
    pub(super) fn without_a_prelude(&mut self) -> bool {
        for count in (1..self.best.faults.len().min(FEW)).rev() {
            for other in 1..self.best.options.nodes {
                if let Some(candidate) = without_prelude(&self.best, count, Node(other))
                    && self.keep(candidate)
                {
                    return true;
                }
            }
        }
        false
    }
}

/// The schedule without its first faults, the first member and another one in each other's place.
fn without_prelude(schedule: &Schedule, count: usize, other: Node) -> Option<Schedule> {
    let first = Node(0);
    let swap = |node: Node| match node {
        node if node == first => Some(other),
        node if node == other => Some(first),
        node => Some(node),
    };
    let mut candidate = schedule.clone();
    candidate.faults.drain(..count);
    for planned in &mut candidate.faults {
        planned.fault = planned.fault.renumbered(&swap)?;
    }
    Some(candidate)
}
