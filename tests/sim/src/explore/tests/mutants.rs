//! Machines that break a rule are found out, each within its bounds and by its promise.

use herdsman_ha_core::Mutant;

use super::super::promise::{FENCED, RELEASE, ROW};
use super::*;

/// In any order, without delays.
fn any_order(kind: Kind) -> Bounds {
    Bounds {
        kinds: vec![kind],
        states: 100_000,
        ..Bounds::default()
    }
}

/// Time may pass once while something waits, and one thing may come out of its usual order.
fn with_a_delay(kind: Kind) -> Bounds {
    Bounds {
        delays: Some(1),
        swaps: Some(1),
        ..any_order(kind)
    }
}

/// A server stands still and is killed, everything in its usual order.
fn with_two_blows() -> Bounds {
    Bounds {
        faults: 2,
        kinds: vec![Kind::Server, Kind::FreezeServer],
        swaps: Some(0),
        rows: 0,
        states: 100_000,
        ..Bounds::default()
    }
}

#[test]
fn a_machine_that_breaks_a_rule_is_found_out() {
    let table = [
        (Mutant::NoLeaseMargin, any_order(Kind::Freeze), FENCED),
        (Mutant::LeaseMarginAdded, any_order(Kind::Cut), FENCED),
        (Mutant::UnknownRenewalCounts, any_order(Kind::Cut), FENCED),
        (Mutant::NoDeadline, any_order(Kind::Cut), FENCED),
        (Mutant::NoKill, with_a_delay(Kind::Freeze), FENCED),
        (Mutant::WakeForgetsFence, with_a_delay(Kind::Freeze), FENCED),
        (
            Mutant::RenewalCountsFromTheAnswer,
            with_a_delay(Kind::Freeze),
            FENCED,
        ),
        (Mutant::ReleaseBeforeProof, with_two_blows(), RELEASE),
        (Mutant::PeerAheadIgnored, any_order(Kind::Agent), ROW),
    ];
    // Within the same bounds one search shows that nothing is found without the broken rule.
    let mut sound: Vec<Bounds> = Vec::new();
    for (mutant, bounds, promise) in table {
        let name = mutant.name();
        let broken = Bounds {
            mutant: Some(mutant),
            ..bounds.clone()
        };
        let report = explore(&broken, |_| ()).expect("it begins healthy");
        let found = report
            .found
            .unwrap_or_else(|| panic!("{name} was not found in {} states", report.states));
        assert_eq!(found.broken.promise, promise, "{name}: {found}");
        println!(
            "{name}: {} steps, {} states",
            found.path.len(),
            report.states
        );
        let searched = Bounds {
            states: report.states,
            ..bounds
        };
        let is_alike = |other: &&mut Bounds| {
            let states = searched.states;
            Bounds {
                states,
                ..Bounds::clone(other)
            } == searched
        };
        match sound.iter_mut().find(is_alike) {
            Some(known) => known.states = known.states.max(searched.states),
            None => sound.push(searched),
        }
    }
    for bounds in sound {
        let report = explore(&bounds, |_| ()).expect("it begins healthy");
        let found = report.found;
        assert!(found.is_none(), "without a broken rule: {found:?}");
    }
}
