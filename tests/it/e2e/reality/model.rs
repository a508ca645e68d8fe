//! The scenes of these tests with the simulator's models: each function plays one and gives what
//! its test has seen on a real server, so that the two are compared.

use std::collections::BTreeSet;
use std::time::Duration;

use herdsman_ha_core::{Lsn, ServerView, StandbyView, SystemId, Timeline};
use herdsman_sim::fault::Quirk;
use herdsman_sim::ids::{At, Node};
use herdsman_sim::pg::{Names, NoStream, Server, SyncNames, Tree, Wal};
use herdsman_sim::store::{Flavour, Store};

/// A primary and two standbys that have all there is.
struct Three {
    tree: Tree,
    a: Server,
    b: Server,
    c: Server,
}

impl Three {
    fn new() -> Self {
        let mut tree = Tree::default();
        let [mut a, mut b, mut c] = [0, 1, 2].map(|number| Server::new(Node(number)));
        a.begin_bootstrap().unwrap();
        a.finish_bootstrap(&mut tree, SystemId(1)).unwrap();
        a.write(&mut tree).unwrap();
        for standby in [&mut b, &mut c] {
            standby.begin_copy().unwrap();
            standby.finish_copy(&a, &tree).unwrap();
            start_standby(standby, &a, &mut tree);
            stream(standby, &a, &tree).unwrap();
        }
        Self { tree, a, b, c }
    }

    fn write_on_a(&mut self) -> Wal {
        self.a.write(&mut self.tree).unwrap()
    }

    fn promote_b(&mut self) {
        self.a.kill_all();
        promote(&mut self.b, &mut self.tree);
    }

    fn has(&self, server: &Server, row: Wal) -> bool {
        self.tree.contains(server.wal().unwrap(), row)
    }
}

fn start_standby(server: &mut Server, upstream: &Server, tree: &mut Tree) {
    server
        .begin_start(false, Some(upstream.node), None)
        .unwrap();
    server.finish_start(tree).unwrap();
    if !server.has(Quirk::ReplaysSlowly) {
        server.replay_to_end();
    }
}

fn stream(server: &mut Server, upstream: &Server, tree: &Tree) -> Result<(), NoStream> {
    server.follow(Some(upstream.node), None).unwrap();
    server.can_stream(upstream, tree)?;
    server.connect(upstream.node);
    server.receive(upstream, tree);
    Ok(())
}

fn promote(server: &mut Server, tree: &mut Tree) {
    server.begin_promote().unwrap();
    server.finish_promote(tree).unwrap();
}

fn view(server: &Server, tree: &Tree) -> StandbyView {
    let view = server.look(tree).1;
    let ServerView::Standby(standby) = view else {
        panic!("no standby: {view:?}");
    };
    standby
}

fn timeline(server: &Server, tree: &Tree) -> Timeline {
    tree.timeline(server.wal().unwrap())
}

/// Of a standby that starts with WAL which it has not replayed: whether it tells of anything
/// received, whether it has replayed all, whether it has come to its end, whether it may stream;
/// and whether it has all when it has come to the end.
pub(super) fn start_with_unreplayed_wal() -> [bool; 5] {
    let mut world = Three::new();
    world.b.quirks.insert(Quirk::ReplaysSlowly);
    let row = world.write_on_a();
    world.b.receive(&world.a, &world.tree);
    world.b.kill_all();
    start_standby(&mut world.b, &world.a, &mut world.tree);
    let told = view(&world.b, &world.tree);
    let may_stream = world.b.can_stream(&world.a, &world.tree).is_ok();
    world.b.replay_to_end();
    let whole = view(&world.b, &world.tree);
    [
        told.received > Lsn(0),
        told.replayed >= row.end,
        told.wal_end_reached,
        may_stream,
        whole.wal_end_reached && whole.replayed >= row.end,
    ]
}

/// Whether a row that a standby received and did not replay is there after its promotion, with a
/// kill before or without.
pub(super) fn promotion_keeps_what_was_received(is_killed_before: bool) -> bool {
    let mut world = Three::new();
    world.b.quirks.insert(Quirk::ReplaysSlowly);
    let row = world.write_on_a();
    world.b.receive(&world.a, &world.tree);
    world.a.kill_all();
    if is_killed_before {
        world.b.kill_all();
        start_standby(&mut world.b, &world.a, &mut world.tree);
    }
    promote(&mut world.b, &mut world.tree);
    world.has(&world.b, row)
}

/// How a primary comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Fast,
    Immediate,
    Kill,
}

/// Of a commit that waits when its primary ends: whether it is acknowledged, and whether its row is
/// there when that server has started again.
pub(super) fn waiting_commit(end: End) -> [bool; 2] {
    let mut world = Three::new();
    let need = 1;
    let names = Names::Of(BTreeSet::from([Node(1)]));
    world.a.files_mut().unwrap().sync = Some(SyncNames { names, need });
    let row = world.write_on_a();
    match end {
        End::Fast => world.a.begin_stop(true).unwrap(),
        End::Immediate => world.a.begin_stop(false).unwrap(),
        End::Kill => world.a.kill_all(),
    }
    // Even if the standby confirmed it in this moment.
    let is_acknowledged = world.a.is_acknowledged(row, |_| Some(row.end));
    if end != End::Kill {
        world.a.finish_stop(&mut world.tree).unwrap();
    }
    world.a.begin_start(true, None, None).unwrap();
    world.a.finish_start(&mut world.tree).unwrap();
    [is_acknowledged, world.has(&world.a, row)]
}

/// Whether a server whose postmaster alone was killed acknowledges a row, and has it when it has
/// started again.
pub(super) fn orphans_commit() -> [bool; 2] {
    let mut world = Three::new();
    world.a.crash(true);
    let row = world.write_on_a();
    let is_acknowledged = world.a.is_acknowledged(row, |_| None);
    world.a.kill_all();
    world.a.begin_start(true, None, None).unwrap();
    world.a.finish_start(&mut world.tree).unwrap();
    [is_acknowledged, world.has(&world.a, row)]
}

/// Whether a server takes writes while its processes stand still, and after that.
pub(super) fn frozen_server_writes() -> [bool; 2] {
    let mut world = Three::new();
    world.a.is_frozen = true;
    let meanwhile = world.a.is_writable();
    world.a.is_frozen = false;
    [meanwhile, world.a.is_writable()]
}

/// How many bytes beyond the control file's checkpoint a connected standby has after a stop in
/// order.
pub(super) fn received_beyond_shutdown_checkpoint() -> u64 {
    let mut world = Three::new();
    world.write_on_a();
    world.a.begin_stop(true).unwrap();
    world.a.pending_shutdown_record(&mut world.tree).unwrap();
    world.b.receive(&world.a, &world.tree);
    world.a.finish_stop(&mut world.tree).unwrap();
    let checkpoint = world.a.files().unwrap().checkpoint.lsn;
    world.b.wal().unwrap().end.0 - checkpoint.0
}

/// Whether a standby that was away can stream again after its WAL could have been recycled.
pub(super) fn streams_after_recycling(has_slot: bool) -> bool {
    let mut world = Three::new();
    if has_slot {
        let wanted = BTreeSet::from(["kept".to_owned()]);
        world.a.sync_slots(&wanted, &BTreeSet::new()).unwrap();
        let end = world.b.wal().unwrap().end;
        world.a.confirm("kept", end);
    }
    world.b.disconnect();
    for _ in 0..4 {
        world.write_on_a();
        world.a.checkpoint(&mut world.tree).unwrap();
    }
    world.a.recycle();
    stream(&mut world.b, &world.a, &world.tree) != Err(NoStream::WalGone)
}

/// The timeline of a standby behind the fork that follows the promoted server, and whether it has
/// the rows of before and behind the fork.
pub(super) fn behind_the_fork() -> (Timeline, [bool; 2]) {
    let mut world = Three::new();
    world.c.disconnect();
    let old = world.write_on_a();
    world.b.receive(&world.a, &world.tree);
    world.promote_b();
    let new = world.b.write(&mut world.tree).unwrap();
    stream(&mut world.c, &world.b, &world.tree).unwrap();
    let rows = [old, new].map(|row| world.has(&world.c, row));
    (timeline(&world.c, &world.tree), rows)
}

/// Why a standby beyond the fork cannot stream from the promoted server, and its timeline.
pub(super) fn beyond_the_fork() -> (Option<NoStream>, Timeline) {
    let mut world = Three::new();
    world.b.disconnect();
    world.write_on_a();
    world.c.receive(&world.a, &world.tree);
    world.promote_b();
    world.b.write(&mut world.tree).unwrap();
    let refusal = stream(&mut world.c, &world.b, &world.tree).err();
    (refusal, timeline(&world.c, &world.tree))
}

/// The timeline of such a standby, and whether it is spoilt, after pgctl has started it anew.
pub(super) fn beyond_the_fork_started_by_pgctl() -> (u32, bool) {
    let mut world = Three::new();
    world.b.disconnect();
    world.write_on_a();
    world.c.receive(&world.a, &world.tree);
    world.promote_b();
    world.c.hear_of(&world.b, &world.tree);
    world.c.crash(false);
    world.c.forget_hearsay();
    world.c.begin_start(false, None, None).unwrap();
    world.c.finish_start(&mut world.tree).unwrap();
    (timeline(&world.c, &world.tree).0, world.c.is_corrupt())
}

/// The timelines of an old primary that is started beside its promoted standby, and whether each
/// takes writes.
pub(super) fn old_primary_beside_the_new_one() -> ([Timeline; 2], [bool; 2]) {
    let mut world = Three::new();
    world.promote_b();
    world.a.begin_start(true, None, None).unwrap();
    world.a.finish_start(&mut world.tree).unwrap();
    let timelines = [&world.a, &world.b].map(|server| timeline(server, &world.tree));
    (timelines, [world.a.is_writable(), world.b.is_writable()])
}

/// The timelines of two standbys that were both promoted, and whether one that followed the first
/// streams from the second and is spoilt by it.
pub(super) fn twins() -> ([Timeline; 2], [bool; 2]) {
    let mut world = Three::new();
    let mut d = Server::new(Node(3));
    d.begin_copy().unwrap();
    d.finish_copy(&world.a, &world.tree).unwrap();
    start_standby(&mut d, &world.a, &mut world.tree);
    stream(&mut d, &world.a, &world.tree).unwrap();
    world.promote_b();
    promote(&mut world.c, &mut world.tree);
    let timelines = [&world.b, &world.c].map(|server| timeline(server, &world.tree));
    stream(&mut d, &world.b, &world.tree).unwrap();
    world.b.write(&mut world.tree).unwrap();
    d.receive(&world.b, &world.tree);
    for _ in 0..2 {
        world.c.write(&mut world.tree).unwrap();
    }
    let streams = stream(&mut d, &world.c, &world.tree).is_ok();
    (timelines, [streams, d.files().unwrap().is_corrupt])
}

/// The earliest and the latest instant after its last renewal at which etcd removes a session.
pub(super) fn session_ends(ttl: Duration, tick: Duration) -> [Duration; 2] {
    ends(Flavour::Etcd, ttl, tick)
}

pub(super) fn ends(flavour: Flavour, ttl: Duration, tick: Duration) -> [Duration; 2] {
    let removal = |renewed: u64| {
        let mut store = Store::new(flavour, tick);
        let (_, granted) = store.open(Node(0), ttl, At(renewed));
        assert_eq!(granted, ttl);
        store.next_expiry().unwrap().since(At(renewed))
    };
    let step = tick / 50;
    let all = (0..100).map(|number| removal(u64::try_from(step.as_nanos()).unwrap() * number));
    let all: Vec<Duration> = all.collect();
    [*all.iter().min().unwrap(), *all.iter().max().unwrap()]
}
