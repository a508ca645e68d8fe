//! Comparing with the leader, and coming back to it: only with a witness.

use super::upstream;
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::rejoin::LeaderElsewhere;
use crate::remote;
use crate::task::{Task, Upstream};
use crate::view::ServerView;

/// Whose history ours is compared with: the leader's, and in a standby cluster that of the server
/// which all of it follows.
pub(crate) fn opposite(memory: &Memory) -> Option<Upstream> {
    remote::opposite(memory).or_else(|| upstream(memory))
}

pub(super) fn identify(memory: &Memory) -> Option<Task> {
    let server = opposite(memory)?;
    // What somebody else sends us is nothing that this server could miss.
    let is_asked_for_wal = upstream(memory).is_some_and(|upstream| upstream.name == server.name);
    let needs = match memory.server() {
        Some(ServerView::Standby(standby)) if is_asked_for_wal => Some(standby.position()),
        Some(
            ServerView::Down { .. }
            | ServerView::Starting
            | ServerView::Stopping
            | ServerView::Unresponsive
            | ServerView::Standby(_)
            | ServerView::Primary(_),
        )
        | None => None,
    };
    Some(Task::Identify {
        upstream: crate::cascade::asked(memory).unwrap_or(server),
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
    if remote::is_followed(memory) {
        let source = remote::opposite(memory)?;
        return (check.server == source.name)
            .then(|| LeaderElsewhere::prove_source(&source.name, leader, &check.identity, mine))
            .flatten();
    }
    if check.server != leader.name && !is_any_taken {
        return None;
    }
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
        from: opposite(memory)?,
    })
}
