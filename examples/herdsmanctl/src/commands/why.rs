//! `why`: what each member decided last, since when, and what kept it from more.
//!
//! Only members of ours tell that; others are shown as what they are.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use herdsman_agent::settings::ControlSettings;
use herdsman_ha_core::{ClusterView, MemberName};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use crate::arguments::Why;
use crate::clock::Instant;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::members;
use crate::rest;

/// A member reads its answer from memory.
const LIMIT: Duration = Duration::from_secs(5);

/// What a member tells.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    /// Its current decision.
    Decision(Map<String, Value>),
    /// It has not decided anything yet.
    Nothing,
    /// It answered with something else, as programs do that have no such page.
    Other(u16),
    /// It did not answer; why.
    Silent(String),
}

/// Asks the members, all at once, and prints what they tell.
pub(super) async fn run(
    settings: &ControlSettings,
    arguments: &Why,
    out: &mut impl Write,
) -> Result<(), Error> {
    let cluster = Cluster::open(settings, None)?;
    let view = cluster.view().await?;
    let asked: Vec<&MemberName> = match &arguments.member {
        None => view.members.keys().collect(),
        Some(name) => view.members.keys().filter(|m| m.as_str() == name).collect(),
    };
    if asked.is_empty() {
        let name = &cluster.name;
        return Err(Error::Refused(match &arguments.member {
            Some(member) => format!("{member} is not a member of cluster {name}"),
            None => format!("{name} cluster doesn't have any members"),
        }));
    }
    let told = ask(&view, &asked).await;
    let now = Instant::now();
    for (name, told) in &told {
        write!(out, "{}", section(&view, name, told, now))?;
    }
    if told.values().all(|told| matches!(told, Told::Silent(_))) {
        return Err(Error::Failed("no member answered".to_owned()));
    }
    Ok(())
}

async fn ask(view: &ClusterView, names: &[&MemberName]) -> BTreeMap<MemberName, Told> {
    let mut calls = JoinSet::new();
    for &name in names {
        let (name, api_url) = (name.clone(), view.members[name].api_url.clone());
        calls.spawn(async move {
            let told = match api_url {
                Some(api_url) => ask_one(&api_url).await,
                None => Told::Silent("it does not say where its REST API is".to_owned()),
            };
            (name, told)
        });
    }
    calls.join_all().await.into_iter().collect()
}

async fn ask_one(api_url: &str) -> Told {
    let answer = match rest::get(api_url, "/decisions", LIMIT).await {
        Ok(answer) => answer,
        Err(error) => return Told::Silent(error.to_string()),
    };
    let body: Option<Map<String, Value>> = serde_json::from_str(&answer.body).ok();
    let Some(mut body) = body else {
        return Told::Other(answer.status);
    };
    let refused = body.remove("refused_parameters");
    match body.remove("current") {
        Some(Value::Object(mut current)) => {
            if let Some(refused) = refused {
                current.insert("refused_parameters".to_owned(), refused);
            }
            Told::Decision(current)
        }
        Some(Value::Null) => Told::Nothing,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | None => {
            Told::Other(answer.status)
        }
    }
}

/// What is shown of one member.
fn section(view: &ClusterView, name: &MemberName, told: &Told, now: Instant) -> String {
    let mut text = format!("{name} ({}", members::role(view, name));
    let state = members::state(view, name);
    if !state.is_empty() {
        text.push_str(&format!(", {state}"));
    }
    text.push_str("): ");
    match told {
        Told::Decision(decision) => push_decision(&mut text, decision, now),
        Told::Nothing => text.push_str("has decided nothing yet\n"),
        Told::Other(status) => text.push_str(&other_program(view, name, *status)),
        Told::Silent(why) => text.push_str(&format!("{why}\n")),
    }
    text
}

fn push_decision(text: &mut String, decision: &Map<String, Value>, now: Instant) {
    let word = |key: &str| decision.get(key).and_then(Value::as_str);
    text.push_str(word("code").unwrap_or("a decision without a code"));
    if let Some(since) = word("since") {
        match Instant::parse(since) {
            Some(since) => text.push_str(&format!(", for {}", now.age_of(since))),
            None => text.push_str(&format!(", since {since}")),
        }
    }
    text.push('\n');
    if let Some(sentence) = word("sentence") {
        text.push_str(&format!("  {sentence}\n"));
    }
    let data = decision.get("data").unwrap_or(&Value::Null);
    let vetoes = decision.get("vetoes").or_else(|| data.get("vetoes"));
    for veto in vetoes.and_then(Value::as_array).into_iter().flatten() {
        text.push_str(&format!("  - {}\n", veto_line(veto)));
    }
    push_refused(text, decision);
}

/// What PostgreSQL refuses of the configuration.
fn push_refused(text: &mut String, decision: &Map<String, Value>) {
    let refused = decision.get("refused_parameters");
    for (name, why) in refused.and_then(Value::as_object).into_iter().flatten() {
        let why = why.as_str().unwrap_or_default();
        text.push_str(&format!("  {name} is not in force: {why}\n"));
    }
}

/// The word of a veto and the facts that came with it.
fn veto_line(veto: &Value) -> String {
    let Some(facts) = veto.as_object() else {
        return shown(veto);
    };
    if let Some(sentence) = facts.get("sentence").and_then(Value::as_str) {
        return sentence.to_owned();
    }
    let word = facts.get("veto").and_then(Value::as_str);
    let word = word.unwrap_or("a veto without a name");
    let facts = facts.iter().filter(|(key, _)| *key != "veto");
    let facts: Vec<String> = facts
        .map(|(key, value)| format!("{key} {}", shown(value)))
        .collect();
    if facts.is_empty() {
        return word.to_owned();
    }
    format!("{word}: {}", facts.join(", "))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(facts) => {
            let facts = facts.iter();
            let facts: Vec<String> = facts
                .map(|(key, value)| format!("{key} {}", shown(value)))
                .collect();
            facts.join(" ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    }
}

fn other_program(view: &ClusterView, name: &MemberName, status: u16) -> String {
    let member = &view.members[name];
    if member.instance.is_some() {
        return format!("does not tell its decisions (it answered with status {status})\n");
    }
    let value = member.value();
    let version = value.get("version").and_then(Value::as_str);
    let version = version.map_or_else(String::new, |version| format!(" {version}"));
    format!("runs Patroni{version}, which does not tell its decisions\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown_decision(decision: Value) -> String {
        let Value::Object(decision) = decision else {
            panic!("an object is expected")
        };
        let mut text = String::new();
        push_decision(&mut text, &decision, Instant(61_000));
        text
    }

    #[test]
    fn a_decision_is_shown_with_its_age_and_each_veto() {
        let decision = json!({
            "code": "not-candidate",
            "sentence": "there is no leader and this member may not lead: ...",
            "verdict": "hold",
            "since": "1970-01-01T00:00:00.000Z",
            "repeats": 3,
            "data": {"vetoes": [
                {"veto": "lagging", "by": 18_874_368, "limit": 1_048_576},
                {"veto": "peer-ahead", "name": "b", "at": {"timeline": 2, "lsn": 50_331_648}},
                {"veto": "wal-end-not-reached"},
                {"veto": "paused", "sentence": "the cluster is paused"},
            ]},
        });
        assert_eq!(
            shown_decision(decision),
            "\
not-candidate, for 1 min 1 s
  there is no leader and this member may not lead: ...
  - lagging: by 18874368, limit 1048576
  - peer-ahead: at lsn 50331648 timeline 2, name b
  - wal-end-not-reached
  - the cluster is paused
"
        );
    }

    #[test]
    fn what_is_missing_in_a_decision_is_left_out() {
        assert_eq!(shown_decision(json!({"code": "x"})), "x\n");
        let strange = json!({"code": "x", "since": "yesterday"});
        assert_eq!(shown_decision(strange), "x, since yesterday\n");
    }
}
