//! How things stand, in words: servers, places in the WAL, instants.

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{Lane, Lsn, Mono};

use crate::ids::{At, Node};
use crate::pg::{Data, Process};
use crate::world::{Host, World};

/// What a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stand {
    /// In words.
    pub(super) words: String,
    /// Whether it stays so until something happens to it.
    pub(super) is_settled: bool,
}

pub(super) fn stand(world: &World, host: &Host) -> Stand {
    let (words, is_settled) = match host.server.process {
        _ if !host.is_up => ("without power".to_owned(), true),
        Process::Down { orphans: true } => ("down, its backends live on".to_owned(), true),
        Process::Down { orphans: false } => (disk(host).to_owned(), true),
        Process::Starting { .. } => ("starting".to_owned(), false),
        Process::Primary => (format!("primary tli={}", timeline(world, host)), true),
        Process::Standby(_) => ("standby".to_owned(), true),
        Process::Promoting(_) => ("promoting".to_owned(), false),
        Process::Stopping { .. } => ("stopping".to_owned(), false),
    };
    let words = match host.server.is_corrupt() {
        true => format!("{words}, corrupt"),
        false => words,
    };
    Stand { words, is_settled }
}

fn disk(host: &Host) -> &'static str {
    match &host.server.data {
        Data::Empty => "empty",
        Data::Leftover => "unfinished",
        Data::Wreck(_) => "wreck",
        Data::Unusable => "unusable",
        Data::Cluster(_) => "down",
    }
}

/// The timeline of a server's WAL; a dash when it has none.
pub(super) fn timeline(world: &World, host: &Host) -> String {
    let timeline = host.server.wal().map(|wal| world.tree.timeline(wal));
    timeline.map_or_else(|| "-".to_owned(), |timeline| timeline.to_string())
}

/// The end of a server's WAL.
pub(super) fn end(world: &World, node: Node) -> Option<Lsn> {
    world.host(node).server.wal().map(|wal| wal.end)
}

/// What a member's clock showed, as an instant of the script.
pub(super) fn instant(world: &World, node: Node, shown: Mono) -> At {
    let at = world.host(node).clock.when(shown);
    At::default().plus(at.since(world.zero))
}

/// Whether the cluster works: whoever leads takes writes and nobody else does, and every member
/// that can be expected to streams.
pub(super) fn is_stable(world: &World) -> bool {
    let Some(leader) = world.leader() else {
        return false;
    };
    let is_there = |host: &Host| host.is_agent_awake() && world.sees_store(host.node);
    let has_primary = is_there(world.host(leader)) && world.host(leader).server.is_writable();
    let request = world.store.value(key::FAILOVER);
    let is_asked = request.is_some_and(|request| request != "{}");
    let writers = world.hosts.iter().filter(|host| host.server.is_writable());
    has_primary
        && !is_asked
        && writers.count() == 1
        && world
            .hosts
            .iter()
            .filter(|host| is_there(host))
            .all(|host| {
                (host.node == leader || host.server.connected().is_some()) && !is_at_work(host)
            })
}

/// Whether its machine does something with its server.
fn is_at_work(host: &Host) -> bool {
    let agent = host.agent.as_ref();
    let mut tasks = agent
        .into_iter()
        .flat_map(|agent| agent.subject.running().values());
    tasks.any(|task| task.lane() == Lane::Server)
}

/// What each member stands at, in one line.
pub(super) fn everybody(world: &World) -> String {
    let members = world.hosts.iter().map(|host| {
        let words = stand(world, host).words;
        format!("{} {words} ({})", host.node, decided(host))
    });
    members.collect::<Vec<_>>().join(", ")
}

/// The code of a member's present decision.
pub(super) fn decided(host: &Host) -> String {
    let Some(agent) = &host.agent else {
        return "no agent".to_owned();
    };
    let decision = agent.subject.machine().status().decision;
    let code = decision.map_or("nothing yet", |decision| decision.reason.code().as_str());
    match host.is_agent_awake() {
        true => code.to_owned(),
        false => format!("{code}, stands still"),
    }
}
