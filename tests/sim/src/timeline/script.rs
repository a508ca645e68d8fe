//! A schedule as a whole-cluster script: the form in which a failure is kept as a test.

use std::time::Duration;

use crate::fault::Fault;
use crate::fault::text;
use crate::format::{Stanza, Text, render};
use crate::ids::At;
use crate::options::Options;
use crate::outcome::{UNDATED, Violation};
use crate::schedule::Schedule;
use crate::timeline::named;
use crate::units::{Seconds, exact};

/// The script of a schedule, with its outputs still to be written.
///
/// It plays the faults at their instants, and goes on until the violation has happened.
#[must_use]
pub fn script(schedule: &Schedule, violation: &Violation) -> String {
    let mut commands = vec![cluster(schedule), "clients on".to_owned()];
    let mut now = At::default();
    let mut rest = &schedule.faults[..];
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|p| p.at == first.at).count();
        let (together, later) = rest.split_at(count);
        if first.at > now {
            now = first.at;
            commands.push(format!("run until={}", exact(now)));
        }
        let faults: Vec<Fault> = together.iter().map(|p| p.fault.clone()).collect();
        commands.extend(text::lines(&faults));
        rest = later;
    }
    let healed = At::default().plus(schedule.options.safety);
    let end = if violation.at == UNDATED {
        healed
    } else {
        violation.at
    };
    if end > healed {
        // It shows only when everything works again.
        now = now.max(healed);
        commands.push(format!("run until={}", exact(now)));
        commands.extend(["heal", "operator resume"].map(str::to_owned));
    }
    let left = Duration::from_secs(end.since(now).as_secs() + 1);
    let left = Seconds(left);
    commands.push(if violation.invariant == "converges" {
        format!("run until=stable limit={left}")
    } else {
        format!("run for={left}")
    });
    commands.push("status".to_owned());
    written(commands, &comment(schedule, violation))
}

/// The seed decides what the schedule does not; how long faults go on is what the commands say.
fn cluster(schedule: &Schedule) -> String {
    let options = Options {
        safety: Options::default().safety,
        ..schedule.options.clone()
    };
    format!("{options} seed={}", schedule.seed)
}

fn comment(schedule: &Schedule, violation: &Violation) -> Vec<String> {
    let what = violation.text.lines().map(|line| format!("# {line}"));
    let found = format!(
        "# Found by the simulator: {}, seed {}.",
        named(violation),
        schedule.seed
    );
    what.chain(["#".to_owned(), found]).collect()
}

fn written(commands: Vec<String>, comment: &[String]) -> String {
    let stanza = |command| Stanza {
        lead: Vec::new(),
        line: 0,
        command,
        input: Vec::new(),
        output: Vec::new(),
    };
    let mut stanzas: Vec<Stanza> = commands.into_iter().map(stanza).collect();
    if let Some(first) = stanzas.first_mut() {
        first.lead = comment.to_vec();
    }
    render(&Text {
        stanzas,
        tail: Vec::new(),
    })
}
