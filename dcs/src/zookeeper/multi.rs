//! From a commit and what its keys were found to be, to the parts of a `multi`.
//!
//! A part can demand a version and nothing else. So every key that the commit is about is read
//! first, the guards are judged on that, and the parts demand that nothing has changed since: the
//! same version, or none. Invariant: whatever changes between the read and the `multi` makes it
//! fail as a whole, and then we look again.
//!
//! A version counts from 0 for every new life of a node. A node that was deleted and made again
//! between the read and the `multi`, and has reached the very same version, would pass. Nodes that
//! live with a session are therefore moved to a version of their session's own at birth; the
//! reference leaves its own at 0.

use std::collections::BTreeMap;

use super::message::{ANY_VERSION, Part};
use super::nodes::Node;
use crate::{Commit, Condition, Key, Lifetime, Write};

/// The parts that apply a commit whose guards hold for `nodes`.
pub(super) fn parts(
    commit: &Commit,
    nodes: &BTreeMap<Key, Node>,
    session: Option<i64>,
    path: impl Fn(&Key) -> String,
) -> Vec<Part> {
    let mut parts = Vec::new();
    for guard in &commit.guards {
        if commit
            .writes
            .iter()
            .any(|write| touches(write, &guard.key, nodes))
        {
            continue;
        }
        let path = path(&guard.key);
        match (nodes.get(&guard.key), guard.condition) {
            // Whoever can make it finds that it was not there.
            (None, _) => {
                parts.push(create(&path, None, false));
                parts.push(delete(&path, ANY_VERSION));
            }
            (Some(_), Condition::Present) => parts.push(check(&path, ANY_VERSION)),
            (
                Some(node),
                Condition::Absent | Condition::AtRevision(_) | Condition::HeldBySession,
            ) => parts.push(check(&path, node.stat.version)),
        }
    }
    for write in &commit.writes {
        let path = path(write.key());
        let node = nodes.get(write.key());
        match (write, node) {
            (
                Write::Put {
                    value, lifetime, ..
                },
                node,
            ) => {
                put(&mut parts, &path, node, value, *lifetime, session);
            }
            (Write::Delete { .. }, Some(node)) => parts.push(delete(&path, node.stat.version)),
            (Write::Delete { .. }, None) => {}
        }
    }
    if parts.is_empty() {
        parts.push(check("/", ANY_VERSION));
    }
    parts
}

/// Whether the write itself demands that its key is as it was found.
fn touches(write: &Write, key: &Key, nodes: &BTreeMap<Key, Node>) -> bool {
    let is_effective = matches!(write, Write::Put { .. }) || nodes.contains_key(key);
    write.key() == key && is_effective
}

fn put(
    parts: &mut Vec<Part>,
    path: &str,
    node: Option<&Node>,
    value: &[u8],
    lifetime: Lifetime,
    session: Option<i64>,
) {
    let owner = match lifetime {
        Lifetime::Session => session.unwrap_or_default(),
        Lifetime::Permanent => 0,
    };
    if let Some(node) = node {
        let version = node.stat.version;
        if node.stat.owner == owner {
            parts.push(set(path, value, version));
            return;
        }
        // How long a node stays is said when it is made, and never again.
        parts.push(delete(path, version));
    }
    let is_ephemeral = owner != 0;
    parts.push(create(path, Some(value.to_vec()), is_ephemeral));
    if is_ephemeral {
        for version in 0..first_version(owner) {
            parts.push(set(path, value, version));
        }
    }
}

/// At which version a session's nodes begin: from 1 to 8.
fn first_version(session: i64) -> i32 {
    let mixed = session.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    1 + i32::try_from(mixed >> 61).unwrap_or(0)
}

fn check(path: &str, version: i32) -> Part {
    let path = path.to_owned();
    Part::Check { path, version }
}

fn delete(path: &str, version: i32) -> Part {
    let path = path.to_owned();
    Part::Delete { path, version }
}

fn set(path: &str, value: &[u8], version: i32) -> Part {
    Part::Set {
        path: path.to_owned(),
        data: value.to_vec(),
        version,
    }
}

fn create(path: &str, data: Option<Vec<u8>>, is_ephemeral: bool) -> Part {
    Part::Create {
        path: path.to_owned(),
        data,
        is_ephemeral,
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Stat;
    use super::*;

    fn key(name: &str) -> Key {
        Key::new(format!("/{name}")).unwrap()
    }

    fn node(version: i32, owner: i64) -> Node {
        let stat = Stat {
            created: 1,
            modified: 2,
            version,
            owner,
            child_count: 0,
            children_changed: 1,
        };
        Node {
            data: Some(vec![]),
            stat,
        }
    }

    fn shown(commit: &Commit, nodes: &[(&str, Node)]) -> Vec<String> {
        let nodes = nodes.iter().map(|(name, node)| (key(name), node.clone()));
        let parts = parts(commit, &nodes.collect(), Some(5), |key| {
            key.as_str().to_owned()
        });
        let show = |part: &Part| match part {
            Part::Check { path, version } => format!("check {path} {version}"),
            Part::Delete { path, version } => format!("delete {path} {version}"),
            Part::Set { path, version, .. } => format!("set {path} {version}"),
            Part::Create {
                path, is_ephemeral, ..
            } if *is_ephemeral => format!("bind {path}"),
            Part::Create { path, .. } => format!("create {path}"),
        };
        parts.iter().map(show).collect()
    }

    #[test]
    fn guard_demands_what_was_found() {
        let commit = Commit::new()
            .guard(key("leader"), Condition::HeldBySession)
            .guard(key("failover"), Condition::Absent)
            .put(key("status"), "1", Lifetime::Permanent);
        let found = [("leader", node(3, 5)), ("status", node(7, 0))];
        assert_eq!(
            shown(&commit, &found),
            [
                "check /leader 3",
                "create /failover",
                "delete /failover -1",
                "set /status 7"
            ]
        );
    }

    #[test]
    fn lifetime_that_changes_makes_a_new_node() {
        let commit = Commit::new().put(key("x"), "1", Lifetime::Permanent);
        let found = [("x", node(3, 5))];
        assert_eq!(shown(&commit, &found), ["delete /x 3", "create /x"]);
        let commit = Commit::new().put(key("x"), "1", Lifetime::Session);
        assert_eq!(shown(&commit, &found), ["set /x 3"]);
        let other = [("x", node(3, 6))];
        assert_eq!(shown(&commit, &other)[..2], ["delete /x 3", "bind /x"]);
    }

    #[test]
    fn node_of_a_session_never_begins_at_the_version_of_a_foreign_one() {
        for session in [1, 5, i64::MAX, -7, 0x0100_0001_2345_0001] {
            assert!((1..=8).contains(&first_version(session)), "{session}");
        }
        let commit = Commit::new().put(key("x"), "1", Lifetime::Session);
        assert!(shown(&commit, &[]).len() >= 2);
    }

    #[test]
    fn commit_that_changes_nothing_is_still_a_write() {
        let commit = Commit::new().delete(key("missing"));
        assert_eq!(shown(&commit, &[]), ["check / -1"]);
        let guarded = commit.guard(key("missing"), Condition::Absent);
        assert_eq!(
            shown(&guarded, &[]),
            ["create /missing", "delete /missing -1"]
        );
    }
}
