//! What of a view concerns slots.

use alloc::format;

use serde_json::{Value, json};

use super::*;
use crate::schema::{RawEntry, key, read_cluster};
use crate::value::Revision;

/// A view of a leader `a` with these keys beside its own.
fn view(entries: &[(&str, Value)]) -> ClusterView {
    let entries: Vec<(&str, String)> = entries
        .iter()
        .map(|(key, value)| (*key, format!("{value}")))
        .chain([(key::LEADER, "a".to_owned())])
        .collect();
    let raw = entries.iter().map(|(key, value)| RawEntry {
        key,
        value: value.as_bytes(),
        created: Revision(1),
        modified: Revision(1),
        session: Some("s"),
    });
    read_cluster(Revision(9), raw)
}

fn member(at: u64, tags: &Value) -> Value {
    json!({
        "conn_url": "postgres://b:5432/postgres", "state": "running", "role": "replica",
        "timeline": 1, "xlog_location": at, "tags": tags,
    })
}

#[test]
fn how_far_a_member_is_concerns_no_slot_unless_it_may_stream_from_another() {
    let at = |at, tags: &Value| view(&[("members/b", member(at, tags))]);
    let (none, some) = (json!({}), json!({"replicatefrom": "c"}));
    assert!(!is_concerned(&at(1, &none), &at(2, &none)));
    assert!(is_concerned(&at(1, &some), &at(2, &some)));
    assert!(is_concerned(&at(1, &none), &at(1, &some)));
}

#[test]
fn whatever_else_slots_are_kept_by_concerns_them() {
    let one = || ("members/b", member(1, &json!({})));
    let known = view(&[one()]);
    assert!(!is_concerned(&known, &view(&[one()])));
    let mut stopped = member(1, &json!({}));
    stopped["state"] = json!("stopped");
    let others = [
        view(&[]),
        view(&[one(), ("members/c", member(1, &json!({})))]),
        view(&[("members/c", member(1, &json!({})))]),
        view(&[("members/b", stopped)]),
        view(&[
            one(),
            (key::STATUS, json!({"optime": 5, "slots": {"b": 4}})),
        ]),
        view(&[
            one(),
            (key::CONFIG, json!({"slots": {"x": {"type": "physical"}}})),
        ]),
        ClusterView {
            leader: None,
            ..known.clone()
        },
    ];
    for other in others {
        assert!(is_concerned(&known, &other), "{other:?}");
        assert!(is_concerned(&other, &known), "{other:?}");
    }
}
