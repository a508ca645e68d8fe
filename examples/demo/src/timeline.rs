//! What the members decided after an event, with the milliseconds and the reasons.
//!
//! Decisions name their own instant on the clock that all members share, so the order is the real
//! one and not the order in which somebody looked.

use herdsman_ha_core::{Code, Mono};

use crate::cluster::Cluster;
use crate::recorder::Span;
use crate::text;

/// Decisions that say nothing about what was decided.
const SILENT: [Code; 2] = [Code::TaskRunning, Code::GettingStarted];

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    at: Mono,
    who: String,
    phase: Option<&'static str>,
    text: String,
    code: Option<Code>,
}

/// What happened since an event, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timeline {
    since: Mono,
    entries: Vec<Entry>,
}

impl Timeline {
    /// All decisions of all members since the event.
    pub(crate) fn of(cluster: &Cluster, since: Mono) -> Self {
        let mut timeline = Self {
            since,
            entries: Vec::new(),
        };
        for status in cluster.statuses() {
            for decision in status
                .decisions
                .iter()
                .filter(|decision| decision.at >= since)
            {
                let code = decision.reason.code();
                if !SILENT.contains(&code) {
                    let text = format!("{} [{code}]", decision.reason);
                    let (at, who) = (decision.at, status.name.to_string());
                    timeline.add(Entry {
                        at,
                        who,
                        phase: None,
                        text,
                        code: Some(code),
                    });
                }
            }
        }
        timeline
    }

    fn add(&mut self, entry: Entry) {
        let place = self.entries.partition_point(|other| other.at < entry.at);
        self.entries.insert(place, entry);
    }

    /// Adds something that is not a decision.
    pub(crate) fn note(&mut self, at: Mono, who: &str, phase: &'static str, text: String) {
        self.add(Entry {
            at,
            who: who.to_owned(),
            phase: Some(phase),
            text,
            code: None,
        });
    }

    /// Adds the end of a task that a member carried out. Its end is seen a moment late, or not at
    /// all when it was short: a decision that rests on it shows that it was not later.
    pub(crate) fn note_end(
        &mut self,
        span: Option<Span>,
        rests_on_it: Code,
        who: &str,
        (phase, text): (&'static str, &str),
    ) {
        let seen = span.and_then(|span| span.ended);
        let decided = self
            .entries
            .iter()
            .find(|entry| entry.code == Some(rests_on_it));
        let ends = [seen, decided.map(|entry| entry.at)];
        if let Some(at) = ends.into_iter().flatten().min() {
            self.note(at, who, phase, text.to_owned());
        }
    }

    /// Names the first decisions of these kinds as phases.
    pub(crate) fn name_phases(&mut self, phases: &[(Code, &'static str)]) {
        for (code, phase) in phases {
            let first = self
                .entries
                .iter_mut()
                .find(|entry| entry.code == Some(*code));
            if let Some(entry) = first {
                entry.phase = Some(*phase);
            }
        }
    }

    /// Drops what others decided.
    pub(crate) fn keep_member(&mut self, name: &str) {
        self.entries.retain(|entry| entry.who == name);
    }

    /// Drops what came before the first decision of a kind, if there is one.
    pub(crate) fn begin_with(&mut self, code: Code) {
        let first = self
            .entries
            .iter()
            .position(|entry| entry.code == Some(code));
        self.entries.drain(..first.unwrap_or(0));
    }

    /// Drops what came after the last phase: it belongs to another chapter.
    pub(crate) fn end_with_last_phase(&mut self) {
        let last = self.entries.iter().rposition(|entry| entry.phase.is_some());
        self.entries.truncate(last.map_or(0, |last| last + 1));
    }

    /// Phases that did not happen.
    pub(crate) fn missing(&self, phases: &[&'static str]) -> Vec<&'static str> {
        let has = |phase: &str| self.entries.iter().any(|entry| entry.phase == Some(phase));
        phases.iter().filter(|phase| !has(phase)).copied().collect()
    }

    /// As lines: milliseconds, who, phase, and why.
    pub(crate) fn lines(&self, width: usize) -> String {
        let lines = self.entries.iter().map(|entry| {
            let ms = text::millis(self.since, entry.at);
            let phase = entry.phase.unwrap_or_default();
            let head = format!("  {ms:>6} ms  {:<6}  {phase:<15}  ", entry.who);
            text::beside(&head, &entry.text, width)
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(millis: u64, who: &str, code: Code) -> Entry {
        let at = Mono(millis * 1_000_000);
        Entry {
            at,
            who: who.to_owned(),
            phase: None,
            text: code.to_string(),
            code: Some(code),
        }
    }

    fn timeline() -> Timeline {
        let mut timeline = Timeline {
            since: Mono(10_000_000),
            entries: Vec::new(),
        };
        timeline.add(entry(40, "n2", Code::LeaseAcquired));
        timeline.add(entry(20, "n1", Code::AskingSuccessors));
        timeline.add(entry(60, "n3", Code::FollowNewLeader));
        timeline.name_phases(&[
            (Code::AskingSuccessors, "noticed"),
            (Code::LeaseAcquired, "elected"),
        ]);
        timeline
    }

    #[test]
    fn entries_stand_in_the_order_of_their_instants() {
        let lines = timeline().lines(100);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(
            lines[0],
            "      10 ms  n1      noticed          asking-successors"
        );
        assert_eq!(
            lines[1],
            "      30 ms  n2      elected          lease-acquired"
        );
    }

    #[test]
    fn what_follows_the_last_phase_is_dropped() {
        let mut timeline = timeline();
        timeline.end_with_last_phase();
        assert_eq!(timeline.lines(100).lines().count(), 2);
    }

    #[test]
    fn a_task_has_ended_when_a_decision_rests_on_its_end() {
        let mut timeline = timeline();
        timeline.note_end(None, Code::LeaseAcquired, "n1", ("proven dead", "gone"));
        let lines = timeline.lines(100);
        assert_eq!(
            lines.lines().nth(1),
            Some("      30 ms  n1      proven dead      gone")
        );
    }

    #[test]
    fn phases_that_did_not_happen_are_named() {
        assert_eq!(timeline().missing(&["noticed", "released"]), ["released"]);
    }
}
