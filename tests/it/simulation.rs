//! Fixed seeds of the simulator: ten minutes of faults each, every invariant, and the same run again.
//!
//! A seed that fails is never explained away: the rule is fixed, and its shrunk script is kept under
//! `tests/scripts/regressions/`. `cargo xtask sim` searches for more.

use herdsman_sim::run::{Lines, run};
use herdsman_sim::schedule::{Schedule, Wish};

macro_rules! seeds {
    ($( $name:ident $from:literal; )+) => {
        $(
            #[test]
            fn $name() {
                play($from);
            }
        )+
    };
}

seeds! {
    seeds_from_1_hold_every_invariant_twice 1;
    seeds_from_26_hold_every_invariant_twice 26;
    seeds_from_51_hold_every_invariant_twice 51;
    seeds_from_76_hold_every_invariant_twice 76;
    seeds_from_101_hold_every_invariant_twice 101;
    seeds_from_126_hold_every_invariant_twice 126;
    seeds_from_151_hold_every_invariant_twice 151;
    seeds_from_176_hold_every_invariant_twice 176;
}

const SEEDS_PER_TEST: u64 = 25;

fn play(from: u64) {
    let mut problems = Vec::new();
    for seed in from..from + SEEDS_PER_TEST {
        let schedule = Schedule::generate(seed, &Wish::default());
        let first = run(&schedule, Lines::None);
        let second = run(&schedule, Lines::None);
        if first.hash != second.hash {
            problems.push(format!("seed {seed} did not play the same run twice"));
        }
        if let Some(violation) = first.violation {
            let (invariant, at, text) = (violation.invariant, violation.at, violation.text);
            problems.push(format!(
                "seed {seed}: {invariant} at {at}: {text} (cargo xtask sim --seed {seed})"
            ));
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
