//! From a choice to tasks: each act filled with what its execution needs.
//!
//! A plan may be empty although the table chose to act: then a precondition that only this file
//! knows (an open session, a fresh lease) is still to come, and the machine looks again.

mod copy;
mod demand;
mod rejoin;
mod timeline;

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::candidate::is_scheduled;
use crate::decide::Act;
use crate::lease::Grant;
use crate::memory::Memory;
use crate::remote;
use crate::restart;
use crate::schema::{key, slot_name, write};
use crate::situation as word;
use crate::sync;
use crate::task::{
    Commit, KeyState, Purpose, StartAs, StopMode, StoreGuard, StoreWrite, Task, Upstream,
};
use crate::value::{MemberName, SessionName, Timeline};
use crate::view::{ClusterView, LeaderKey, LeadershipRecord, MoveRequest, ServerView, StatusKey};

use rejoin::{identify, replace, rewind};
pub(crate) use rejoin::{opposite, witness};
pub(crate) use timeline::reserved_timeline;
use timeline::{highest_timeline, next_timeline};

/// How long a standby may take to accept connections before its start counts as failed, when nothing
/// is configured. The server goes on meanwhile: a failed start is only looked at again.
const STANDBY_START_LIMIT: Duration = Duration::from_secs(60);

/// The tasks that carry an act out.
pub(crate) fn tasks(memory: &Memory, act: Act) -> Vec<Task> {
    match act {
        Act::Hold | Act::Lead | Act::Quit | Act::Cancel | Act::BeginRestart | Act::DropRestart => {
            Vec::new()
        }
        Act::AskName => demand::ask_name(memory).into_iter().collect(),
        Act::AskPeers => ask_peers(memory).into_iter().collect(),
        Act::AskAndProve => {
            let proof = (!memory.is_gone).then_some(Task::ProveGone);
            ask_peers(memory).into_iter().chain(proof).collect()
        }
        Act::ProveGone => vec![Task::ProveGone],
        Act::Acquire => commit(acquire(memory)),
        Act::Resume => commit(resume(memory)),
        Act::Release => commit(release(memory)),
        Act::Claim => commit(claim(memory)),
        Act::Record => commit(record(memory)),
        Act::Adopt => commit(adopt(memory)),
        Act::ClearMove => commit(clear_move(memory)),
        Act::BeginMove => commit(demand::begin_move(memory)),
        Act::PrepareSync => sync::prepare(memory).into_iter().collect(),
        Act::PrePromote => pre_promote(memory).into_iter().collect(),
        Act::Promote => promote(memory).into_iter().collect(),
        Act::StartPrimary => start_primary(memory).into_iter().collect(),
        Act::StartStandby => vec![start_standby(memory, upstream(memory))],
        Act::StartAlone => vec![start_standby(memory, None)],
        Act::StartFromSource => vec![start_standby(memory, remote::source(memory))],
        Act::CopySource => copy::from_source(memory).into_iter().collect(),
        Act::StopFast => vec![Task::Stop {
            mode: StopMode::Fast,
        }],
        Act::Fence => vec![Task::Fence],
        Act::Follow => vec![Task::Follow {
            upstream: crate::cascade::followed(memory).or_else(|| upstream(memory)),
        }],
        Act::Detach => vec![Task::Follow { upstream: None }],
        Act::Identify => identify(memory).into_iter().collect(),
        Act::Replace => replace(memory).into_iter().collect(),
        Act::ProveLeader => demand::prove_leader(memory).into_iter().collect(),
        Act::Reinitialize => demand::reinitialize(memory).into_iter().collect(),
        Act::Rewind => rewind(memory).into_iter().collect(),
        Act::Clone => copy::from_member(memory).into_iter().collect(),
        Act::Restore => vec![copy::from_backup()],
        Act::CopySlots => crate::carry::task(memory).into_iter().collect(),
        Act::Bootstrap => present_and_fresh(memory)
            .map(|_| Task::Bootstrap)
            .into_iter()
            .collect(),
        Act::Checkpoint => vec![Task::Checkpoint],
        Act::CloseSession => memory
            .lease
            .session_name()
            .map(|session| Task::CloseSession { session })
            .into_iter()
            .collect(),
    }
}

fn commit(commit: Option<Commit>) -> Vec<Task> {
    commit.map(Task::Commit).into_iter().collect()
}

/// How soon the same question is asked again.
const ASK_SPACING: Duration = Duration::from_millis(100);

fn ask_peers(memory: &Memory) -> Option<Task> {
    let since = question_since(memory);
    let was_asked = memory
        .evidence_since(since)
        .is_some_and(|evidence| memory.mono() < evidence.answered_at.plus(ASK_SPACING));
    if was_asked {
        return None;
    }
    ask_everybody(memory)
}

/// Asks all others for their positions; none: there is nobody to ask.
pub(crate) fn ask_everybody(memory: &Memory) -> Option<Task> {
    let peers: Vec<(MemberName, String)> = memory
        .known_members()
        .into_iter()
        .filter_map(|(name, member)| Some((name.clone(), member.api_url.clone()?)))
        .collect();
    let registered = memory.view.as_ref().map(|view| &view.members);
    let expected = peers
        .iter()
        .map(|(name, _)| name)
        .filter(|name| registered.is_some_and(|members| members.contains_key(*name)))
        .cloned()
        .collect();
    let limit = (memory.rules.ttl / 5).clamp(Duration::from_millis(300), Duration::from_secs(2));
    Some(Task::AskPeers {
        peers,
        expected,
        limit,
    })
}

/// Since when answers to the present question count.
pub(crate) fn question_since(memory: &Memory) -> crate::time::Mono {
    // A view that is known to be old shows a leader where there is none.
    let seen_at = memory.view.as_ref().map(|_| memory.seen_at);
    let is_down = matches!(memory.server(), Some(ServerView::Down { .. }));
    if let Some(since) = word::overdue_since(memory) {
        return since;
    }
    let wanted = if memory.lease.leadership().is_none() {
        memory.unlocked_since
    } else if is_down {
        memory.down_since
    } else {
        memory.move_seen.map(|(_, at)| at)
    };
    wanted.or(seen_at).unwrap_or_else(|| memory.mono())
}

fn guard(key: &str, is: KeyState) -> StoreGuard {
    StoreGuard {
        key: key.to_owned(),
        is,
    }
}

fn put(key: &str, value: String) -> StoreWrite {
    StoreWrite::Put {
        key: key.to_owned(),
        value,
    }
}

fn put_bound(key: &str, value: String) -> StoreWrite {
    StoreWrite::PutBound {
        key: key.to_owned(),
        value,
    }
}

/// Session and view, when both are there: what every change of the leadership needs.
fn present(memory: &Memory) -> Option<(SessionName, &ClusterView)> {
    Some((memory.lease.session_name()?, memory.current_view()?))
}

/// A leadership begins with a session that has most of its time before it.
fn present_and_fresh(memory: &Memory) -> Option<(SessionName, &ClusterView)> {
    present(memory).filter(|_| memory.lease.is_fresh(memory.mono()))
}

/// Taking the leadership is one commit with everything that the decision rested on: whoever
/// changed the synchronous members, a wanted move or the record of the last leadership since we
/// looked makes it fail.
fn acquire(memory: &Memory) -> Option<Commit> {
    let (session, view) = present_and_fresh(memory)?;
    let mut writes = leadership_writes(memory);
    let is_answered = view
        .failover
        .value
        .as_ref()
        .is_some_and(|request| !is_scheduled(request));
    if is_answered {
        // In a pause it is what allows the promotion, and goes when that is done.
        let left = MoveRequest {
            candidate: Some(memory.me().clone()),
            ..MoveRequest::default()
        };
        let is_kept = memory.rules.pause && word::asked(memory) == word::Asked::Yes;
        let value = write::failover(is_kept.then_some(&left));
        writes.push(put(key::FAILOVER, value));
    }
    Some(Commit {
        purpose: Purpose::Acquire,
        session: Some(session),
        guards: vec![
            guard(key::LEADER, KeyState::Absent),
            guard(key::FAILOVER, KeyState::seen(view.failover.revision)),
            guard(key::SYNC, KeyState::seen(view.sync.revision)),
            guard(key::LEADERSHIP, KeyState::seen(view.leadership.revision)),
            guard(key::INITIALIZE, KeyState::seen(view.initialize.revision)),
            guard(key::FAILSAFE, KeyState::seen(view.failsafe.revision)),
        ],
        writes,
    })
}

fn leadership_writes(memory: &Memory) -> Vec<StoreWrite> {
    let timeline = memory
        .server()
        .and_then(ServerView::position)
        .map(|position| position.timeline);
    let is_primary = matches!(memory.server(), Some(ServerView::Primary(_)));
    // Nobody is promoted in a standby cluster: a number is reserved when that ends.
    let is_promotion = !is_primary && !remote::is_followed(memory);
    let record = LeadershipRecord {
        owner: memory.me().clone(),
        from_timeline: timeline.unwrap_or(Timeline(1)),
        timeline: if is_promotion {
            next_timeline(memory)
        } else {
            highest_timeline(memory)
        },
        is_promotion,
    };
    vec![
        put_bound(key::LEADER, memory.me().to_string()),
        put(key::LEADERSHIP, write::leadership(&record)),
    ]
}

fn resume(memory: &Memory) -> Option<Commit> {
    let (session, view) = present_and_fresh(memory)?;
    // Nobody takes the key of another member up.
    let ours = |leader: &&LeaderKey| leader.name == *memory.me();
    let leader = view.leader.as_ref().filter(ours)?;
    let mut guards = vec![guard(key::LEADER, KeyState::At(leader.revision))];
    let mut writes = vec![put_bound(key::LEADER, memory.me().to_string())];
    let is_standby = matches!(memory.server(), Some(ServerView::Standby(_)));
    if is_standby && reserved_timeline(memory).is_none() {
        let seen = KeyState::seen(view.leadership.revision);
        guards.push(guard(key::LEADERSHIP, seen));
        writes = leadership_writes(memory);
    }
    Some(Commit {
        purpose: Purpose::Resume,
        session: Some(session),
        guards,
        writes,
    })
}

fn release(memory: &Memory) -> Option<Commit> {
    let session = memory.lease.session_name()?;
    let mut writes = vec![StoreWrite::Delete {
        key: key::LEADER.to_owned(),
    }];
    let known_line = memory
        .view
        .as_ref()
        .map(|view| view.timeline().unwrap_or(Timeline(1)));
    if let (Some(end), Some(view)) = (word::shutdown_checkpoint(memory), &memory.view)
        && known_line == memory.own_timeline()
    {
        let mut status = StatusKey::clone(&view.status.value);
        status.optime = status.optime.max(end);
        writes.push(put(key::STATUS, write::status(&status)));
    }
    let mut guards = held_as_seen(memory);
    let was_never_primary = word::origin(memory) == word::Origin::Standby;
    if let Some(view) = memory.current_view().filter(|_| was_never_primary)
        && let Some((guard, write)) = sync::restored(memory, view)
    {
        guards.push(guard);
        writes.push(write);
    }
    Some(Commit {
        purpose: Purpose::Release,
        session: Some(session),
        guards,
        writes,
    })
}

/// The leader key is ours, and as we last saw it written by us: a request that is held up on its way
/// must not end a later leadership of the same session. Nor another member's: a store that is put
/// back counts its revisions anew, so a revision alone may be that of anybody's key by then.
fn held_as_seen(memory: &Memory) -> Vec<StoreGuard> {
    let seen = memory
        .view
        .as_ref()
        .and_then(|view| view.leader.as_ref())
        .filter(|leader| leader.session == memory.lease.session_name())
        .map(|leader| guard(key::LEADER, KeyState::At(leader.revision)));
    let held = guard(key::LEADER, KeyState::HeldBySession);
    seen.into_iter().chain([held]).collect()
}

pub(crate) fn claim(memory: &Memory) -> Option<Commit> {
    let (session, _) = present(memory)?;
    Some(Commit {
        purpose: Purpose::ClaimInitialize,
        session: Some(session),
        guards: vec![
            guard(key::INITIALIZE, KeyState::Absent),
            guard(key::LEADER, KeyState::Absent),
        ],
        writes: vec![put_bound(key::INITIALIZE, String::new())],
    })
}

fn record(memory: &Memory) -> Option<Commit> {
    let (session, view) = present_and_fresh(memory)?;
    let system_id = crate::explain::own_system_id(memory)?;
    let mut writes = leadership_writes(memory);
    writes.push(put(key::INITIALIZE, write::initialize(system_id)));
    if let (None, Some(config)) = (view.config.revision, &memory.config) {
        writes.push(put(key::CONFIG, config.to_string()));
    }
    Some(Commit {
        purpose: Purpose::RecordCluster,
        session: Some(session),
        guards: vec![
            guard(key::INITIALIZE, KeyState::HeldBySession),
            guard(key::LEADER, KeyState::Absent),
            guard(key::CONFIG, KeyState::seen(view.config.revision)),
        ],
        writes,
    })
}

/// Records the identifier of data that was there before the store knew the cluster.
pub(crate) fn adopt(memory: &Memory) -> Option<Commit> {
    let view = memory.current_view()?;
    let system_id = crate::explain::own_system_id(memory)?;
    Some(Commit {
        purpose: Purpose::AdoptCluster,
        session: memory.lease.session_name(),
        guards: vec![guard(
            key::INITIALIZE,
            KeyState::seen(view.initialize.revision),
        )],
        writes: vec![put(key::INITIALIZE, write::initialize(system_id))],
    })
}

fn clear_move(memory: &Memory) -> Option<Commit> {
    let (session, view) = present(memory)?;
    Some(Commit {
        purpose: Purpose::ClearMove,
        session: Some(session),
        guards: vec![
            guard(key::FAILOVER, KeyState::seen(view.failover.revision)),
            guard(key::LEADER, KeyState::HeldBySession),
        ],
        writes: vec![put(key::FAILOVER, write::failover(None))],
    })
}

fn pre_promote(memory: &Memory) -> Option<Task> {
    let generation = memory.lease.leadership()?;
    Some(Task::PrePromote { generation })
}

/// The right to make our server writable, which no leader of a standby cluster has.
fn grant(memory: &Memory) -> Option<Grant> {
    if remote::is_followed(memory) {
        return None;
    }
    memory.lease.grant(memory.mono())
}

fn promote(memory: &Memory) -> Option<Task> {
    let grant = grant(memory)?;
    Some(Task::Promote {
        grant,
        timeline: reserved_timeline(memory).unwrap_or_else(|| next_timeline(memory)),
        slots: crate::slots::of_primary(memory),
        sync: sync::promoted_with(memory),
    })
}

fn start_primary(memory: &Memory) -> Option<Task> {
    let grant = grant(memory)?;
    let limit = restart::start_limit(memory).unwrap_or_else(|| memory.rules.start_limit());
    Some(Task::Start {
        role: StartAs::Primary(grant),
        limit,
    })
}

fn start_standby(memory: &Memory, upstream: Option<Upstream>) -> Task {
    let limit = memory.settings.standby_start_limit;
    Task::Start {
        role: StartAs::Standby(upstream),
        limit: limit.unwrap_or(STANDBY_START_LIMIT),
    }
}

/// The leader as a source of WAL; none while nobody else leads or its address is not known. For the
/// leader of a standby cluster: what the cluster follows.
pub(crate) fn upstream(memory: &Memory) -> Option<Upstream> {
    match giver(memory)? {
        Giver::Source => remote::source(memory),
        Giver::Leader(name) => member_as_upstream(memory, name),
    }
}

/// Where [`upstream`] is: no host when WAL comes from an archive alone.
pub(crate) fn upstream_address(memory: &Memory) -> Option<(&str, u16)> {
    match giver(memory)? {
        Giver::Source => remote::source_address(memory),
        Giver::Leader(name) => member_address(memory, name),
    }
}

/// Who gives us WAL.
enum Giver<'a> {
    /// What the cluster follows: we lead.
    Source,
    Leader(&'a MemberName),
}

fn giver(memory: &Memory) -> Option<Giver<'_>> {
    if memory.settings.tags.is_nostream() {
        return None;
    }
    let leader = memory.view.as_ref()?.leader.as_ref()?;
    Some(match leader.name == *memory.me() {
        true => Giver::Source,
        false => Giver::Leader(&leader.name),
    })
}

/// Where the server of a member is.
pub(crate) fn member_address<'a>(memory: &'a Memory, name: &MemberName) -> Option<(&'a str, u16)> {
    let member = memory.view.as_ref()?.members.get(name)?;
    let (host, port) = member.endpoint.as_ref()?;
    Some((host, *port))
}

pub(crate) fn member_as_upstream(memory: &Memory, name: &MemberName) -> Option<Upstream> {
    let (host, port) = member_address(memory, name)?;
    let host = host.to_owned();
    let slot = memory
        .rules
        .use_slots
        .then(|| slot_name(memory.me().as_str()).into_owned());
    Some(Upstream {
        name: name.clone(),
        host,
        port,
        slot,
        is_source: false,
    })
}
