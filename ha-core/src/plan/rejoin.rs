//! Comparing with the leader, and coming back to it: only with a witness.

use super::upstream;
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::rejoin::LeaderElsewhere;
use crate::task::Task;
use crate::view::ServerView;

pub(super) fn identify(memory: &Memory) -> Option<Task> {
    let needs = match memory.server() {
        Some(ServerView::Standby(standby)) => Some(standby.position()),
        Some(
            ServerView::Down { .. }
            | ServerView::Starting
            | ServerView::Stopping
            | ServerView::Unresponsive
            | ServerView::Primary(_),
        )
        | None => None,
    };
    Some(Task::Identify {
        upstream: crate::cascade::asked(memory).or_else(|| upstream(memory))?,
        needs,
    })
}

/// The proof that another member holds the good copy, from the latest check of the present leader.
pub(crate) fn witness(memory: &Memory) -> Option<LeaderElsewhere> {
    let leader = memory.current_view()?.leader.as_ref()?;
    let is_any_taken = memory.breaks(Mutant::IdentityOfEarlierLeadership);
    let check = memory
        .identity
        .as_ref()
        .filter(|check| check.generation == leader.generation || is_any_taken)?;
    let mine = crate::explain::own_system_id(memory)?;
    LeaderElsewhere::prove(memory.me(), leader, &check.identity, mine)
}

pub(super) fn replace(memory: &Memory) -> Option<Task> {
    Some(Task::Replace {
        witness: witness(memory)?,
        from: upstream(memory)?,
    })
}

pub(super) fn rewind(memory: &Memory) -> Option<Task> {
    Some(Task::Rewind {
        witness: witness(memory)?,
        from: upstream(memory)?,
    })
}
