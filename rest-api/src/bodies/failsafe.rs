//! The body of a call to `/failsafe`: what a primary without a store tells when it asks for a promise.
//!
//! Other programs send and read the outer fields; what only this one knows is in `herdsman`.

use std::collections::BTreeMap;
use std::time::Duration;

use herdsman_ha_core::{Command, Generation, Lsn, MemberName, PromiseRequest};
use serde::{Deserialize, Serialize};

use super::{BadBody, object};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    name: String,
    #[serde(default)]
    conn_url: String,
    #[serde(default)]
    api_url: String,
    #[serde(default)]
    slots: Option<BTreeMap<String, u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    herdsman: Option<Ours>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ours {
    generation: u64,
    ttl_ms: u64,
}

/// Reads what a member asks for.
pub(crate) fn read(body: &[u8]) -> Result<Command, BadBody> {
    object(body)?;
    let body: Body = serde_json::from_slice(body).map_err(|_| BadBody::NoText("name"))?;
    let slots = body.slots.unwrap_or_default().into_iter();
    Ok(Command::Promise(PromiseRequest {
        name: MemberName::from(body.name),
        conn_url: body.conn_url,
        api_url: body.api_url,
        slots: slots.map(|(name, lsn)| (name, Lsn(lsn))).collect(),
        generation: body
            .herdsman
            .as_ref()
            .map(|ours| Generation(ours.generation)),
        ttl: body.herdsman.map(|ours| Duration::from_millis(ours.ttl_ms)),
    }))
}

/// Writes it.
pub(crate) fn write(request: &PromiseRequest) -> String {
    let slots = request.slots.iter();
    let ours = request.generation.zip(request.ttl);
    let body = Body {
        name: request.name.to_string(),
        conn_url: request.conn_url.clone(),
        api_url: request.api_url.clone(),
        slots: Some(slots.map(|(name, lsn)| (name.clone(), lsn.0)).collect()),
        herdsman: ours.map(|(generation, ttl)| Ours {
            generation: generation.0,
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        }),
    };
    serde_json::to_string(&body).expect("our shapes have text keys and finite numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let request = PromiseRequest {
            name: MemberName::from("n1"),
            conn_url: "postgres://h:5432/postgres".to_owned(),
            api_url: "http://h:8008/patroni".to_owned(),
            slots: BTreeMap::from([("n2".to_owned(), Lsn(0x300_0000))]),
            generation: Some(Generation(7)),
            ttl: Some(Duration::from_secs(30)),
        };
        let written = write(&request);
        assert_eq!(read(written.as_bytes()), Ok(Command::Promise(request)));
    }

    #[test]
    fn a_member_of_another_kind_tells_less() {
        let body = br#"{"name":"n1","conn_url":"c","api_url":"a","slots":null}"#;
        let Ok(Command::Promise(request)) = read(body) else {
            panic!("it is a request");
        };
        assert_eq!(request.name.as_str(), "n1");
        assert_eq!((request.generation, request.ttl), (None, None));
        for bad in ["", "{}", "[]", r#"{"name":5}"#, r#"{"api_url":"a"}"#] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
