//! `one-owner-per-timeline`: no two lives of a timeline of one cluster have the same number
//! (oracle O7, invariants I6 and I16).
//!
//! PostgreSQL cannot tell two such lives apart: a standby of one follows the other and is spoilt.
//!
//! Exempt, each as a remark: a leader that an operator chose by hand, whatever others have; one
//! that was excused when it became primary; and a number whose other life is older than the
//! instant in which a tool removed or put back the record of the timelines, or was reserved before
//! it, because then the members cannot know of it.

use super::remarks::Remarks;
use super::truth::Truth;
use super::{Verdict, broken};
use crate::ids::Node;
use crate::pg::Wal;
use crate::world::World;

pub(super) const NAME: &str = "one-owner-per-timeline";

/// A server has become a primary and writes here.
pub(super) fn check(
    world: &World,
    node: Node,
    wal: Wal,
    truth: &mut Truth,
    remarks: &mut Remarks,
) -> Verdict {
    truth.branch_begun(node, wal.branch.0, world.now);
    let own = world.tree.branch(wal.branch);
    let twin = world.tree.branches().find(|(id, other)| {
        *id != wal.branch && other.system == own.system && other.timeline == own.timeline
    });
    let Some((id, twin)) = twin else {
        return Ok(());
    };
    let excuse = if truth.tenure(node).is_by_hand {
        Some("timeline-shared-by-hand")
    } else if id.0 < truth.branches_untold {
        Some("timeline-shared-after-a-tool-touched-the-history")
    } else if !truth.standing(node, world).holds() {
        Some("timeline-shared-by-an-excused-server")
    } else {
        None
    };
    if let Some(kind) = excuse {
        truth.is_timeline_shared = true;
        remarks.add(kind, world.now);
        return Ok(());
    }
    broken(
        NAME,
        format!(
            "{node} writes timeline {} from {} on, which {} has begun at {}",
            own.timeline, own.begin, twin.writer, twin.begin
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fault::{Deed, Fault};
    use crate::run::Run;

    /// `b` leads on timeline 2 and dies; `c`, which has nothing of it, takes over.
    fn twice(between: impl FnOnce(&mut Run)) -> Run {
        let mut run = settled();
        deafen(&mut run, C);
        take_over(&mut run, B);
        assert_eq!(violated(&mut run), None);
        between(&mut run);
        kill(&mut run, B);
        take_over(&mut run, C);
        run
    }

    #[test]
    fn two_members_that_begin_one_timeline_are_noticed() {
        assert_violates(&mut twice(|_| ()), NAME);
    }

    #[test]
    fn after_the_record_of_timelines_was_wiped_nobody_can_know() {
        let wipe = |run: &mut Run| run.world.inflict(&Fault::Deed(Deed::WipeStore));
        assert_eq!(violated(&mut twice(wipe)), None);
    }
}
