//! The bodies of calls that change something, read into commands, and the HTTP status of answers.
//!
//! Whether something is possible is the machine's to say; here only the shape is checked.

pub(crate) mod failsafe;
pub(crate) mod restart;

use herdsman_ha_core::{Answer, AnswerKind, Command, ConfigChange, MemberName};
use http::StatusCode;
use serde_json::{Map, Value};

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBody {
    #[error("the body is not a JSON object with at least one field")]
    Malformed,
    #[error("{0} is not a text")]
    NoText(&'static str),
    #[error("{0} is neither true nor false")]
    NoFlag(&'static str),
}

/// How the leadership shall move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Movement {
    Switchover,
    Failover,
}

/// A JSON object that says something.
fn object(body: &[u8]) -> Result<Map<String, Value>, BadBody> {
    let map: Map<String, Value> = serde_json::from_slice(body).map_err(|_| BadBody::Malformed)?;
    if map.is_empty() {
        return Err(BadBody::Malformed);
    }
    Ok(map)
}

/// A JSON object, or nothing at all.
fn optional_object(body: &[u8]) -> Result<Map<String, Value>, BadBody> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|_| BadBody::Malformed)
}

/// Reads the body of a switchover or a failover.
pub(crate) fn movement(movement: Movement, body: &[u8]) -> Result<Command, BadBody> {
    let map = object(body)?;
    let leader = text(&map, "leader")?.map(MemberName::from);
    let candidate = match text(&map, "candidate")? {
        Some(candidate) => Some(candidate),
        None => text(&map, "member")?,
    };
    let candidate = candidate.map(MemberName::from);
    let scheduled_at = text(&map, "scheduled_at")?;
    Ok(match movement {
        Movement::Switchover => Command::Switchover {
            leader,
            candidate,
            scheduled_at,
        },
        Movement::Failover => Command::Failover {
            leader,
            candidate,
            scheduled_at,
        },
    })
}

/// Reads the body of a wanted new copy.
pub(crate) fn reinitialize(body: &[u8]) -> Result<Command, BadBody> {
    let map = optional_object(body)?;
    // The documents of the interface say one thing and its programs the other.
    let from_leader = flag(&map, "from_leader")? || flag(&map, "from-leader")?;
    Ok(Command::Reinitialize {
        force: flag(&map, "force")?,
        from_leader,
    })
}

/// Reads a part of the configuration.
pub(crate) fn patch(body: &[u8]) -> Result<Command, BadBody> {
    object(body).map(|change| Command::ChangeConfig(ConfigChange::Patch(change)))
}

/// Reads a whole configuration.
pub(crate) fn replacement(body: &[u8]) -> Result<Command, BadBody> {
    object(body).map(|config| Command::ChangeConfig(ConfigChange::Replace(config)))
}

/// A text; null and the empty one count as absent.
fn text(map: &Map<String, Value>, key: &'static str) -> Result<Option<String>, BadBody> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(BadBody::NoText(key)),
    }
}

/// True or false; null counts as absent, and that as false.
fn flag(map: &Map<String, Value>, key: &'static str) -> Result<bool, BadBody> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(BadBody::NoFlag(key)),
    }
}

/// The HTTP status of an answer.
pub(crate) fn status(answer: &Answer) -> StatusCode {
    match answer.kind {
        AnswerKind::Done => StatusCode::OK,
        AnswerKind::Accepted => StatusCode::ACCEPTED,
        AnswerKind::Invalid => StatusCode::BAD_REQUEST,
        AnswerKind::Absent => StatusCode::NOT_FOUND,
        AnswerKind::Conflict => StatusCode::CONFLICT,
        AnswerKind::Refused => StatusCode::PRECONDITION_FAILED,
        AnswerKind::Unusable => StatusCode::UNPROCESSABLE_ENTITY,
        AnswerKind::Failed => StatusCode::SERVICE_UNAVAILABLE,
        AnswerKind::Broken => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Result<Command, BadBody> {
        movement(Movement::Switchover, body)
    }

    fn switchover(leader: &str, candidate: Option<&str>) -> Result<Command, BadBody> {
        Ok(Command::Switchover {
            leader: Some(MemberName::from(leader)),
            candidate: candidate.map(MemberName::from),
            scheduled_at: None,
        })
    }

    #[test]
    fn bodies_are_read_with_their_old_spellings() {
        for (body, command) in [
            (
                r#"{"leader":"a","candidate":"b"}"#,
                switchover("a", Some("b")),
            ),
            (r#"{"leader":"a","member":"b"}"#, switchover("a", Some("b"))),
            (
                r#"{"leader":"a","candidate":"","member":"b","x":1}"#,
                switchover("a", Some("b")),
            ),
            (
                r#"{"leader":"a","candidate":null,"scheduled_at":""}"#,
                switchover("a", None),
            ),
            ("", Err(BadBody::Malformed)),
            ("{}", Err(BadBody::Malformed)),
            ("[]", Err(BadBody::Malformed)),
            ("{", Err(BadBody::Malformed)),
            (r#"{"leader":1}"#, Err(BadBody::NoText("leader"))),
        ] {
            assert_eq!(read(body.as_bytes()), command, "{body}");
        }
    }

    #[test]
    fn a_missing_leader_is_left_for_the_machine_to_refuse() {
        assert_eq!(
            read(br#"{"scheduled_at":"2030-01-01T00:00:00Z"}"#),
            Ok(Command::Switchover {
                leader: None,
                candidate: None,
                scheduled_at: Some("2030-01-01T00:00:00Z".to_owned()),
            })
        );
    }

    #[test]
    fn a_failover_is_another_command() {
        assert_eq!(
            movement(Movement::Failover, br#"{"candidate":"b"}"#),
            Ok(Command::Failover {
                leader: None,
                candidate: Some(MemberName::from("b")),
                scheduled_at: None,
            })
        );
    }

    #[test]
    fn a_new_copy_needs_no_body() {
        let reinit = |force, from_leader| Ok(Command::Reinitialize { force, from_leader });
        for (body, command) in [
            ("", reinit(false, false)),
            ("{}", reinit(false, false)),
            (r#"{"force":true}"#, reinit(true, false)),
            (r#"{"from_leader":true}"#, reinit(false, true)),
            (r#"{"from-leader":true,"force":null}"#, reinit(false, true)),
            (r#"{"force":"yes"}"#, Err(BadBody::NoFlag("force"))),
            ("[]", Err(BadBody::Malformed)),
        ] {
            assert_eq!(reinitialize(body.as_bytes()), command, "{body}");
        }
    }

    #[test]
    fn a_configuration_is_an_object() {
        for body in ["", "[]", "5", "{}", "ttl: 30"] {
            assert_eq!(patch(body.as_bytes()), Err(BadBody::Malformed), "{body}");
            assert_eq!(replacement(body.as_bytes()), Err(BadBody::Malformed));
        }
        let map = Map::from_iter([("ttl".to_owned(), Value::Null)]);
        assert_eq!(
            patch(br#"{"ttl":null}"#),
            Ok(Command::ChangeConfig(ConfigChange::Patch(map)))
        );
    }
}
