//! Random orders to four servers: what holds whatever anybody does to them.

use std::collections::BTreeSet;

use herdsman_ha_core::{ControlState, ServerView, SystemId};

use super::fixture::{C, Pair, SYSTEM};
use super::{Data, Process, Refused, Server, Tree, Wal};
use crate::chance::Chance;
use crate::fault::Quirk;
use crate::ids::Node;

const QUIRKS: [Quirk; 7] = [
    Quirk::RefusesToStart,
    Quirk::HangsInPromotion,
    Quirk::IgnoresFastStop,
    Quirk::DiskFull,
    Quirk::CopyFails,
    Quirk::ReplaysSlowly,
    Quirk::ReceivesNothing,
];

#[derive(Clone, PartialEq, Eq, Debug)]
struct Walk {
    tree: Tree,
    servers: Vec<Server>,
    systems: u64,
}

/// What a walk came by, so that a walk that does nothing is noticed.
#[derive(Default)]
struct Seen {
    two_writers: u64,
    corrupt: u64,
    promotions: u64,
    streams: u64,
    rewinds: u64,
}

impl Walk {
    fn new() -> Self {
        let pair = Pair::new();
        let others = [C, Node(3)].map(Server::new);
        Self {
            tree: pair.tree,
            servers: [pair.a, pair.b].into_iter().chain(others).collect(),
            systems: SYSTEM.0,
        }
    }

    /// Somebody does something; whether it is possible is the server's affair.
    fn step(&mut self, chance: &mut Chance, seen: &mut Seen) {
        let whose = chance.one_of(&[0_usize, 1, 2, 3]);
        let other = chance.one_of(&[0_usize, 1, 2, 3]);
        let upstream = self.servers[other].clone();
        let (server, tree) = (&mut self.servers[whose], &mut self.tree);
        let as_primary = chance.once_in(4);
        match chance.below(40) {
            0..=4 => _ = server.begin_start(as_primary, Some(upstream.node), None),
            5..=9 => _ = server.finish_start(tree),
            10 if chance.once_in(8) => server.crash(chance.once_in(2)),
            11 if chance.once_in(8) => server.kill_all(),
            12 if chance.once_in(8) => _ = server.begin_stop(chance.once_in(2)),
            13 => _ = server.finish_stop(tree),
            14 => _ = server.pending_shutdown_record(tree),
            15 if chance.once_in(8) => _ = server.begin_promote(),
            16 => seen.promotions += u64::from(server.finish_promote(tree).is_ok()),
            17..=20 => server.replay_to_end(),
            21 | 22 => _ = server.write(tree),
            23 => _ = server.checkpoint(tree),
            24 if chance.once_in(8) => server.recycle(),
            25 => server.is_frozen = chance.once_in(8),
            26 if chance.once_in(8) => _ = server.wipe(),
            27 | 28 => _ = server.begin_copy(),
            29 | 30 => _ = server.finish_copy(&upstream, tree),
            31 => _ = server.begin_bootstrap(),
            32 if chance.once_in(32) => {
                self.systems += 1;
                _ = server.finish_bootstrap(tree, SystemId(self.systems));
            }
            33 | 34 => {
                let wal = server.wal();
                seen.rewinds +=
                    u64::from(server.rewind_to(&upstream, tree).is_ok() && server.wal() != wal);
            }
            35 if chance.once_in(4) => _ = server.quirks.insert(chance.one_of(&QUIRKS)),
            36 => server.quirks.clear(),
            _ => {
                if server.can_stream(&upstream, tree).is_ok() {
                    server.connect(upstream.node);
                    seen.streams += u64::from(server.receive(&upstream, tree));
                }
            }
        }
    }

    /// What must hold after every step.
    fn check(&self, seen: &mut Seen) {
        let mut written = BTreeSet::new();
        for server in &self.servers {
            if server.is_writable() {
                let wal = server.wal().expect("a primary has data");
                assert!(written.insert(wal.branch), "two write one branch");
                let branch = self.tree.branch(wal.branch);
                assert_eq!((branch.writer, branch.tip), (server.node, wal.end));
            }
            self.check_files(server);
            self.check_view(server);
            let is_corrupt = server.files().is_some_and(|files| files.is_corrupt);
            seen.corrupt += u64::from(is_corrupt);
        }
        seen.two_writers += u64::from(written.len() > 1);
    }

    fn check_files(&self, server: &Server) {
        let Data::Cluster(files) = &server.data else {
            return;
        };
        let branch = self.tree.branch(files.wal.branch);
        assert_eq!(branch.system, files.system);
        assert!(branch.begin <= files.wal.end && files.wal.end <= branch.tip);
        assert!(files.replayed <= files.wal.end);
        assert!(files.checkpoint.lsn < files.wal.end);
        assert!(files.checkpoint.timeline <= branch.timeline);
        assert!(self.tree.contains(files.wal, files.wal));
        let is_shut_down = files.control == ControlState::ShutDown;
        assert!(!is_shut_down || !server.is_writable());
    }

    /// A look never tells of more than there is.
    fn check_view(&self, server: &Server) {
        let (_, view) = server.look(&self.tree);
        let is_primary = matches!(view, ServerView::Primary(_));
        assert!(!is_primary || server.process == Process::Primary);
        if let Some(position) = view.position() {
            let wal = server.wal().expect("it answers");
            assert!(position.lsn <= wal.end);
            assert_eq!(position.timeline, self.tree.timeline(wal));
        }
        let identity = server.identity(&self.tree);
        if let Some(identity) = identity {
            let numbers: Vec<_> = identity.history.iter().map(|line| line.0).collect();
            assert!(numbers.is_sorted_by(|one, next| one < next));
            assert!(numbers.iter().all(|it| *it < identity.position.timeline));
        }
    }
}

fn walk(seed: u64, seen: &mut Seen) -> Walk {
    let mut chance = Chance::new(seed);
    let mut walk = Walk::new();
    for _ in 0..2000 {
        walk.step(&mut chance, seen);
        walk.check(seen);
    }
    walk
}

#[test]
fn whatever_is_done_nobody_writes_on_the_branch_of_another_or_tells_of_more_than_there_is() {
    let mut seen = Seen::default();
    for seed in 0..100 {
        walk(seed, &mut seen);
    }
    assert!(seen.two_writers > 0);
    assert!(seen.corrupt > 0);
    assert!(seen.promotions > 0);
    assert!(seen.streams > 0);
    assert!(seen.rewinds > 0);
}

#[test]
fn equal_seeds_give_equal_worlds() {
    let mut seen = Seen::default();
    assert_eq!(walk(3, &mut seen), walk(3, &mut seen));
}

#[test]
fn the_last_common_place_is_held_by_both_and_the_next_byte_is_not() {
    let mut seen = Seen::default();
    for seed in 0..100 {
        let walk = walk(seed, &mut seen);
        let tree = &walk.tree;
        let wals: Vec<Wal> = walk.servers.iter().filter_map(Server::wal).collect();
        for (mine, theirs) in wals.iter().flat_map(|a| wals.iter().map(move |b| (*a, *b))) {
            let Some(common) = tree.common(mine, theirs) else {
                assert!(!tree.contains(mine, theirs));
                continue;
            };
            assert_eq!(tree.common(theirs, mine), Some(common));
            assert!(tree.contains(mine, common) && tree.contains(theirs, common));
            let next = tree.at(mine, herdsman_ha_core::Lsn(common.end.0 + 1));
            assert!(!(tree.contains(mine, next) && tree.contains(theirs, next)));
        }
    }
}

#[test]
fn what_nobody_began_does_not_end() {
    let mut walk = Walk::new();
    let (server, tree) = (&mut walk.servers[2], &mut walk.tree);
    assert_eq!(server.finish_start(tree), Err(Refused::NotBegun));
    assert_eq!(server.finish_stop(tree), Err(Refused::NotBegun));
    assert_eq!(server.finish_promote(tree), Err(Refused::NotBegun));
    let made = server.finish_bootstrap(tree, SystemId(1));
    assert_eq!(made, Err(Refused::NotBegun));
}
