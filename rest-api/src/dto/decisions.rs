//! What the member decided and why: the answer to `/decisions`, which only this program has.

use std::collections::BTreeMap;

use herdsman_ha_core::{Decision, Status, Verdict};
use serde::Serialize;
use serde_json::Value;

use crate::dto::task::Task;
use crate::timestamp;

/// The current decision and the last ones, oldest first.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Decisions {
    current: Option<Current>,
    decisions: Vec<Entry>,
    /// Settings that PostgreSQL refuses, with its words: they are not in force.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    refused_parameters: BTreeMap<String, String>,
}

/// One decision.
#[derive(Clone, Debug, Serialize)]
struct Entry {
    code: &'static str,
    sentence: String,
    verdict: Verdict,
    /// Since when it stands, or stood, as ISO 8601 text.
    since: String,
    /// The facts that mattered, by name; with `vetoes` where something keeps the member from
    /// leading.
    data: Value,
}

#[derive(Clone, Debug, Serialize)]
struct Current {
    #[serde(flatten)]
    entry: Entry,
    /// How often it was taken again since.
    repeats: u64,
    /// What is being done to the server, and how far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<Task>,
}

impl Decisions {
    pub(crate) fn of(status: &Status, refused: &BTreeMap<String, String>) -> Self {
        Self {
            refused_parameters: refused.clone(),
            current: status
                .decision
                .as_ref()
                .map(|decision| Current::of(decision, status)),
            decisions: status.decisions.iter().map(|it| Entry::of(it)).collect(),
        }
    }
}

impl Current {
    fn of(decision: &Decision, status: &Status) -> Self {
        let mut entry = Entry::of(decision);
        let task = Task::of(status);
        if let Some(progress) = task.as_ref().and_then(Task::sentence) {
            entry.sentence = format!("{}, {progress}", entry.sentence);
        }
        Self {
            entry,
            repeats: status.repeats,
            task,
        }
    }
}

impl Entry {
    fn of(decision: &Decision) -> Self {
        let mut data = serde_json::to_value(&decision.reason)
            .expect("a reason is a struct of texts and numbers");
        if let Value::Object(fields) = &mut data {
            fields.remove("code");
        }
        let sentences = decision.reason.vetoes().iter().map(ToString::to_string);
        if let Some(Value::Array(vetoes)) = data.get_mut("vetoes") {
            for (veto, sentence) in vetoes.iter_mut().zip(sentences) {
                veto["sentence"] = Value::String(sentence);
            }
        }
        Self {
            code: decision.reason.code().as_str(),
            sentence: decision.reason.to_string(),
            verdict: decision.verdict,
            since: timestamp::iso(decision.wall),
            data,
        }
    }
}
