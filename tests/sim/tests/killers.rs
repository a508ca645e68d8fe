//! The table of broken rules is whole, and what it says is so: the quickest rows are played again.
//!
//! All of them are played by `cargo xtask sim --mutants`, which is no part of the usual tests: it
//! takes minutes. A change of the simulator or of the core moves seeds; as long as one of the first
//! seeds notices as well, the table need not be written anew for that.

#![cfg(feature = "mutants")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use herdsman_sim::outcome::Outcome;
use herdsman_sim::run::{Lines, run};
use herdsman_sim::schedule::{Schedule, Wish};
use herdsman_sim::search::{Repeat, Subject, attempt};

/// How many rows are played again.
const SAMPLE: usize = 20;

/// How many of the first seeds may stand in for the one in the table.
const FIRST: u64 = 8;

struct Row {
    name: String,
    noticed_by: String,
    seed: u64,
    at: String,
}

#[test]
fn every_mutant_is_in_the_table_once_and_noticed() {
    let rows = rows();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for row in &rows {
        *counts.entry(&row.name).or_default() += 1;
        assert!(!row.noticed_by.contains("nothing"), "{}", row.name);
    }
    let subjects = Subject::all();
    let named: BTreeSet<&str> = subjects.iter().map(|subject| subject.name()).collect();
    let told: BTreeSet<&str> = counts.keys().copied().collect();
    assert_eq!(told, named, "cargo xtask sim --mutants --write");
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

#[test]
fn the_quickest_rows_are_noticed_again() {
    let mut rows = rows();
    rows.sort_by_key(|row| seconds(&row.at));
    rows.truncate(SAMPLE);
    assert_eq!(rows.len(), SAMPLE);
    let survivors: Vec<String> = rows
        .iter()
        .filter(|row| !is_noticed(row))
        .map(|row| row.name.clone())
        .collect();
    assert!(
        survivors.is_empty(),
        "not noticed any more: {survivors:?} (`cargo xtask sim --mutants --write` looks further)"
    );
}

fn is_noticed(row: &Row) -> bool {
    let subjects = Subject::all();
    let found = subjects
        .iter()
        .find(|subject| subject.name() == row.name)
        .expect("a mutant");
    let wish = found.wish(&Wish::default());
    let mut seeds = [row.seed].into_iter().chain(1..=FIRST);
    seeds.any(|seed| {
        let play = |schedule: &Schedule| -> Outcome { run(schedule, Lines::None) };
        let schedule = Schedule::generate(seed, &wish);
        attempt(&play, &schedule, Repeat::Once).violation.is_some()
    })
}

fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mutants.md");
    let text = std::fs::read_to_string(path).expect("the table is readable");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let &[_, name, _, noticed_by, seed, at, _, _] = &cells[..] else {
            panic!("a row of the table: {line}");
        };
        Row {
            name: name.trim_matches('`').to_owned(),
            noticed_by: noticed_by.to_owned(),
            seed: seed.parse().unwrap_or(0),
            at: at.to_owned(),
        }
    })
    .collect()
}

/// The whole seconds of `T+12.3`.
fn seconds(at: &str) -> u64 {
    let whole = at.trim_start_matches("T+").split('.').next();
    whole.and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}
