//! Golden scripts: what a member decides, as a story that people read and review.
//!
//! A stanza is a command with its facts, and below `----` what came of it. [`run`] plays a script
//! and gives it back with the outputs as they are. Every script is played twice, the second time
//! with all members renamed: a name must never decide.

mod command;
mod facts;
pub mod matrix;
mod print;
pub(crate) mod store;
mod world;

use std::collections::BTreeSet;

use self::world::World;
use herdsman_sim::format::{Stanza, Text};

/// What came of a script.
#[derive(Clone, Debug)]
pub struct Played {
    /// The script with its outputs as they are.
    pub text: String,
    /// What is wrong whatever the expected outputs say: broken rules and lines that make no sense.
    pub problems: Vec<String>,
    /// The reason codes of all decisions in it.
    pub codes: BTreeSet<&'static str>,
}

/// Plays a script.
///
/// # Errors
///
/// When the text is no script: the message names the line.
pub fn run(text: &str) -> Result<Played, String> {
    let text = herdsman_sim::format::parse(text)?;
    let (played, codes, mut problems) = play(&text, World::new(""));
    let (renamed, _, _) = play(&text, World::new("member-"));
    for (stanza, other) in played.stanzas.iter().zip(&renamed.stanzas) {
        if stanza.output != other.output {
            let line = stanza.line;
            problems.push(format!(
                "line {line}: with members renamed: {}",
                other.output.join(" | ")
            ));
        }
    }
    Ok(Played {
        text: herdsman_sim::format::render(&played),
        problems,
        codes,
    })
}

fn play(text: &Text, mut world: World) -> (Text, BTreeSet<&'static str>, Vec<String>) {
    let mut problems = Vec::new();
    let mut played = text.clone();
    for stanza in &mut played.stanzas {
        let (lines, wrong) = answer(&mut world, stanza);
        let place = |problem| format!("line {}: {problem}", stanza.line);
        problems.extend(wrong.into_iter().map(place));
        stanza.output = lines;
    }
    (played, world.codes, problems)
}

fn answer(world: &mut World, stanza: &Stanza) -> (Vec<String>, Vec<String>) {
    let mut lines = Vec::new();
    let mut problems = Vec::new();
    if let Err(problem) = command::perform(world, stanza, &mut lines) {
        lines.push(format!("error: {problem}"));
        problems.push(problem);
    }
    lines.extend(world.changed_wake());
    problems.append(&mut world.violations);
    if lines.is_empty() {
        lines.push("nothing new".to_owned());
    }
    let lines = lines.iter().map(|line| world.unprefixed(line)).collect();
    (lines, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_script_is_replaced_by_what_happens() {
        let text = "member a\n----\nwhatever\n";
        let played = run(text).expect("a script");
        assert!(played.problems.is_empty(), "{:?}", played.problems);
        assert_eq!(played.text, "member a\n----\nnothing new\n");
    }

    #[test]
    fn a_line_that_makes_no_sense_is_a_problem_also_when_it_is_expected() {
        let text = "member a\n----\nnothing new\n\nstep a\n  locale empty\n----\nerror: locale is no fact\n";
        let played = run(text).expect("a script");
        assert_eq!(played.problems, ["line 5: locale is no fact"]);
        assert_eq!(played.text, text);
    }

    #[test]
    fn a_commit_that_no_store_would_make_is_a_problem() {
        let text = "healthy a leader=a members=a,b\n----\n\nstep a\n  operator switchover leader=a candidate=b\n  \
                    store failover=a->b\n----\n\nfinish request-move ok\n----\n";
        let played = run(text).expect("a script");
        assert_eq!(played.problems.len(), 1, "{:?}", played.problems);
        assert!(
            played.problems[0].contains("failover is not"),
            "{:?}",
            played.problems
        );
    }
}
