//! Shrinking with made-up worlds, of which one knows what it takes to break them.

use super::*;
use crate::fault::text::read;
use crate::fault::{Fault, Planned};
use crate::options::{Flavour, Latency};
use crate::schedule::Wish;

fn violation(invariant: &'static str, at: At) -> Violation {
    Violation {
        invariant,
        at,
        text: String::new(),
    }
}

fn planned(schedule: &Schedule) -> Vec<String> {
    let line = |p: &Planned| format!("{} {}", p.at, p.fault);
    schedule.faults.iter().map(line).collect()
}

fn schedule(faults: &[(u64, &str)]) -> Schedule {
    let faults = faults.iter().flat_map(|(millis, line)| {
        let at = At(millis * 1_000_000);
        let faults = read(line).expect("faults");
        faults.into_iter().map(move |fault| Planned { at, fault })
    });
    Schedule {
        seed: 1,
        options: Options::default(),
        faults: faults.collect(),
    }
}

/// The first instant at which the predicate holds for a fault.
fn first(schedule: &Schedule, is_it: impl Fn(&Fault) -> bool) -> Option<At> {
    let mut faults = schedule.faults.iter();
    faults.find(|p| is_it(&p.fault)).map(|p| p.at)
}

fn crash_then_cut(schedule: &Schedule) -> Option<Violation> {
    let crash = first(schedule, |fault| matches!(fault, Fault::CrashHost(..)))?;
    let cut = first(schedule, |fault| matches!(fault, Fault::Cut { .. }))?;
    (crash < cut).then(|| violation("two", cut))
}

#[test]
fn two_faults_of_many_are_left_with_round_times() {
    let mut shrunk = 0;
    for seed in 0..200 {
        let schedule = Schedule::generate(seed, &Wish::default());
        let Some(violation) = crash_then_cut(&schedule) else {
            continue;
        };
        let result = shrink(&schedule, &violation, 5000, &crash_then_cut);
        let Schedule {
            faults, options, ..
        } = &result.schedule;
        assert_eq!(faults.len(), 2, "{:?}", planned(&result.schedule));
        assert!(faults.iter().all(|p| p.at.0 % 1_000_000_000 == 0));
        assert_eq!(options.latency, Latency::Fixed);
        assert_eq!(options.flavour, Flavour::Etcd);
        assert!(options.drift_ppm.is_empty() && options.nofailover.is_empty());
        assert!(crash_then_cut(&result.schedule).is_some());
        assert!(result.runs < 1000, "{}", result.runs);
        shrunk += 1;
    }
    assert!(shrunk > 20, "{shrunk}");
}

#[test]
fn another_invariant_is_no_success() {
    let fails = |schedule: &Schedule| {
        let has = |verb: &str| first(schedule, |f| f.to_string().starts_with(verb));
        let (crash, heal) = (has("crash"), has("heal"));
        match (crash, heal) {
            (Some(at), Some(_)) => Some(violation("both", at)),
            (Some(at), None) => Some(violation("crash-alone", at)),
            (None, _) => None,
        }
    };
    let given = schedule(&[(1500, "crash a for=40"), (9000, "dcs up"), (20_500, "heal")]);
    // The violation is seen late, so that what follows the crash is not cut off.
    let both = violation("both", At(60_000_000_000));
    let result = shrink(&given, &both, 1000, &fails);
    assert_eq!(result.violation.invariant, "both");
    assert_eq!(result.schedule.faults.len(), 2);
}

#[test]
fn what_comes_after_the_violation_goes_first() {
    let given = schedule(&[(5000, "crash a for=8"), (90_000, "dcs up")]);
    let fails = |schedule: &Schedule| {
        let at = first(schedule, |f| matches!(f, Fault::CrashHost(..)))?;
        Some(violation("crashed", at))
    };
    let found = fails(&given).expect("a violation");
    let one = shrink(&given, &found, 1, &fails);
    assert_eq!(planned(&one.schedule), ["T+5 crash a for=8"]);
    let all = shrink(&given, &found, 1000, &fails);
    assert_eq!(planned(&all.schedule), ["T+10 crash a for=1"]);
    assert_eq!(all.schedule.options.safety, Duration::from_secs(11));
}

#[test]
fn a_member_goes_with_its_faults_and_the_others_move_up() {
    let mut given = schedule(&[
        (1000, "crash a for=8"),
        (2000, "cut b c for=3"),
        (3000, "crash c for=8"),
    ]);
    given.options.drift_ppm = vec![1, 2, 3];
    given.options.nofailover = [0, 2].into();
    let smaller = without_node(&given, Node(0));
    assert_eq!(
        planned(&smaller),
        [
            "T+2 cut a b oneway for=3",
            "T+2 cut b a oneway for=3",
            "T+3 crash b for=8"
        ]
    );
    assert_eq!(smaller.options.nodes, 2);
    assert_eq!(smaller.options.drift_ppm, [2, 3]);
    assert_eq!(smaller.options.nofailover, [1].into());
}

#[test]
fn a_duration_is_shortened_only_as_far_as_it_may_be() {
    let given = schedule(&[(10_000, "dcs down for=77.5")]);
    let fails = |schedule: &Schedule| {
        let Planned { at, fault } = schedule.faults.first()?;
        let Fault::StoreDown(Some(lasting)) = fault else {
            return None;
        };
        (lasting.as_secs() > 15).then(|| violation("long", *at))
    };
    let found = fails(&given).expect("a violation");
    let result = shrink(&given, &found, 1000, &fails);
    assert_eq!(planned(&result.schedule), ["T+10 dcs down for=20"]);
}

#[test]
fn runs_are_bounded_and_counted() {
    let given = Schedule::generate(3, &Wish::default());
    let runs = std::cell::Cell::new(0);
    let fails = |schedule: &Schedule| {
        runs.set(runs.get() + 1);
        let at = schedule.faults.last()?.at;
        Some(violation("always", at))
    };
    let found = violation("always", At(1 << 60));
    let result = shrink(&given, &found, 7, &fails);
    assert_eq!((result.runs, runs.get()), (7, 7));
    assert!(result.schedule.faults.len() < given.faults.len());
}

#[test]
fn what_does_not_fail_again_stays_as_it_is() {
    let given = Schedule::generate(3, &Wish::default());
    let found = violation("once", At(1 << 60));
    let result = shrink(&given, &found, 1000, &|_| None);
    assert_eq!(result.schedule, given);
}

#[test]
fn faults_that_only_move_the_leadership_are_left_out() {
    // The first member leads until it crashes, then the second; the leader must not be frozen.
    let fails = |schedule: &Schedule| {
        let mut leader = Node(0);
        for Planned { at, fault } in &schedule.faults {
            let text = fault.to_string();
            let is_about_the_leader = fault.nodes() == [leader];
            if is_about_the_leader && text.starts_with("crash") {
                leader = Node(1);
            } else if is_about_the_leader && text.starts_with("pause") {
                return Some(violation("frozen", *at));
            }
        }
        None
    };
    let given = schedule(&[(10_000, "crash a for=1"), (40_000, "pause b for=1")]);
    let found = fails(&given).expect("a violation");
    let result = shrink(&given, &found, 1000, &fails);
    assert_eq!(planned(&result.schedule), ["T+20 pause a for=1"]);
    assert_eq!(result.schedule.options.nodes, 1);
}
