//! `docs/mutants.md`: what noticed each broken rule, as the command itself found it.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use herdsman_sim::search::Caught;

const HEAD: &str = "\
# Broken rules, and what notices them

Written by `cargo xtask sim --mutants --write`; not to be edited.

Each row is a rule of the machine, or of the driver around it, that can be broken at run time, and the first seed of the search in which something notices.
*Story* is the focus that the search told in its seeds, because the rule exists for it; without one any seed was taken.
*At* is the time in that seed's world.
A violation that the same seed shows without the broken rule does not count.
Rules of standby clusters are not among these, because no world has two clusters: `ha-core/src/mutant/tests.rs` breaks them.
`cargo xtask sim --mutants NAME --seed N` plays a row again; a change of the simulator or of the core moves seeds, and the table is then written anew.

| Mutant | What it breaks | Noticed by | Seed | At | Story |
|---|---|---|---|---|---|
";

/// Writes the table; tells where.
pub(crate) fn write(caught: &[Caught]) -> io::Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mutants.md");
    std::fs::write(&path, text(caught))?;
    Ok(path)
}

fn text(caught: &[Caught]) -> String {
    let mut text = HEAD.to_owned();
    for caught in caught {
        let subject = caught.subject;
        let (name, breaks) = (subject.name(), subject.breaks());
        let story = subject.focus().map_or("", |focus| focus.name());
        let noticed = caught.found.as_ref().map_or_else(
            || "**nothing** | | ".to_owned(),
            |found| {
                let (violation, seed) = (&found.violation, found.schedule.seed);
                format!("`{}` | {seed} | {}", violation.invariant, violation.at)
            },
        );
        // Writing to a string does not fail.
        let _ = writeln!(text, "| `{name}` | {breaks} | {noticed} | {story} |");
    }
    let noticed = caught.iter().filter(|caught| caught.found.is_some());
    let _ = writeln!(
        text,
        "\n{} of {} are noticed.",
        noticed.count(),
        caught.len()
    );
    text
}
