//! Changes of the store that an operator asks for and that are done with one commit: of the
//! configuration, and of a scheduled switchover.
//!
//! What was read is guarded by its revision: a change that somebody else made meanwhile is never
//! overwritten, except where the whole configuration is replaced on purpose.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::command::{Answer, AnswerKind, ConfigChange};
use crate::config::Rules;
use crate::memory::Memory;
use crate::schema::{key, write};
use crate::task::{Commit, KeyState, Outcome, Purpose, Report, StoreGuard, StoreWrite, Task};
use crate::time::Mono;
use crate::value::RequestId;

/// A change that was asked for and is not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    request: RequestId,
    what: What,
    is_sent: bool,
    until: Mono,
}

#[derive(Clone, Debug)]
enum What {
    /// The new configuration; whether the old one must still be the one that was read.
    Config { config: Value, is_guarded: bool },
    /// The scheduled switchover goes.
    Flush,
}

fn answer(kind: AnswerKind, text: impl Into<String>) -> Answer {
    Answer {
        kind,
        text: text.into(),
    }
}

/// Takes a change of the configuration on; gives the answer when there is one already.
pub(crate) fn change_config(
    memory: &mut Memory,
    request: RequestId,
    change: ConfigChange,
) -> Option<Answer> {
    let Some(view) = memory.current_view() else {
        return Some(answer(AnswerKind::Failed, "the store is unreachable"));
    };
    let before = view.config.value.as_deref();
    let (config, is_guarded) = match (change, before) {
        (ConfigChange::Replace(config), _) => (Value::Object(config), false),
        (ConfigChange::Patch(patch), Some(Value::Object(config))) => {
            let mut config = config.clone();
            merge(&mut config, patch);
            (Value::Object(config), true)
        }
        (ConfigChange::Patch(_), Some(_) | None) => {
            let text = "the store holds no configuration that could be changed";
            return Some(answer(AnswerKind::Failed, text));
        }
    };
    if before == Some(&config) {
        return Some(answer(AnswerKind::Done, config.to_string()));
    }
    if let Some(text) = objection(before, &config) {
        return Some(answer(AnswerKind::Invalid, text));
    }
    begin(memory, request, What::Config { config, is_guarded })
}

/// Takes the removal of the scheduled switchover on.
pub(crate) fn flush(memory: &mut Memory, request: RequestId) -> Option<Answer> {
    let Some(view) = memory.current_view() else {
        return Some(answer(AnswerKind::Failed, "the store is unreachable"));
    };
    let is_scheduled = view
        .failover
        .value
        .as_ref()
        .is_some_and(crate::candidate::is_scheduled);
    if !is_scheduled {
        return Some(answer(AnswerKind::Absent, "no switchover is scheduled"));
    }
    begin(memory, request, What::Flush)
}

fn begin(memory: &mut Memory, request: RequestId, what: What) -> Option<Answer> {
    if memory.change.is_some() {
        let text = "another change is being written";
        return Some(answer(AnswerKind::Conflict, text));
    }
    memory.change = Some(Change {
        request,
        what,
        is_sent: false,
        until: memory.mono().plus(memory.rules.call_limit() * 2),
    });
    None
}

/// Merges a patch in: null removes, objects are merged, everything else replaces.
fn merge(config: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                config.remove(&key);
            }
            Value::Object(patch) => {
                let entry = config
                    .entry(key)
                    .or_insert_with(|| Value::Object(Map::new()));
                if !entry.is_object() {
                    *entry = Value::Object(Map::new());
                }
                if let Value::Object(config) = entry {
                    merge(config, patch);
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                config.insert(key, value);
            }
        }
    }
}

/// What is wrong with a configuration that was not wrong with the one before.
fn objection(before: Option<&Value>, after: &Value) -> Option<String> {
    let known = before.map_or_else(Vec::new, |before| Rules::read(before).1);
    let (_, warnings) = Rules::read(after);
    let new: Vec<String> = warnings
        .into_iter()
        .filter(|warning| !known.contains(warning))
        .collect();
    (!new.is_empty()).then(|| format!("the configuration is not changed: {}", new.join("; ")))
}

/// The commit that is still to be made.
pub(crate) fn task(memory: &Memory) -> Option<Task> {
    let change = memory.change.as_ref().filter(|change| !change.is_sent)?;
    let view = memory.current_view()?;
    let commit = |purpose, key: &str, revision, is_guarded: bool, value| {
        let guard = StoreGuard {
            key: key.to_owned(),
            is: KeyState::seen(revision),
        };
        Task::Commit(Commit {
            purpose,
            session: memory.lease.session_name(),
            guards: if is_guarded { vec![guard] } else { Vec::new() },
            writes: vec![StoreWrite::Put {
                key: key.to_owned(),
                value,
            }],
        })
    };
    Some(match &change.what {
        What::Config { config, is_guarded } => commit(
            Purpose::ChangeConfig,
            key::CONFIG,
            view.config.revision,
            *is_guarded,
            config.to_string(),
        ),
        What::Flush => commit(
            Purpose::FlushMove,
            key::FAILOVER,
            view.failover.revision,
            true,
            write::failover(None),
        ),
    })
}

/// The commit is on its way.
pub(crate) fn sent(memory: &mut Memory) {
    if let Some(change) = &mut memory.change {
        change.is_sent = true;
    }
}

/// The commit has ended.
pub(crate) fn ended(memory: &mut Memory, outcome: &Outcome) -> Option<(RequestId, Answer)> {
    let change = memory.change.take()?;
    let answer = match (outcome, &change.what) {
        (Outcome::Done(Report::Committed(_)), What::Config { config, .. }) => {
            answer(AnswerKind::Done, config.to_string())
        }
        (Outcome::Done(Report::Committed(_)), What::Flush) => {
            answer(AnswerKind::Done, "scheduled switchover deleted")
        }
        (Outcome::NotApplied, _) => answer(
            AnswerKind::Conflict,
            "it was changed by somebody else meanwhile: nothing was written",
        ),
        (Outcome::Failed(failure), _) => answer(AnswerKind::Failed, failure.message.clone()),
        (Outcome::Done(_) | Outcome::Unknown | Outcome::Cancelled | Outcome::SessionLost, _) => {
            answer(
                AnswerKind::Failed,
                "the store did not confirm the change: it may have been made",
            )
        }
    };
    Some((change.request, answer))
}

/// Gives up on a change that could not be sent.
pub(crate) fn follow(memory: &mut Memory) -> Option<(RequestId, Answer)> {
    let now = memory.mono();
    let change = memory
        .change
        .take_if(|change| !change.is_sent && now >= change.until)?;
    let text = "the store could not be written to in time: nothing was changed";
    Some((change.request, answer(AnswerKind::Failed, text)))
}

/// When a change that waits is given up.
pub(crate) fn deadline(memory: &Memory) -> Option<Mono> {
    let change = memory.change.as_ref().filter(|change| !change.is_sent)?;
    Some(change.until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(config: Value, patch: Value, expected: Value) {
        let (Value::Object(mut config), Value::Object(patch)) = (config, patch) else {
            panic!("objects");
        };
        merge(&mut config, patch);
        assert_eq!(Value::Object(config), expected);
    }

    #[test]
    fn a_patch_is_merged_deeply() {
        check(
            json!({"ttl": 30, "postgresql": {"parameters": {"a": 1, "b": 2}}, "x": 1}),
            json!({"ttl": null, "postgresql": {"parameters": {"a": null, "c": 3}}, "x": {"y": 1}}),
            json!({"postgresql": {"parameters": {"b": 2, "c": 3}}, "x": {"y": 1}}),
        );
        check(json!({}), json!({"a": {"b": null}}), json!({"a": {}}));
        check(
            json!({"a": [1]}),
            json!({"a": [2, 3]}),
            json!({"a": [2, 3]}),
        );
    }

    #[test]
    fn only_new_mistakes_are_objected_to() {
        let bad = json!({"ttl": "soon"});
        assert!(objection(None, &bad).expect("an objection").contains("ttl"));
        assert_eq!(objection(Some(&bad), &bad), None);
        assert_eq!(objection(None, &json!({"ttl": 20, "unknown": {}})), None);
    }
}
