//! Searching made-up worlds, of which one knows what is wrong with them.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::ids::At;
use crate::shrink::shrink;

fn plan(seeds: Range<u64>) -> Search {
    Search {
        seeds,
        wish: Wish::default(),
        threads: 2,
        keeps_going: false,
        twice_every: 0,
    }
}

fn quiet(schedule: &Schedule) -> Outcome {
    Outcome {
        hash: schedule.seed,
        simulated: Duration::from_secs(3600),
        steps: 10,
        codes: [("leading", 2)].into(),
        remarks: [("slow", 1)].into(),
        ..Outcome::default()
    }
}

fn broken(schedule: &Schedule) -> Outcome {
    Outcome {
        violation: Some(Violation {
            invariant: "broken",
            at: At(0),
            text: "it is".to_owned(),
        }),
        ..quiet(schedule)
    }
}

#[test]
fn each_seed_is_played_once_and_summed_up() {
    let sums = search(&plan(10..110), &quiet, &mut |_| {});
    assert_eq!((sums.seeds, sums.steps), (100, 1000));
    assert_eq!(sums.simulated, Duration::from_secs(360_000));
    assert_eq!((sums.codes["leading"], sums.remarks["slow"]), (200, 100));
    assert!(sums.found.is_empty());
    let text = render(&sums);
    assert!(text.starts_with("100 seeds, 100 simulated hours, 1000 steps in "));
    assert!(
        text.contains("\nremark slow: 100\nreasons given: 1 of "),
        "{text}"
    );
    assert!(text.contains("never given: getting-started "), "{text}");
}

#[test]
fn a_violation_ends_the_search_unless_it_shall_go_on() {
    let odd = |schedule: &Schedule| match schedule.seed % 10 {
        3 => broken(schedule),
        _ => quiet(schedule),
    };
    let first = search(&plan(0..1_000_000), &odd, &mut |_| {});
    assert!(first.seeds < 1000, "{}", first.seeds);
    assert!(
        first
            .found
            .iter()
            .all(|found| found.schedule.seed % 10 == 3)
    );
    let mut all = plan(0..100);
    all.keeps_going = true;
    let all = search(&all, &odd, &mut |_| {});
    let seeds: Vec<u64> = all.found.iter().map(|found| found.schedule.seed).collect();
    assert_eq!(seeds, [3, 13, 23, 33, 43, 53, 63, 73, 83, 93]);
    assert_eq!(all.violations["broken"], 10);
}

#[test]
fn a_panic_is_a_violation_with_its_message() {
    let panics = |schedule: &Schedule| {
        assert!(schedule.faults.len() < 2, "too many faults");
        quiet(schedule)
    };
    let found = search(&plan(0..100), &panics, &mut |_| {}).found;
    let Found {
        schedule,
        violation,
    } = found.into_iter().next().expect("a panic");
    assert_eq!(violation.invariant, "panic");
    assert!(violation.text.contains("too many faults"), "{violation:?}");
    let fails = |schedule: &Schedule| attempt(&panics, schedule, Repeat::Once).violation;
    let shrunk = shrink(&schedule, &violation, 1000, &fails);
    assert_eq!(shrunk.schedule.faults.len(), 2);
}

#[test]
fn what_differs_when_played_twice_is_a_violation() {
    let counter = AtomicU64::new(0);
    let differs = |schedule: &Schedule| Outcome {
        hash: counter.fetch_add(1, Ordering::Relaxed),
        ..quiet(schedule)
    };
    let mut twice = plan(1..100);
    assert!(search(&twice, &differs, &mut |_| {}).found.is_empty());
    twice.twice_every = 50;
    let found = search(&twice, &differs, &mut |_| {}).found;
    assert_eq!(found[0].violation.invariant, "deterministic");
    assert_eq!(found[0].schedule.seed, 50);
    assert_eq!(Repeat::for_seeing(&found[0].violation), Repeat::Twice);
}

#[test]
fn mutants_that_nobody_notices_are_told() {
    let only_the_first = |schedule: &Schedule| {
        let is_broken =
            schedule.options.driver_mutant == Some(crate::options::DriverMutant::ALL[0]);
        if is_broken && schedule.seed == 7 {
            broken(schedule)
        } else {
            quiet(schedule)
        }
    };
    let subjects: Vec<Subject> = crate::options::DriverMutant::ALL[..2]
        .iter()
        .copied()
        .map(Subject::Driver)
        .collect();
    let mut told = Vec::new();
    let caught = mutants(&subjects, &plan(1..20), &only_the_first, &mut |caught| {
        told.push(caught.subject);
    });
    assert_eq!(told, subjects);
    let found = caught[0].found.as_ref().expect("the first is caught");
    assert_eq!(found.schedule.seed, 7);
    assert!(caught[1].found.is_none());
    assert_eq!(caught[1].sums.seeds, 19);
}

#[test]
fn what_is_violated_without_the_mutant_too_does_not_count() {
    let always_at_three = |schedule: &Schedule| match schedule.seed {
        3 => broken(schedule),
        _ => quiet(schedule),
    };
    let subject = Subject::Driver(crate::options::DriverMutant::EndIsNeverTold);
    let caught = mutants(&[subject], &plan(1..20), &always_at_three, &mut |_| {});
    assert!(caught[0].found.is_none());
    assert_eq!(caught[0].sums.remarks["violated-without-the-mutant-too"], 1);
}
