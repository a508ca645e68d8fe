//! What the search rests on: that states which count as one go on alike, and that it sees what it
//! is to see.

#[cfg(feature = "mutants")]
mod mutants;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::go::Scene;
use super::small::Small;
use super::way::{Price, Way, Ways};
use super::*;
use crate::ids::Node;

/// The digests of everything that may come next, in the order of the ways.
fn nexts(small: &Small, bounds: &Bounds, scene: &mut Scene<'_>) -> Vec<u128> {
    let mut ways = Ways::default();
    small.ways(bounds, &mut ways);
    let each = ways.list().iter().enumerate().map(|(pick, way)| {
        let mut child = small.clone();
        child.go(*way, ways.price(pick), scene);
        child.digest()
    });
    each.collect()
}

/// Whether two states share their parts, which are one when they are equal.
fn is_literally(one: &Small, other: &Small) -> bool {
    let minds = one.members.iter().zip(&other.members);
    let mut minds = minds.map(|(one, other)| match (&one.mind, &other.mind) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    });
    one.now == other.now && Arc::ptr_eq(&one.kept, &other.kept) && minds.all(|it| it)
}

/// Walks breadth first and compares every state that counts as a known one with that one. How
/// many there were that were not literally the same.
fn check_that_equals_go_on_alike(bounds: &Bounds, limit: usize) -> usize {
    let mut scene = Scene::new(bounds);
    let root = origin::begin(bounds).expect("a healthy cluster");
    let mut known: BTreeMap<u128, Small> = BTreeMap::new();
    let mut frontier = vec![root];
    let mut twins = 0;
    let mut ways = Ways::default();
    while !frontier.is_empty() && known.len() < limit {
        let mut next = Vec::new();
        for small in frontier {
            if let Some(twin) = known.get(&small.digest()) {
                if !is_literally(twin, &small) {
                    twins += 1;
                    let (one, other) = (
                        nexts(twin, bounds, &mut scene),
                        nexts(&small, bounds, &mut scene),
                    );
                    assert_eq!(one, other, "{twin:#?}\n{small:#?}");
                }
                continue;
            }
            small.ways(bounds, &mut ways);
            for (pick, way) in ways.list().iter().enumerate() {
                let mut child = small.clone();
                child.go(*way, ways.price(pick), &mut scene);
                next.push(child);
            }
            known.insert(small.digest(), small);
        }
        frontier = next;
    }
    twins
}

#[test]
fn states_that_count_as_one_go_on_alike() {
    for kind in [
        Kind::Server,
        Kind::Cut,
        Kind::Agent,
        Kind::Freeze,
        Kind::Move,
    ] {
        let bounds = Bounds {
            kinds: vec![kind],
            swaps: Some(1),
            delays: Some(1),
            ..Bounds::default()
        };
        let twins = check_that_equals_go_on_alike(&bounds, 8_000);
        assert!(twins > 30, "{kind:?}: {twins}");
    }
}

#[test]
fn a_cluster_begins_whole_and_at_rest() {
    for members in [2, 3] {
        let bounds = Bounds {
            members,
            ..Bounds::default()
        };
        let small = origin::begin(&bounds).expect("a healthy cluster");
        assert_eq!(small.leads_whole(), Some(Node(0)));
        assert_eq!(small.left, bounds.left());
    }
}

#[test]
fn equal_bounds_give_equal_searches() {
    let bounds = Bounds {
        states: 3_000,
        ..Bounds::default()
    };
    let told = |bounds| {
        let report = explore(bounds, |_| ()).expect("a healthy cluster");
        (
            report.states,
            report.transitions,
            report.depth,
            report.whole,
        )
    };
    assert_eq!(told(&bounds), told(&bounds));
}

#[test]
fn time_does_not_pass_a_kill_that_was_begun() {
    let bounds = Bounds {
        kinds: vec![Kind::Cut],
        delays: None,
        rows: 0,
        ..Bounds::default()
    };
    let mut scene = Scene::new(&bounds);
    let mut small = origin::begin(&bounds).expect("a healthy cluster");
    let cut = Way::Fault(way::Trouble::Cut(Node(0)));
    small.go(cut, Price::Nothing, &mut scene);
    let mut ways = Ways::default();
    let is_killing = |small: &Small| {
        let mut jobs = small.member(Node(0)).jobs.iter();
        jobs.any(|job| job.must_by.is_some())
    };
    // Nothing but clocks: no answer comes, and the server does not hear that it should stop.
    while !is_killing(&small) {
        small.ways(&bounds, &mut ways);
        let pick = ways.list().iter().position(|way| {
            matches!(
                way,
                Way::Wake(_) | Way::Timeout(..) | Way::End(..) | Way::Pass(_)
            )
        });
        let pick = pick.expect("clocks go on");
        small.go(ways.list()[pick], Price::Nothing, &mut scene);
    }
    assert!(small.disks.server(Node(0)).is_writable());
    let begun = small.now;
    loop {
        small.ways(&bounds, &mut ways);
        let clock = ways
            .list()
            .iter()
            .find(|way| matches!(way, Way::Wake(_) | Way::Timeout(..) | Way::Pass(_)));
        let Some(way) = clock else { break };
        small.go(*way, Price::Nothing, &mut scene);
    }
    assert!(small.now.since(begun) < TICK, "{} {begun}", small.now);
    assert_eq!(scene.broken, None);
}
