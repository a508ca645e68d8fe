//! The body of a wanted switchover, and the HTTP status of its answer.
//!
//! Whether the move is possible is the machine's to say; here only the shape is checked.

use herdsman_ha_core::{Answer, AnswerKind, Command, MemberName};
use http::StatusCode;
use serde_json::{Map, Value};

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBody {
    #[error("the body is not a JSON object with a leader")]
    NotAnObject,
    #[error("{0} is not a text")]
    NotAText(&'static str),
}

/// Reads a body.
pub(crate) fn read(body: &[u8]) -> Result<Command, BadBody> {
    let map: Map<String, Value> = serde_json::from_slice(body).map_err(|_| BadBody::NotAnObject)?;
    if map.is_empty() {
        return Err(BadBody::NotAnObject);
    }
    let leader = text(&map, "leader")?;
    let candidate = match text(&map, "candidate")? {
        Some(candidate) => Some(candidate),
        None => text(&map, "member")?,
    };
    Ok(Command::Switchover {
        leader: leader.map(MemberName),
        candidate: candidate.map(MemberName),
        scheduled_at: text(&map, "scheduled_at")?,
    })
}

/// A text; null and the empty one count as absent.
fn text(map: &Map<String, Value>, key: &'static str) -> Result<Option<String>, BadBody> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(BadBody::NotAText(key)),
    }
}

/// The HTTP status of an answer.
pub(crate) fn status(answer: &Answer) -> StatusCode {
    match answer.kind {
        AnswerKind::Done => StatusCode::OK,
        AnswerKind::Invalid => StatusCode::BAD_REQUEST,
        AnswerKind::Refused => StatusCode::PRECONDITION_FAILED,
        AnswerKind::Failed => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("", Err(BadBody::NotAnObject)),
            ("{}", Err(BadBody::NotAnObject)),
            ("[]", Err(BadBody::NotAnObject)),
            ("{", Err(BadBody::NotAnObject)),
            (r#"{"leader":1}"#, Err(BadBody::NotAText("leader"))),
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
}
