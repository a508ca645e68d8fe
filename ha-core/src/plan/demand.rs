//! Tasks that only operators ask for, and the question about our own name.

use alloc::collections::BTreeSet;
use alloc::vec;
use core::time::Duration;

use super::copy::clone_source;
use super::{clear_move, member_as_upstream, put};
use crate::memory::Memory;
use crate::reinit;
use crate::remote;
use crate::schema::{key, write};
use crate::task::{Commit, Purpose, Task, Upstream};
use crate::view::MoveRequest;

/// Asks the leader's server who it is, unless that was done a moment ago.
pub(super) fn prove_leader(memory: &Memory) -> Option<Task> {
    if reinit::ask_again_at(memory).is_some_and(|at| memory.mono() < at) {
        return None;
    }
    leader_server(memory).map(|upstream| Task::Identify {
        upstream,
        needs: None,
    })
}

/// The leader's server, whatever our own tags say about streaming.
fn leader_server(memory: &Memory) -> Option<Upstream> {
    let leader = memory.view.as_ref()?.leader.as_ref()?;
    if let Some(source) = remote::opposite(memory) {
        // Its leader is no primary, and proves nothing.
        return Some(Upstream {
            slot: None,
            ..source
        });
    }
    let server = member_as_upstream(memory, &leader.name)?;
    Some(Upstream {
        slot: None,
        ..server
    })
}

pub(super) fn reinitialize(memory: &Memory) -> Option<Task> {
    let leader = leader_server(memory)?;
    let wish = memory.reinit.as_ref()?;
    let from = if wish.is_from_leader {
        leader.clone()
    } else {
        clone_source(memory)?
    };
    Some(Task::Reinitialize {
        witness: reinit::witness(memory)?,
        leader,
        from,
        is_direct: wish.is_from_leader,
    })
}

/// A scheduled move becomes one for now: from here on all members treat it as such.
pub(super) fn begin_move(memory: &Memory) -> Option<Commit> {
    let mut commit = clear_move(memory)?;
    let request = memory.view.as_ref()?.failover.value.as_ref()?;
    let now = MoveRequest {
        leader: Some(memory.me().clone()),
        candidate: request.candidate.clone(),
        scheduled_at: None,
    };
    commit.purpose = Purpose::BeginMove;
    commit.writes = vec![put(key::FAILOVER, write::failover(Some(&now)))];
    Some(commit)
}

/// Asks who answers under our name.
pub(super) fn ask_name(memory: &Memory) -> Option<Task> {
    let me = memory.me();
    let member = memory.view.as_ref()?.members.get(me)?;
    let peers = vec![(me.clone(), member.api_url.clone()?)];
    let expected = BTreeSet::from([me.clone()]);
    Some(Task::AskPeers {
        peers,
        expected,
        limit: Duration::from_secs(2),
    })
}
