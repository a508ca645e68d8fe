//! Small worlds, searched as far as a few seconds go: every state that is met keeps every promise.
//!
//! `cargo xtask sim explore` goes further.

use herdsman_sim::explore::{Bounds, Kind, Report, explore};

fn search(bounds: &Bounds) -> Report {
    let report = explore(bounds, |_| ()).expect("a healthy cluster to begin with");
    if let Some(found) = &report.found {
        panic!("{bounds:?}\n{found}");
    }
    report
}

/// Everything in the usual order, the fault at any moment.
fn usual_order(kind: Kind) -> Bounds {
    Bounds {
        kinds: vec![kind],
        swaps: Some(0),
        ..Bounds::default()
    }
}

#[test]
fn a_healthy_cluster_has_few_states_and_all_are_sound() {
    let report = search(&Bounds {
        faults: 0,
        ..Bounds::default()
    });
    assert!(report.is_complete);
    assert!(report.whole > 0);
}

#[test]
fn after_one_fault_at_any_moment_every_state_there_is_keeps_every_promise() {
    for kind in [
        Kind::Server,
        Kind::Move,
        Kind::FreezeServer,
        Kind::Mute,
        Kind::Linger,
    ] {
        let report = search(&usual_order(kind));
        assert!(report.is_complete, "{kind:?}");
        // A search in which nobody ever takes over would prove little.
        let takes_over = matches!(kind, Kind::Server | Kind::Move);
        let leaders = if takes_over { 2 } else { 1 };
        assert_eq!(report.leaders.len(), leaders, "{kind:?}");
    }
}

#[test]
fn the_first_steps_after_any_fault_keep_every_promise_in_any_order() {
    let bounds = Bounds {
        states: 60_000,
        ..Bounds::default()
    };
    let report = search(&bounds);
    assert!(report.depth >= 10);
}

#[test]
fn the_first_steps_of_three_members_keep_every_promise_while_time_passes() {
    let bounds = Bounds {
        members: 3,
        faults: 2,
        delays: None,
        states: 30_000,
        ..Bounds::default()
    };
    assert!(search(&bounds).depth >= 3);
}
