//! What has changed in the world, one line for each change, in the order in which it happened.
//!
//! Decisions, tasks and the store come from the world's trace; what a server is comes from the
//! server itself, so that nobody need have said anything about it.

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{Code, Verdict};
use serde_json::Value;

use super::look::{self, Stand};
use super::rounds::{Decided, Rounds};
use crate::ids::{At, Node};
use crate::trace::{Kind, Line};
use crate::world::World;

/// How much a script prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Show {
    /// Violations only.
    None,
    /// What is decided, what servers are, and the keys that say who leads.
    Decisions,
    /// Also tasks and what servers are on their way to.
    Tasks,
    /// Everything.
    All,
}

/// One change.
#[derive(Debug)]
struct Entry {
    at: At,
    since: Show,
    text: String,
    /// Who decided what, for decisions.
    decided: Option<Decided>,
}

/// The changes that were not told yet, and what is needed to find the next ones.
#[derive(Debug, Default)]
pub(super) struct News {
    entries: Vec<Entry>,
    /// How many lines of the trace are read.
    seen: usize,
    /// How each server stood, and how it last stood when it was not on its way elsewhere.
    stands: Vec<(Stand, Stand)>,
    /// The code of each member's latest decision.
    decided: Vec<&'static str>,
}

impl News {
    /// None yet.
    pub(super) fn since(world: &World) -> Self {
        let stands = world.hosts.iter().map(|host| look::stand(world, host));
        Self {
            entries: Vec::new(),
            seen: world.trace.lines().len(),
            stands: stands.map(|stand| (stand.clone(), stand)).collect(),
            decided: vec![""; world.hosts.len()],
        }
    }

    /// Takes in what one event has changed.
    pub(super) fn observe(&mut self, world: &World) {
        let lines = world.trace.lines();
        for line in &lines[self.seen.min(lines.len())..] {
            let Some((since, text)) = self.read(world, line) else {
                continue;
            };
            let decided = line.node.filter(|_| line.kind == Kind::Decision);
            let decided = decided.map(|node| Decided {
                node,
                code: line.because.clone(),
                text: text.clone(),
                at: line.at,
            });
            self.entries.push(Entry {
                at: line.at,
                since,
                text,
                decided,
            });
        }
        self.seen = lines.len();
        for host in &world.hosts {
            let stand = look::stand(world, host);
            let index = host.node.index();
            if self.stands[index].0 == stand {
                continue;
            }
            let is_news = self.stands[index].1 != stand;
            let text = format!("{} server: {}", host.node, stand.words);
            if stand.is_settled {
                self.stands[index].1 = stand.clone();
            }
            let since = if stand.is_settled && is_news {
                Show::Decisions
            } else {
                Show::Tasks
            };
            self.stands[index].0 = stand;
            self.add(world.instant(), since, text);
        }
    }

    /// Whether a member's latest decision since the last command has this code.
    pub(super) fn has_decided(&self, node: Node, code: &str) -> bool {
        self.decided[node.index()] == code
    }

    /// Takes the lines that are to be shown.
    pub(super) fn take(&mut self, show: Show) -> Vec<String> {
        self.decided.fill("");
        let mut lines = Vec::new();
        let mut rounds = Rounds::default();
        for entry in std::mem::take(&mut self.entries) {
            if entry.since > show {
                continue;
            }
            if let Some(decided) = &entry.decided
                && !rounds.is_new(decided, &mut lines)
            {
                continue;
            }
            lines.push(dated(entry.at, &entry.text));
        }
        rounds.end(&mut lines);
        lines
    }

    fn add(&mut self, at: At, since: Show, text: String) {
        self.entries.push(Entry {
            at,
            since,
            text,
            decided: None,
        });
    }

    fn read(&mut self, world: &World, line: &Line) -> Option<(Show, String)> {
        let who = line.node.map(|node| format!("{node} ")).unwrap_or_default();
        let what = &line.what;
        Some(match line.kind {
            Kind::Decision if line.because == Code::TaskRunning.as_str() => {
                (Show::Tasks, self.decision(world, line)?)
            }
            Kind::Decision => (Show::Decisions, self.decision(world, line)?),
            Kind::Task => (Show::Tasks, format!("{who}{what}")),
            Kind::End if what.starts_with("answer: ") || what.starts_with("quit: ") => {
                (Show::Decisions, format!("{who}{what}"))
            }
            Kind::End => (Show::Tasks, format!("{who}end of {what}")),
            Kind::Store => return store(line),
            Kind::Server if what == "agent starts" || what.starts_with("guardian") => {
                (Show::Decisions, format!("{who}{what}"))
            }
            Kind::Fault if line.node.is_some() || what.starts_with("over: ") => {
                (Show::Decisions, what.clone())
            }
            Kind::Client => (Show::All, format!("{who}took {what}")),
            Kind::Server | Kind::Fault | Kind::Violation | Kind::Phase => return None,
        })
    }

    fn decision(&mut self, world: &World, line: &Line) -> Option<String> {
        let node = line.node?;
        let host = world.host(node);
        let seen = host.clock.read(world.now);
        let status = host
            .agent
            .as_ref()
            .map(|agent| agent.subject.machine().status());
        let decisions = status.map(|status| status.decisions).unwrap_or_default();
        let mut same = decisions.iter().rev();
        let found = same.find(|decision| {
            decision.at == seen && decision.reason.code().as_str() == line.because
        });
        // A machine that has ended with this decision has acted.
        let verdict = match found.map(|decision| decision.verdict) {
            Some(Verdict::Hold) => "hold",
            Some(Verdict::Act) | None => "act ",
        };
        if let Some(found) = found {
            self.decided[node.index()] = found.reason.code().as_str();
        }
        Some(format!("{node} {verdict} {}: {}", line.because, line.what))
    }
}

/// `T+30.1    b act …`
pub(super) fn dated(at: At, text: &str) -> String {
    format!("{:<9} {text}", at.to_string())
}

/// A line about a key: the ones that say who leads are always of interest.
fn store(line: &Line) -> Option<(Show, String)> {
    let key = line.what.split(' ').next()?;
    if key == "session" {
        let owner = line.node?;
        return Some((Show::All, format!("dcs: a session of {owner} has ended")));
    }
    let since = match key {
        key::LEADER | key::FAILOVER | key::SYNC | key::INITIALIZE => Show::Decisions,
        key::HISTORY => {
            return Some((Show::Decisions, format!("dcs: {}", history(&line.what))));
        }
        _ => Show::All,
    };
    Some((since, format!("dcs: {}", line.what)))
}

/// The newest line of the history, without the time on the store's clock.
fn history(what: &str) -> String {
    let text = what.strip_prefix("history = ").unwrap_or_default();
    let lines: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let Some(last) = lines.last() else {
        return what.to_owned();
    };
    let end = last[1].as_u64().unwrap_or_default();
    format!(
        "history = timeline {} ended at {}",
        last[0],
        herdsman_ha_core::Lsn(end)
    )
}
