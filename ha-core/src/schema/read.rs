//! From raw keys to a [`ClusterView`].
//!
//! Nothing here fails: a value that cannot be read counts as absent, because one broken key must
//! not blind a member to all others.

mod member;

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::{doubt, key};
use crate::config::Rules;
use crate::task::{Commit, StoreWrite};
use crate::value::{Generation, Lsn, MemberName, Revision, SessionName, SystemId, Timeline};
use crate::view::{
    ClusterView, HistoryLine, Initialize, Keyed, LeaderKey, LeadershipRecord, MoveRequest,
    StatusKey, SyncKey,
};

pub(crate) use member::object as member_object;

/// One key of the store as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry<'a> {
    /// The key, relative to the cluster's prefix.
    pub key: &'a str,
    /// Its value.
    pub value: &'a [u8],
    /// When it was created.
    pub created: Revision,
    /// When it was last written.
    pub modified: Revision,
    /// The session it lives with.
    pub session: Option<&'a str>,
}

/// Reads all keys of one cluster, taken at one `revision`, into a view.
#[must_use]
pub fn read_cluster<'a>(
    revision: Revision,
    entries: impl IntoIterator<Item = RawEntry<'a>>,
) -> ClusterView {
    let mut view = ClusterView {
        revision,
        ..ClusterView::default()
    };
    for entry in entries {
        take(&mut view, &entry);
    }
    view
}

/// Makes a view show what a commit of our own, applied at `revision`, has written: the next view
/// of the store shows it too, but a decision must not rest on what we know to be over.
pub(crate) fn apply(view: &mut ClusterView, commit: &Commit, revision: Revision) {
    view.revision = view.revision.max(revision);
    let generation = view.leader.as_ref().map(|leader| leader.generation);
    for write in &commit.writes {
        let (key, value, is_bound) = match write {
            StoreWrite::PutBound { key, value } => (key, value, true),
            StoreWrite::Put { key, value } => (key, value, false),
            StoreWrite::Delete { key } => {
                match key.as_str() {
                    key::LEADER => view.leader = None,
                    key::SYNC => view.sync = Keyed::default(),
                    key::FAILSAFE => view.failsafe = Keyed::default(),
                    _ => {}
                }
                continue;
            }
        };
        // A key that is written again keeps the revision of its creation.
        let kept = generation.filter(|_| key == key::LEADER);
        let session = commit.session.as_ref().filter(|_| is_bound);
        let entry = RawEntry {
            key,
            value: value.as_bytes(),
            created: kept.map_or(revision, |generation| Revision(generation.0)),
            modified: revision,
            session: session.map(SessionName::as_str),
        };
        take(view, &entry);
    }
}

fn take(view: &mut ClusterView, entry: &RawEntry<'_>) {
    // Values are text. A key whose bytes are none is still there.
    let found = core::str::from_utf8(entry.value).ok();
    let text = found.unwrap_or(NO_TEXT);
    if let Some(name) = entry.key.strip_prefix(key::MEMBERS) {
        let (member, doubt) = member::read(text, entry);
        view.members
            .insert(MemberName::from(name), Arc::new(member));
        note_doubt(view, entry.key, doubt::no_text(found).or(doubt));
        return;
    }
    // Read once, for what it says and for what is wrong with it.
    let json = is_json(entry.key).then(|| serde_json::from_str(text));
    let doubt = doubt::no_text(found).or_else(|| doubt::reason(entry.key, text, json.as_ref()));
    let is_clear = doubt.is_none();
    note_doubt(view, entry.key, doubt);
    let json = json.and_then(Result::ok);
    let modified = Some(entry.modified);
    match entry.key {
        key::INITIALIZE => {
            view.initialize = Keyed {
                revision: modified,
                value: initialize(text, entry),
            };
        }
        key::CONFIG => read_config(view, entry.modified, json),
        key::LEADER => view.leader = leader(text, entry),
        key::STATUS => {
            view.status = Keyed {
                revision: modified,
                value: Arc::new(status(json)),
            };
        }
        key::SYNC => {
            view.sync = Keyed {
                revision: modified,
                value: if is_clear { sync(json) } else { nobody_known() },
            };
        }
        key::FAILOVER => {
            view.failover = Keyed {
                revision: modified,
                value: failover(text, json),
            };
        }
        key::HISTORY => {
            view.history = Keyed {
                revision: modified,
                value: history(json).into(),
            };
        }
        key::FAILSAFE => {
            view.failsafe = Keyed {
                revision: modified,
                // Whom it named is not known, so nobody may lead by it.
                value: failsafe(json).or_else(|| Some(BTreeMap::new())),
            };
        }
        key::LEADERSHIP => {
            view.leadership = Keyed {
                revision: modified,
                value: leadership(json),
            };
        }
        // Whatever others keep beside the cluster is theirs.
        _ => {}
    }
}

fn note_doubt(view: &mut ClusterView, key: &str, doubt: Option<String>) {
    match doubt {
        Some(reason) => drop(view.unread.insert(key.to_owned(), reason)),
        None => drop(view.unread.remove(key)),
    }
}

/// What bytes that are no text are read as: nothing that any key could say.
const NO_TEXT: &str = "\u{fffd}";

/// A `sync` key that cannot be read: commits may have waited for somebody, and nobody knows for
/// whom, so nobody takes the leadership on its own. The leader writes the key anew.
fn nobody_known() -> SyncKey {
    SyncKey {
        leader: Some(MemberName::from(NO_TEXT)),
        ..SyncKey::default()
    }
}

/// Whether the value of a key is JSON, if it is what it should be.
fn is_json(key: &str) -> bool {
    matches!(
        key,
        key::STATUS
            | key::SYNC
            | key::FAILOVER
            | key::HISTORY
            | key::FAILSAFE
            | key::LEADERSHIP
            | key::CONFIG
    )
}

fn object(json: Option<Value>) -> Option<Map<String, Value>> {
    match json {
        Some(Value::Object(map)) => Some(map),
        Some(_) | None => None,
    }
}

fn initialize(text: &str, entry: &RawEntry<'_>) -> Initialize {
    match text.parse::<SystemId>() {
        Ok(system_id) => Initialize::Known(system_id),
        Err(_) => Initialize::Claimed {
            session: entry.session.map(SessionName::from),
        },
    }
}

fn read_config(view: &mut ClusterView, modified: Revision, json: Option<Value>) {
    let Some(map) = object(json) else { return };
    let value = Value::Object(map);
    let (rules, warnings) = Rules::read(&value);
    view.rules = Some(Arc::new(rules));
    view.config_warnings = warnings;
    view.config = Keyed {
        revision: Some(modified),
        value: Some(Arc::new(value)),
    };
}

/// The key is held by whoever it is bound to, whatever it says: as long as it is there, nobody else
/// can take it.
fn leader(text: &str, entry: &RawEntry<'_>) -> Option<LeaderKey> {
    if text.is_empty() && entry.session.is_none() {
        return None;
    }
    Some(LeaderKey {
        name: MemberName::from(text),
        generation: Generation(entry.created.0),
        revision: entry.modified,
        session: entry.session.map(SessionName::from),
    })
}

fn lsn(value: Option<&Value>) -> Option<Lsn> {
    value.and_then(Value::as_u64).map(Lsn)
}

fn text_of(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// An object, or one that some writers put into a text.
fn nested(value: Option<&Value>) -> Option<Value> {
    let value = value?;
    match value.as_str() {
        Some(text) => serde_json::from_str(text).ok(),
        None => Some(value.clone()),
    }
}

fn status(json: Option<Value>) -> StatusKey {
    let optime_only = |optime| StatusKey {
        optime: Lsn(optime),
        ..StatusKey::default()
    };
    match json {
        Some(Value::Number(number)) => optime_only(number.as_u64().unwrap_or(0)),
        Some(Value::Object(map)) => {
            let slots = match nested(map.get("slots")) {
                Some(Value::Object(slots)) => slots,
                _ => Map::new(),
            };
            let retained = match nested(map.get("retain_slots")) {
                Some(Value::Array(names)) => names,
                _ => Vec::new(),
            };
            StatusKey {
                optime: lsn(map.get("optime")).unwrap_or_default(),
                slots: slots
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), Lsn(value.as_u64()?))))
                    .collect(),
                retain_slots: retained
                    .iter()
                    .filter_map(|name| name.as_str().map(str::to_owned))
                    .collect(),
            }
        }
        _ => StatusKey::default(),
    }
}

fn sync(json: Option<Value>) -> SyncKey {
    let Some(map) = object(json) else {
        return SyncKey::default();
    };
    let leader = text_of(&map, "leader").map(MemberName::from);
    let names = text_of(&map, "sync_standby").unwrap_or_default();
    let standbys: BTreeSet<MemberName> = names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(MemberName::from)
        .collect();
    let quorum = map
        .get("quorum")
        .and_then(Value::as_u64)
        .filter(|_| leader.is_some());
    SyncKey {
        standbys,
        quorum: quorum.unwrap_or(0),
        leader,
    }
}

fn failover(text: &str, json: Option<Value>) -> Option<MoveRequest> {
    let request = match object(json) {
        Some(map) => MoveRequest {
            leader: text_of(&map, "leader").map(MemberName::from),
            candidate: text_of(&map, "member").map(MemberName::from),
            scheduled_at: text_of(&map, "scheduled_at"),
        },
        None if text.starts_with('{') || text.starts_with('[') => return None,
        None => {
            // The oldest form: `leader:candidate`.
            let (leader, candidate) = text.split_once(':').unwrap_or((text, ""));
            let name = |part: &str| {
                let part = part.trim();
                doubt::is_name(part).then(|| MemberName::from(part))
            };
            MoveRequest {
                leader: name(leader),
                candidate: name(candidate),
                scheduled_at: None,
            }
        }
    };
    (request.leader.is_some() || request.candidate.is_some()).then_some(request)
}

fn history(json: Option<Value>) -> Vec<HistoryLine> {
    let Some(Value::Array(lines)) = json else {
        return Vec::new();
    };
    lines.iter().filter_map(history_line).collect()
}

/// Whether all lines of the `history` key can be read.
pub(super) fn is_history(lines: &[Value]) -> bool {
    lines.iter().all(|line| history_line(line).is_some())
}

fn history_line(line: &Value) -> Option<HistoryLine> {
    let parts = line.as_array()?;
    let text = |index: usize| parts.get(index).and_then(Value::as_str).map(str::to_owned);
    Some(HistoryLine {
        timeline: Timeline(u32::try_from(parts.first()?.as_u64()?).ok()?),
        switch: Lsn(parts.get(1)?.as_u64()?),
        reason: text(2).unwrap_or_default(),
        at: text(3),
        new_leader: text(4).map(MemberName::from),
    })
}

fn failsafe(json: Option<Value>) -> Option<BTreeMap<MemberName, String>> {
    let entries = object(json)?.into_iter().map(|(name, url)| {
        let url = url.as_str().unwrap_or_default().to_owned();
        (MemberName::from(name), url)
    });
    Some(entries.collect())
}

/// The list that a commit writes, empty for any other.
pub(crate) fn failsafe_list(commit: &Commit) -> BTreeMap<MemberName, String> {
    let list = commit.writes.iter().find_map(|write| match write {
        StoreWrite::Put { key, value } if key == key::FAILSAFE => {
            failsafe(serde_json::from_str(value).ok())
        }
        StoreWrite::Put { .. } | StoreWrite::PutBound { .. } | StoreWrite::Delete { .. } => None,
    });
    list.unwrap_or_default()
}

fn leadership(json: Option<Value>) -> Option<LeadershipRecord> {
    let map = object(json)?;
    let timeline = |key: &str| {
        let number = map.get(key)?.as_u64()?;
        u32::try_from(number).ok().map(Timeline)
    };
    let from_timeline = timeline("from_timeline")?;
    Some(LeadershipRecord {
        owner: MemberName::from(text_of(&map, "owner")?),
        from_timeline,
        // A record of before there was such a number may have led to a promotion.
        timeline: timeline("timeline").unwrap_or_else(|| from_timeline.next()),
        is_promotion: map
            .get("promotion")
            .and_then(Value::as_bool)
            .unwrap_or(false),
    })
}

#[cfg(test)]
mod tests;
