//! The body of a wanted restart: its time and its conditions.
//!
//! The texts are those that existing tools show to people.

use std::time::Duration;

use herdsman_ha_core::{BadMoment, RestartOrder, RestartRole, Wall};
use http::StatusCode;
use serde_json::Value;

use super::{BadBody, optional_object};

/// Why a body is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is no object.
    Malformed(BadBody),
    /// A field is wrong, in the words of the interface.
    Field(StatusCode, String),
}

/// Reads a body. `now` is what the wall shows, for a time that must lie ahead.
pub(crate) fn read(body: &[u8], now: Wall, is_paused: bool) -> Result<RestartOrder, Refusal> {
    let fields = optional_object(body).map_err(Refusal::Malformed)?;
    let refuse = |status: StatusCode, text: &str| Err(Refusal::Field(status, text.to_owned()));
    let invalid = |text: &str| refuse(StatusCode::BAD_REQUEST, text);
    if is_paused && fields.contains_key("schedule") {
        let text = "Can't schedule restart in the paused state";
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, text);
    }
    let mut order = RestartOrder::default();
    for (key, value) in &fields {
        match key.as_str() {
            "schedule" => order.schedule = Some(schedule(value, now)?),
            "role" => match role(value) {
                Some(role) => order.role = Some(role),
                None => {
                    let text =
                        "PostgreSQL role should be either primary, standby_leader, or replica";
                    return invalid(text);
                }
            },
            "postgres_version" => match version(value) {
                Some(version) => order.below_version = Some(version),
                None => {
                    let text = format!(
                        "Invalid PostgreSQL version: {}: X.Y or X.Y.Z is accepted",
                        plain(value)
                    );
                    return invalid(&text);
                }
            },
            "timeout" => match seconds(value) {
                Some(seconds) => order.timeout = Some(Duration::from_secs(seconds)),
                None => return invalid("Timeout should be a positive number of seconds"),
            },
            "restart_pending" => order.if_pending = true,
            other => {
                return invalid(&format!(
                    "Unknown filter for the scheduled restart: {other}"
                ));
            }
        }
        if key != "schedule" {
            order.published.insert(key.clone(), value.clone());
        }
    }
    Ok(order)
}

fn schedule(value: &Value, now: Wall) -> Result<Wall, Refusal> {
    let refuse = |status: StatusCode, text: &str| Err(Refusal::Field(status, text.to_owned()));
    let text = value.as_str().unwrap_or_default();
    match Wall::parse(text) {
        Ok(at) if at < now => refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Cannot schedule restart in the past",
        ),
        Ok(at) => Ok(at),
        Err(BadMoment::NoZone) => refuse(
            StatusCode::BAD_REQUEST,
            "Timezone information is mandatory for the scheduled restart",
        ),
        Err(BadMoment::Unreadable) => refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601",
        ),
    }
}

fn role(value: &Value) -> Option<RestartRole> {
    match value.as_str()? {
        "primary" => Some(RestartRole::Primary),
        "replica" => Some(RestartRole::Replica),
        "standby_leader" => Some(RestartRole::StandbyLeader),
        _ => None,
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A version as PostgreSQL numbers it: `16.4` is 160004, `9.6.1` is 90601.
fn version(value: &Value) -> Option<u32> {
    let text = plain(value);
    let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    let (major, middle, minor) = match parts?.as_slice() {
        [major, minor] if *major >= 10 => (*major, 0, *minor),
        [major, middle, minor] => (*major, *middle, *minor),
        _ => return None,
    };
    (major < 1000 && middle < 100 && minor < 100).then_some(major * 10_000 + middle * 100 + minor)
}

/// A positive number of whole seconds, with or without a unit of PostgreSQL.
fn seconds(value: &Value) -> Option<u64> {
    let text = plain(value);
    let text = text.trim();
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text.get(..end)?.parse().ok()?;
    let seconds = match text.get(end..)?.trim() {
        "" | "s" => number,
        "ms" => number.div_ceil(1000),
        "min" => number.checked_mul(60)?,
        "h" => number.checked_mul(3600)?,
        "d" => number.checked_mul(86_400)?,
        _ => return None,
    };
    // Longer than ten years is a slip, and no clock of ours ends before.
    (1..=315_360_000).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall(1_893_456_000_000);

    #[track_caller]
    fn refused(body: &str, status: u16, text: &str) {
        let Err(Refusal::Field(code, told)) = read(body.as_bytes(), NOW, false) else {
            panic!("{body} is taken");
        };
        assert_eq!((code.as_u16(), told.as_str()), (status, text), "{body}");
    }

    #[test]
    fn each_wrong_field_has_its_text() {
        let zone = "Timezone information is mandatory for the scheduled restart";
        refused(r#"{"schedule":"2030-01-01T12:00:00"}"#, 400, zone);
        let past = "Cannot schedule restart in the past";
        refused(r#"{"schedule":"2029-01-01T12:00:00Z"}"#, 422, past);
        let format = "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601";
        refused(r#"{"schedule":"tomorrow"}"#, 422, format);
        refused(r#"{"schedule":5}"#, 422, format);
        let role = "PostgreSQL role should be either primary, standby_leader, or replica";
        refused(r#"{"role":"master"}"#, 400, role);
        let version = "Invalid PostgreSQL version: 16: X.Y or X.Y.Z is accepted";
        refused(r#"{"postgres_version":"16"}"#, 400, version);
        let timeout = "Timeout should be a positive number of seconds";
        for wrong in ["0", "-1", "\"soon\"", "\"5 parsecs\"", "null", "1.5"] {
            refused(&format!(r#"{{"timeout":{wrong}}}"#), 400, timeout);
        }
        let unknown = "Unknown filter for the scheduled restart: colour";
        refused(r#"{"colour":"red"}"#, 400, unknown);
    }

    #[test]
    fn a_pause_refuses_a_time_before_anything_else() {
        let body = br#"{"schedule":"nonsense"}"#;
        let Err(Refusal::Field(code, text)) = read(body, NOW, true) else {
            panic!("it is taken");
        };
        assert_eq!(code, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(text, "Can't schedule restart in the paused state");
        assert!(read(b"", NOW, true).is_ok());
    }

    #[test]
    fn conditions_are_read_and_kept_as_written() {
        let body = r#"{"schedule":"2030-06-01T12:00:00+00:00","role":"replica",
            "postgres_version":"16.4","timeout":"2min","restart_pending":null}"#;
        let order = read(body.as_bytes(), NOW, false).unwrap();
        assert_eq!(order.schedule, Wall::parse("2030-06-01T12:00Z").ok());
        assert_eq!(order.role, Some(RestartRole::Replica));
        assert_eq!(order.below_version, Some(160_004));
        assert_eq!(order.timeout, Some(Duration::from_secs(120)));
        assert!(order.if_pending);
        let kept: Vec<&str> = order.published.keys().map(String::as_str).collect();
        assert_eq!(
            kept,
            ["postgres_version", "restart_pending", "role", "timeout"]
        );
        assert_eq!(read(b"{}", NOW, false).unwrap(), RestartOrder::default());
        assert_eq!(version(&Value::from("9.6.1")), Some(90_601));
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        for body in ["[]", "5", "{"] {
            let read = read(body.as_bytes(), NOW, false);
            assert_eq!(read, Err(Refusal::Malformed(BadBody::Malformed)), "{body}");
        }
    }
}
