//! `down-for-slots`: a standby goes down to get logical slots only when it is not needed meanwhile:
//! no commit waits for it, no move is to be made, another one streams that could take over, and not
//! all go down at once. Nothing is copied into data that has gone another way than the leader's.
//!
//! Judged when the machine begins, by what the store had told it and by what the servers do. Of a
//! server that is down it knows what the control file tells, which lags behind the log, and of the
//! leader what the newest view tells: so what it begins is judged by these, and what is copied in the
//! end by what the servers have.

use std::time::Duration;

use herdsman_ha_core::OpId;
use herdsman_ha_core::schema::key;

use super::remarks::Remarks;
use super::truth::Truth;
use super::{Verdict, broken};
use crate::ids::{At, Node};
use crate::world::{Host, World};

pub(super) const NAME: &str = "down-for-slots";

/// How long after it was taken off the list a standby counts as one that commits waited for, unless
/// it was started since.
const LATELY: Duration = Duration::from_secs(30);

const SECOND: Duration = Duration::from_secs(1);

/// What was seen of each member: who streams, in every instant, because one that goes over to another
/// standby may do so for a moment; and the rest once in a second.
#[derive(Clone, Debug)]
pub(super) struct Absences {
    members: Vec<Member>,
    looked_at: At,
}

#[derive(Clone, Copy, Debug, Default)]
struct Member {
    streamed_at: Option<At>,
    streamed_from_leader_at: Option<At>,
    listed_at: Option<At>,
    away: Away,
}

/// Whether it is away for slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Away {
    #[default]
    No,
    /// It streams until it is stopped.
    Going(OpId),
    Down,
}

impl Absences {
    pub(super) fn new(world: &World) -> Self {
        let members = world.nodes().map(|_| Member::default());
        Self {
            members: members.collect(),
            looked_at: world.now,
        }
    }

    /// Asked in every instant.
    pub(super) fn look(&mut self, world: &World) {
        if !world.options.has_logical_slot {
            return;
        }
        if world.now.since(self.looked_at) >= SECOND {
            self.note(world);
            return;
        }
        for (host, member) in world.hosts.iter().zip(&mut self.members) {
            if host.server.connected().is_some() {
                member.streamed_at = Some(world.now);
            }
        }
    }

    fn note(&mut self, world: &World) {
        self.looked_at = world.now;
        let listed = listed(world);
        let leader = world.leader();
        for (host, member) in world.hosts.iter().zip(&mut self.members) {
            let upstream = host.server.connected();
            let now = Some(world.now);
            member.away = match (member.away, upstream) {
                (Away::Going(_), None) => Away::Down,
                (Away::Down, Some(_)) => Away::No,
                (away, _) => away,
            };
            if upstream.is_some() {
                member.streamed_at = now;
            }
            if upstream.is_some() && upstream == leader {
                member.streamed_from_leader_at = now;
            }
            if listed.iter().any(|name| name == host.name.as_str()) {
                member.listed_at = now;
            }
        }
    }

    /// A machine has started a task.
    pub(super) fn started(
        &mut self,
        world: &World,
        (node, op): (Node, OpId),
        name: &str,
        truth: &Truth,
        remarks: &mut Remarks,
    ) -> Verdict {
        if name == "start-standby" {
            self.members[node.index()].listed_at = None;
        }
        if name != "copy-slots" {
            return Ok(());
        }
        self.note(world);
        let why = match world.host(node).server.is_standby() {
            true => self.is_needed(world, node, remarks),
            false if truth.is_timeline_shared => None,
            false => foreseen(world, node),
        };
        self.members[node.index()].away = Away::Going(op);
        match why {
            Some(why) => broken(NAME, format!("{node} goes down for slots, and {why}")),
            None => Ok(()),
        }
    }

    /// A task has ended: one that found nothing to copy has not taken the server down.
    pub(super) fn ended(&mut self, node: Node, op: OpId) {
        let member = &mut self.members[node.index()];
        if member.away == Away::Going(op) {
            member.away = Away::No;
        }
    }

    fn is_needed(&self, world: &World, node: Node, remarks: &mut Remarks) -> Option<&'static str> {
        let name = world.host(node).name.as_str();
        if listed(world).iter().any(|one| one == name) {
            if is_known(world, node, key::SYNC) {
                return Some("commits wait for it");
            }
            remarks.add("listed-while-it-goes-down", world.now);
        }
        if is_moving(world) && is_known(world, node, key::FAILOVER) {
            return Some("a move is to be made");
        }
        let others = self.candidates(world, node);
        let life = world.session_life() + SECOND * 2;
        let lately = |at: Option<At>, within| at.is_some_and(|at| world.now.since(at) <= within);
        let serves = |(_, other): &(&Host, &Member)| lately(other.streamed_from_leader_at, life);
        let was_listed = lately(self.members[node.index()].listed_at, LATELY);
        if was_listed && !others.iter().any(serves) {
            return Some("there is nobody else whom commits could wait for");
        }
        if others.is_empty() {
            return None;
        }
        // While its session lives, which an operator may have made long, nothing says that it is gone;
        // what it has told since may be on its way; and a store that was put back tells what it told
        // before.
        let is_as_before = |host: &Host| !host.is_agent_awake() || host.is_agent_new(world.now);
        let back = world.put_back_at;
        let is_put_back = back > At(0) && world.now.since(back) <= life;
        let streams = |(host, other): &(&Host, &Member)| {
            lately(other.streamed_at, life)
                || is_put_back
                || is_as_before(host) && has_session(world, host)
                || !is_known(world, node, &format!("{}{}", key::MEMBERS, host.name))
        };
        if !others.iter().any(streams) {
            return Some("no other one streams");
        }
        if others.iter().all(|(_, other)| other.away != Away::No) {
            return Some("all others are away for the same");
        }
        None
    }

    /// The members that could lead in its place, as far as its agent has been told of them: who
    /// has registered since, while no news came, can be waited for by nobody.
    fn candidates<'a>(&'a self, world: &'a World, node: Node) -> Vec<(&'a Host, &'a Member)> {
        let leader = world.leader();
        let agent = world.host(node).agent.as_ref();
        let is_told_of = |name| agent.is_none_or(|agent| agent.was_told_of(name));
        let others = world.hosts.iter().zip(&self.members);
        others
            .filter(|(host, _)| host.node != node && Some(host.node) != leader)
            .filter(|(host, _)| !world.options.nofailover.contains(&host.node.0))
            .filter(|(host, _)| world.store.member(&host.name).is_some() && is_told_of(&host.name))
            .collect()
    }
}

/// Whether the session that a member's key is bound to lives.
fn has_session(world: &World, host: &Host) -> bool {
    let entry = world.store.member(&host.name);
    let session = entry.and_then(|entry| entry.session.as_deref());
    session.is_some_and(|session| world.store.owner(session).is_some())
}

/// Whom the sync key names.
fn listed(world: &World) -> Vec<String> {
    let sync = world.store.sync_key();
    sync.map(|(_, standbys)| standbys).unwrap_or_default()
}

/// Whether the agent has been told of what the key says.
fn is_known(world: &World, node: Node, key: &str) -> bool {
    let entry = world.store.entry(key);
    let agent = world.host(node).agent.as_ref();
    entry
        .zip(agent)
        .is_some_and(|(entry, agent)| agent.seen().0 >= entry.modified)
}

fn is_moving(world: &World) -> bool {
    let asked = world.store.json(key::FAILOVER);
    asked["leader"].is_string() || asked["member"].is_string()
}

/// Slots were put into the data of a server that is down.
pub(super) fn copied(world: &World, (node, from): (Node, Node), truth: &Truth) -> Verdict {
    match parted(world, node, from) {
        Some(why) if !truth.is_timeline_shared => {
            broken(NAME, format!("{node} has got slots of {from}, and {why}"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether the data of a server that is down has gone another way than that of the leader, as far as
/// its agent can tell: it was told of this leadership, and the control file is on another timeline.
fn foreseen(world: &World, node: Node) -> Option<&'static str> {
    let leader = world.leader()?;
    let told = world.host(node).agent.as_ref()?.leader();
    if told != Some(&world.host(leader).name) || !is_known(world, node, key::LEADER) {
        return None;
    }
    let why = parted(world, node, leader)?;
    let theirs = world.tree.timeline(world.host(leader).server.wal()?);
    let files = world.host(node).server.files()?;
    let recovered = files.min_recovery(&world.tree);
    let recovered = recovered.map(|position| position.timeline);
    let newest = recovered.unwrap_or_default().max(files.checkpoint.timeline);
    (newest != theirs).then_some(why)
}

/// Whether the data of one server has gone another way than that of a primary.
fn parted(world: &World, node: Node, primary: Node) -> Option<&'static str> {
    let theirs = &world.host(primary).server;
    let theirs = theirs.is_primary().then(|| theirs.wal()).flatten()?;
    let mine = world.host(node).server.wal()?;
    (!world.tree.contains(theirs, mine)).then_some("its data is not the leader's")
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::{Lane, Timeline};

    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;
    use crate::fault::{Deed, Fault};
    use crate::options::Options;
    use crate::run::Run;

    fn with_slot(is_synchronous: bool) -> Run {
        let mut run = settled_with(Options {
            has_logical_slot: true,
            is_synchronous,
            ..Options::default()
        });
        run.pass(Duration::from_secs(60));
        assert_eq!(run.violation(), None);
        run
    }

    fn goes_down(run: &mut Run, node: Node) {
        begin_task(run, node, "copy-slots", Lane::Server);
    }

    #[test]
    fn one_after_the_other_is_well() {
        let mut run = with_slot(false);
        goes_down(&mut run, B);
        run.check();
        // Those of a made-up task alone: it is not what the world does.
        assert_ne!(run.violation().map(|found| found.invariant), Some(NAME));
        let mut run = with_slot(false);
        goes_down(&mut run, B);
        goes_down(&mut run, C);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn commits_wait_for_nobody_who_goes_down() {
        let mut run = with_slot(true);
        let (_, standbys) = run.world.store.sync_key().expect("a list");
        let node = run.world.node_named(&standbys[0]).expect("a member");
        goes_down(&mut run, node);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn somebody_else_streams_meanwhile() {
        let mut run = with_slot(false);
        run.world.hosts[B.index()].server.disconnect();
        let mut absences = Absences::new(&run.world);
        let (truth, mut remarks) = (Truth::new(&run.world), Remarks::default());
        let task = (C, OpId(1));
        let verdict = absences.started(&run.world, task, "copy-slots", &truth, &mut remarks);
        assert_eq!(verdict.map_err(|broken| broken.invariant), Err(NAME));
    }

    #[test]
    fn who_has_registered_unheard_of_is_nobody_to_wait_for() {
        let mut run = with_slot(false);
        let key = format!("{}{}", key::MEMBERS, run.world.host(B).name);
        let entry = run.world.store.value(&key).expect("registered").to_owned();
        kill(&mut run, B);
        run.world.inflict(&Fault::CrashAgent(B, None));
        run.pass(Duration::from_secs(60));
        assert_eq!(run.world.store.value(&key), None);
        let goes_down = |run: &Run| {
            let mut absences = Absences::new(&run.world);
            let (truth, mut remarks) = (Truth::new(&run.world), Remarks::default());
            let task = (C, OpId(1));
            let verdict = absences.started(&run.world, task, "copy-slots", &truth, &mut remarks);
            verdict.map_err(|broken| broken.invariant)
        };
        let now = run.world.now;
        run.world.store.put_unguarded(&key, &entry, None, now);
        assert_eq!(goes_down(&run), Ok(()));
        // The next change brings the news.
        run.pass(Duration::from_secs(20));
        assert_eq!(goes_down(&run), Err(NAME));
    }

    #[test]
    fn whoever_is_asked_to_lead_stays() {
        let mut run = with_slot(false);
        run.world.inflict(&Fault::Deed(Deed::Failover { to: C }));
        run.pass(Duration::from_millis(5));
        goes_down(&mut run, C);
        assert_violates(&mut run, NAME);
    }

    /// `c` is down, with data that has gone another way than the leader's.
    fn with_parted_data() -> Run {
        let mut run = with_slot(false);
        make_primary(&mut run, C);
        kill(&mut run, C);
        run
    }

    #[test]
    fn slots_are_for_data_of_the_leaders_line() {
        let mut run = with_slot(false);
        kill(&mut run, B);
        run.world.facts.push(Fact::SlotsCopied { node: B, from: A });
        run.check();
        assert_eq!(run.violation(), None);
        let mut run = with_parted_data();
        run.world.facts.push(Fact::SlotsCopied { node: C, from: A });
        assert_violates(&mut run, NAME);
    }

    /// The machine does not know, because its control file tells nothing of it: the driver looks at
    /// the log.
    #[test]
    fn the_driver_copies_nothing_into_a_log_of_another_timeline() {
        for is_parted in [false, true] {
            let mut run = with_slot(false);
            if is_parted {
                make_primary(&mut run, C);
            }
            kill(&mut run, C);
            let server = &mut run.world.hosts[C.index()].server;
            server.files_mut().expect("data").logical.clear();
            // Its next agent does not remember that it copied the slot not long ago.
            run.world
                .inflict(&Fault::CrashAgent(C, Some(Duration::from_secs(1))));
            run.pass(Duration::from_secs(5));
            assert_eq!(run.violation(), None);
            let files = run.world.host(C).server.files().expect("data");
            assert_eq!(files.logical.is_empty(), is_parted);
        }
    }

    #[test]
    fn what_neither_a_control_file_nor_a_view_tells_is_not_foreseen() {
        let mut run = with_slot(false);
        kill(&mut run, B);
        assert_eq!(foreseen(&run.world, B), None);
        let mut run = with_parted_data();
        // The first checkpoint after a promotion comes late.
        assert_eq!(foreseen(&run.world, C), None);
        let files = run.world.hosts[C.index()].server.files_mut();
        files.expect("data").checkpoint.timeline = Timeline(2);
        assert!(foreseen(&run.world, C).is_some());
        // The leadership of a later moment, whosever it is.
        let leader = run.world.store.entry(key::LEADER).expect("led").clone();
        let (session, now) = (leader.session.as_deref(), run.world.now);
        let store = &mut run.world.store;
        store.put_unguarded(key::LEADER, &leader.value, session, now);
        assert_eq!(foreseen(&run.world, C), None);
    }
}
