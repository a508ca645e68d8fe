//! A small settled cluster for tests that break its models.

use std::time::Duration;

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{
    Commit, KeyState, Lane, OpId, Purpose, Revision, SessionName, StoreGuard, StoreWrite,
};

use crate::fact::Fact;
use crate::fault::Quirk;
use crate::ids::Node;
use crate::options::Options;
use crate::run::{Lines, Run};
use crate::schedule::Schedule;

pub(super) const A: Node = Node(0);
pub(super) const B: Node = Node(1);
pub(super) const C: Node = Node(2);

/// Three members; `a` leads, `b` and `c` stream.
pub(super) fn settled() -> Run {
    settled_with(Options::default())
}

pub(super) fn settled_with(options: Options) -> Run {
    let schedule = Schedule {
        seed: 1,
        options,
        faults: Vec::new(),
    };
    let mut run = Run::new(&schedule, Lines::None);
    run.settle();
    assert_eq!(run.violation(), None);
    assert!(
        super::converged(&run.world),
        "{}",
        super::what_is_missing(&run.world)
    );
    run
}

/// The name of what does not hold after something was done to the world.
pub(super) fn violated(run: &mut Run) -> Option<&'static str> {
    run.check();
    run.violation().map(|violation| violation.invariant)
}

/// Asserts what does not hold, with the reason in the message when it is something else.
pub(super) fn assert_violates(run: &mut Run, invariant: &'static str) {
    run.check();
    let violation = run.violation();
    let found = violation.map(|violation| violation.invariant);
    assert_eq!(found, Some(invariant), "{violation:?}");
}

/// The server of a standby takes writes from now on, on a timeline of its own.
pub(super) fn make_primary(run: &mut Run, node: Node) -> (crate::pg::Wal, crate::pg::Wal) {
    let server = &mut run.world.hosts[node.index()].server;
    let from = server.wal().expect("it has data");
    server.begin_promote().expect("it is a standby");
    let to = server.finish_promote(&mut run.world.tree);
    (from, to.expect("it can be promoted"))
}

/// A member's server is killed.
pub(super) fn kill(run: &mut Run, node: Node) {
    run.world.hosts[node.index()].server.kill_all();
}

/// A standby that takes nothing more.
pub(super) fn deafen(run: &mut Run, node: Node) {
    let quirks = &mut run.world.hosts[node.index()].server.quirks;
    quirks.insert(Quirk::ReceivesNothing);
}

/// One row that was acknowledged; its number.
pub(super) fn write(run: &mut Run) -> usize {
    let before = run.world.rows.len();
    run.world.write_now().expect("somebody takes it");
    run.pass(Duration::from_millis(500));
    assert_eq!(run.violation(), None);
    before
}

/// The session that the leader key is bound to.
pub(super) fn leading_session(run: &Run) -> SessionName {
    let (_, session) = run.world.store.leader().expect("somebody leads");
    session.expect("by a session").clone()
}

/// Carries a commit out as if a member had sent it.
pub(super) fn commit(
    run: &mut Run,
    purpose: Purpose,
    session: Option<&SessionName>,
    guards: &[(&str, KeyState)],
    writes: Vec<StoreWrite>,
) {
    let guards = guards.iter().map(|(key, is)| StoreGuard {
        key: (*key).to_owned(),
        is: *is,
    });
    let commit = Commit {
        purpose,
        session: session.cloned(),
        guards: guards.collect(),
        writes,
    };
    let now = run.world.now;
    let end = run.world.store.commit(&commit, now);
    assert!(
        matches!(end, crate::store::CommitEnd::Applied(_)),
        "{end:?}"
    );
    tell_changes(run);
}

/// What was done to the store by hand becomes facts.
pub(super) fn tell_changes(run: &mut Run) {
    let changes = run.world.store.take_changes();
    run.world
        .facts
        .extend(changes.into_iter().map(Fact::Changed));
}

/// A session of this member's own.
pub(super) fn session_of(run: &mut Run, node: Node) -> SessionName {
    let now = run.world.now;
    let ttl = run.world.options.ttl;
    run.world.store.open(node, ttl, now).0
}

/// The end of a primary's WAL is what the store tells.
pub(super) fn publish_end_of(run: &mut Run, node: Node) {
    let end = run.world.host(node).server.wal().expect("it has data").end;
    let session = leading_session(run);
    commit(
        run,
        Purpose::PublishStatus,
        Some(&session),
        &[(key::LEADER, KeyState::HeldBySession)],
        vec![StoreWrite::Put {
            key: key::STATUS.to_owned(),
            value: format!("{{\"optime\":{}}}", end.0),
        }],
    );
}

/// The session of whoever leads expires, and this member takes the leadership as it should.
pub(super) fn acquire(run: &mut Run, node: Node) {
    if run.world.store.leader().is_some() {
        let held = leading_session(run);
        let end = run.world.store.expires_at(&held).expect("it lives");
        run.world.now = end.plus(Duration::from_secs(2)).max(run.world.now);
        run.world.store.expire(run.world.now);
    }
    let session = session_of(run, node);
    let seen = |key: &'static str| {
        let entry = run.world.store.entry(key);
        let modified = entry.map(|entry| Revision(entry.modified));
        (key, KeyState::seen(modified))
    };
    let guards = [
        (key::LEADER, KeyState::Absent),
        seen(key::FAILOVER),
        seen(key::SYNC),
        seen(key::LEADERSHIP),
        seen(key::INITIALIZE),
        seen(key::FAILSAFE),
    ];
    let mut writes = vec![StoreWrite::PutBound {
        key: key::LEADER.to_owned(),
        value: node.to_string(),
    }];
    if run.world.store.value(key::FAILOVER).is_some() {
        writes.push(StoreWrite::Put {
            key: key::FAILOVER.to_owned(),
            value: "{}".to_owned(),
        });
    }
    commit(run, Purpose::Acquire, Some(&session), &guards, writes);
}

/// The leader dies, and this member takes over by the store's word, whatever it has.
pub(super) fn take_over(run: &mut Run, node: Node) {
    if let Some(leader) = run.world.store.leader().map(|(name, _)| name.to_owned()) {
        let leader = run.world.node_named(&leader).expect("a member leads");
        kill(run, leader);
    }
    acquire(run, node);
    let (from, to) = make_primary(run, node);
    run.world.facts.push(Fact::Promoted { node, from, to });
}

/// A task that a machine is told to have started.
pub(super) fn begin_task(run: &mut Run, node: Node, name: &'static str, lane: Lane) {
    let op = OpId(1_000_000 + run.world.steps);
    run.world.facts.push(Fact::TaskStarted {
        node,
        op,
        name,
        lane,
        pre_empts: false,
    });
}
