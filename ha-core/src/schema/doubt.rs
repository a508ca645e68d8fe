//! What is wrong with a key, for a warning that a human reads.
//!
//! Reading goes on whatever is found here. Invariant: a reason is one short line and says nothing
//! of the value but its shape, because a value may hold anything.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

use serde_json::Value;

use super::key;
use crate::value::SystemId;

/// A name of a member is never longer.
const LONGEST_NAME: usize = 255;

/// What a value is as JSON.
type Json = serde_json::Result<Value>;

/// What is wrong with bytes that are no text.
pub(super) fn no_text(text: Option<&str>) -> Option<String> {
    text.is_none().then(|| "it is not UTF-8".to_owned())
}

/// Why a key that is not a member's does not say what it should; nothing if it does.
pub(super) fn reason(key: &str, text: &str, json: Option<&Json>) -> Option<String> {
    let found = match key {
        key::INITIALIZE if text.is_empty() => Ok(()),
        key::INITIALIZE => match text.parse::<SystemId>() {
            Ok(_) => Ok(()),
            Err(_) => Err("it is no system identifier".to_owned()),
        },
        key::LEADER => name(text),
        key::STATUS => status(json),
        key::SYNC if text.is_empty() => Ok(()),
        key::SYNC => fields(
            json,
            &[
                ("leader", is_text),
                ("sync_standby", is_text),
                ("quorum", is_count),
            ],
        ),
        // The oldest form is no JSON, but one or two names.
        key::FAILOVER if text.is_empty() => Ok(()),
        key::FAILOVER if !text.starts_with(['{', '[']) => {
            let parts = text.split(':').map(str::trim);
            let mut parts = parts.filter(|part| !part.is_empty());
            parts.try_for_each(name)
        }
        key::FAILOVER => fields(
            json,
            &[
                ("leader", is_text),
                ("member", is_text),
                ("scheduled_at", is_text),
            ],
        ),
        key::HISTORY => history(json),
        key::FAILSAFE => object(json).and_then(|map| match map.values().all(is_text) {
            true => Ok(()),
            false => Err("an address is no text".to_owned()),
        }),
        key::LEADERSHIP => fields(
            json,
            &[
                ("owner", is_text),
                ("from_timeline", is_count),
                ("timeline", is_count),
            ],
        ),
        key::CONFIG => object(json).map(drop),

        // Whatever others keep beside the cluster is theirs.
        _ => Ok(()),
    };
    found.err()
}

fn parsed(json: Option<&Json>) -> Result<&Value, String> {
    match json {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(format!("it is not JSON: {error}")),
        None => Err("it is not JSON".to_owned()),
    }
}

fn object(json: Option<&Json>) -> Result<&serde_json::Map<String, Value>, String> {
    let object = parsed(json)?.as_object();
    object.ok_or_else(|| "it is no JSON object".to_owned())
}

/// Whether a value is of some kind.
type Kind = fn(&Value) -> bool;

/// An object in which these fields, if they are there and not null, are of their kind.
fn fields(json: Option<&Json>, kinds: &[(&str, Kind)]) -> Result<(), String> {
    let map = object(json)?;
    for (field, is_right) in kinds {
        let value = map.get(*field).filter(|value| !value.is_null());
        if value.is_some_and(|value| !is_right(value)) {
            return Err(format!("its field {field} is of the wrong type"));
        }
    }
    Ok(())
}

fn is_text(value: &Value) -> bool {
    value.is_string()
}

fn is_count(value: &Value) -> bool {
    value.is_u64()
}

/// Whether a text can be the name of a member.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.contains(char::is_control)
}

fn name(text: &str) -> Result<(), String> {
    match is_name(text) {
        true => Ok(()),
        false => Err("it is no name of a member".to_owned()),
    }
}

/// A position, or an object with one.
fn status(json: Option<&Json>) -> Result<(), String> {
    if parsed(json)?.is_u64() {
        return Ok(());
    }
    fields(json, &[("optime", is_count)])
}

fn history(json: Option<&Json>) -> Result<(), String> {
    let Value::Array(lines) = parsed(json)? else {
        return Err("it is no JSON array".to_owned());
    };
    match super::read::is_history(lines) {
        true => Ok(()),
        false => Err("a line of it is no timeline with its end".to_owned()),
    }
}
