//! A small failing run, printed.

use super::*;
use crate::fault::Planned;
use crate::fault::text::read;
use crate::ids::At;
use crate::options::Options;
use crate::trace::Mark;

fn mark(letters: &str) -> Mark {
    Mark {
        is_leader: letters.contains('L'),
        is_writable: letters.contains('P'),
        is_standby: letters.contains('s'),
        is_cut_off: letters.contains('?'),
        is_absent: letters.contains('!'),
    }
}

fn line(at: u64, marks: &str, kind: Kind, node: Option<char>, what: &str, because: &str) -> Line {
    Line {
        at: At(at * 1_000_000),
        node: node.map(|letter| crate::units::node(&letter.to_string()).expect("a letter")),
        kind,
        what: what.to_owned(),
        because: because.to_owned(),
        marks: marks.split(' ').map(mark).collect(),
    }
}

fn lines() -> Vec<Line> {
    let (a, b) = (Some('a'), Some('b'));
    let mut lines = vec![
        line(0, "- - -", Kind::Server, a, "server is up", ""),
        line(0, "LP s s", Kind::Phase, None, "safety", ""),
    ];
    for round in 0..9 {
        let at = 10_000 * round;
        let (start, end) = (at + 1, at + 2);
        let op = format!("op {round}");
        lines.push(line(start, "LP s s", Kind::Task, a, "start renew", &op));
        lines.push(line(end, "LP s s", Kind::End, a, "renew: done", &op));
        lines.push(line(end, "LP s s", Kind::Client, a, "a row", ""));
    }
    lines.extend([
        line(
            90_100,
            "?LP s s",
            Kind::Fault,
            None,
            "cut a dcs oneway for=40",
            "",
        ),
        line(100_001, "?LP s s", Kind::Task, a, "start renew", "op 10"),
        line(
            105_000,
            "?LP s s",
            Kind::Decision,
            a,
            "the store is unreachable, our lease holds for another 14000 ms",
            "store-unreachable-leading",
        ),
        line(
            120_500,
            "?P s s",
            Kind::Store,
            a,
            "session 7 ended: leader",
            "",
        ),
        line(
            122_000,
            "?P Ls s",
            Kind::Decision,
            b,
            "promoting",
            "lease-acquired",
        ),
        line(
            123_456,
            "?P LP s",
            Kind::Server,
            b,
            "promoted to timeline 2",
            "",
        ),
        line(
            123_456,
            "?P LP s",
            Kind::Violation,
            None,
            "VIOLATION one-writable-primary: a and b accept writes",
            "",
        ),
        line(123_456, "?P LP s", Kind::Phase, None, "healing", ""),
    ]);
    lines
}

fn violation() -> Violation {
    Violation {
        invariant: "one-writable-primary",
        at: At(123_456_000_000),
        text: "a and b accept writes".to_owned(),
    }
}

fn schedule() -> Schedule {
    let faults = [
        (90_100, "cut a dcs for=40"),
        (95_000, "dcs lose-reply next=renew"),
    ];
    let faults = faults.into_iter().flat_map(|(millis, line)| {
        let at = At(millis * 1_000_000);
        let faults = read(line).expect("faults");
        faults.into_iter().map(move |fault| Planned { at, fault })
    });
    Schedule {
        seed: 8817,
        options: Options {
            has_guardian: false,
            ..Options::default()
        },
        faults: faults.collect(),
    }
}

fn printed(lines: &[Line]) -> String {
    timeline(&Story {
        schedule: &schedule(),
        violation: &violation(),
        lines,
        faults_before: 41,
        replay: "cargo xtask sim --seed 8817",
        script: "target/sim/8817.txt",
    })
}

#[test]
fn a_failing_run_is_printed_as_people_read_it() {
    let expected = include_str!("expected.txt");
    let printed = printed(&lines());
    assert_eq!(printed, expected, "\n{printed}");
}

#[test]
fn a_long_story_is_shortened_in_its_middle() {
    let mut long = lines();
    for number in 0..500 {
        let server = line(91_000, "?LP s s", Kind::Server, Some('b'), "stopped", "");
        long.insert(30 + number, server);
    }
    let printed = printed(&long);
    assert!(printed.lines().count() < 190, "{printed}");
    assert!(printed.contains("\n  ...       "), "{printed}");
    assert!(printed.contains("FAULT cut a dcs") && printed.contains("promoted"));
}

#[test]
fn everything_leaves_nothing_out() {
    let text = everything(&lines(), 3);
    assert_eq!(text.matches("start renew").count(), 10);
    assert_eq!(text.matches("a row").count(), 9);
    let node = crate::units::node("b").expect("a letter");
    assert_eq!(
        decisions(&lines(), node),
        "T+122     lease-acquired               promoting\n"
    );
}

#[test]
fn a_schedule_is_written_as_a_script() {
    let expected = "\
# a and b accept writes
#
# Found by the simulator: one-writable-primary at T+123.456, seed 8817.

cluster nodes=a,b,c guardian=off seed=8817
----

clients on
----

run until=T+90.1
----

cut a dcs for=40
----

run until=T+95
----

dcs lose-reply next=renew
----

run for=29
----

status
----
";
    let text = script(&schedule(), &violation());
    assert_eq!(text, expected);
    let parsed = crate::format::parse(&text).expect("a script");
    assert_eq!(crate::format::render(&parsed), text);
}

#[test]
fn what_shows_after_healing_is_healed_in_the_script() {
    let mut late = violation();
    late.at = At(700_500_000_000);
    let text = script(&schedule(), &late);
    let end = "run until=T+600\n----\n\nheal\n----\n\noperator resume\n----\n\nrun for=101\n----\n\n\
               status\n----\n";
    assert!(text.ends_with(end), "{text}");
    late.invariant = "converges";
    let text = script(&schedule(), &late);
    let end = "resume\n----\n\nrun until=stable limit=101\n----\n\nstatus\n----\n";
    assert!(text.ends_with(end), "{text}");
}
