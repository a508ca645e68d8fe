//! Garbage in each key: what is warned of, and that nobody is promoted or demoted by it.

use std::fmt::Write as _;

use herdsman_ha_core::schema::key;

use super::{cell, is_upheaval, play, settled};

/// Every key of a cluster, and some that are none.
const KEYS: [&str; 13] = [
    key::INITIALIZE,
    key::CONFIG,
    key::LEADER,
    key::STATUS,
    key::SYNC,
    key::FAILOVER,
    key::HISTORY,
    key::FAILSAFE,
    key::LEADERSHIP,
    "members/a",
    "members/b",
    "members/ghost",
    "diary",
];

/// How values can be wrong, with a name each.
#[must_use]
pub fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("broken JSON", br#"{"ttl": 20, "leader": "#.to_vec()),
        ("an array", b"[1, {}, null]".to_vec()),
        ("wrong types", wrong_types()),
        ("a text", br#""x""#.to_vec()),
        ("3,000 brackets", "[".repeat(3000).into_bytes()),
        ("1 MB", vec![b'x'; 1024 * 1024]),
        ("not UTF-8", vec![0xff, 0xfe, 0x00, 0x80]),
        ("empty", Vec::new()),
    ]
}

/// One object in which every field of every key is of a type that it cannot be of.
fn wrong_types() -> Vec<u8> {
    let fields = [
        "ttl",
        "loop_wait",
        "leader",
        "sync_standby",
        "quorum",
        "member",
        "scheduled_at",
        "optime",
        "slots",
        "owner",
        "from_timeline",
        "timeline",
        "conn_url",
        "api_url",
        "state",
        "role",
        "xlog_location",
        "tags",
        "postgresql",
        "a",
        "b",
    ];
    let fields = fields.map(|field| format!("{field:?}: [[]]"));
    format!("{{{}}}", fields.join(", ")).into_bytes()
}

/// The table, and the rows in which somebody did something to a server or to the leadership.
#[must_use]
pub fn table() -> (String, Vec<String>) {
    let mut text = String::new();
    let mut upheavals = Vec::new();
    for (title, config) in [
        ("", "{}"),
        (", synchronous", r#"{"synchronous_mode":true}"#),
    ] {
        let keys: &[&str] = if title.is_empty() {
            &KEYS
        } else {
            &[key::SYNC]
        };
        for key in keys {
            let _ = writeln!(text, "\n## `{key}`{title}\n");
            text.push_str("| value | warning | leader a | standby b |\n|---|---|---|---|\n");
            for (kind, bytes) in kinds() {
                let (warning, leader) = case("a", config, key, &bytes);
                let (_, standby) = case("b", config, key, &bytes);
                for (who, lines) in [("a", &leader), ("b", &standby)] {
                    if is_upheaval(lines) {
                        upheavals.push(format!("{key}, {kind}, {who}: {}", cell(lines)));
                    }
                }
                let _ = writeln!(
                    text,
                    "| {kind} | {warning} | {} | {} |",
                    cell(&leader),
                    cell(&standby)
                );
            }
        }
    }
    (text, upheavals)
}

/// What is warned of, and what a member makes of it.
fn case(me: &str, config: &str, key: &str, bytes: &[u8]) -> (String, Vec<String>) {
    let mut world = settled(me, config);
    world.store.spoil(key, bytes);
    let warning = world.store.view().unread.get(key).cloned();
    let lines = play(
        &mut world,
        &format!("step {me} at=T+1"),
        &["dcs".to_owned()],
    );
    (warning.unwrap_or_else(|| "none".to_owned()), lines)
}
