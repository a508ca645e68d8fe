//! Between our commits and etcd's transactions.
//!
//! Invariant: every transaction of ours has an operation, also one that only asks. A transaction
//! without any is answered by the member alone, from its own and perhaps old state (measured on
//! 3.4.23: at once, with both other members dead), so its guards would prove nothing.

use std::collections::{BTreeMap, BTreeSet};

use etcd_client::{
    Compare, CompareOp, GetOptions, GetResponse, KeyValue, PutOptions, ResponseHeader, Txn, TxnOp,
    TxnOpResponse, TxnResponse,
};

use crate::{
    Cause, Commit, Condition, Entry, Error, Guard, Key, Lifetime, Prefix, Revision, Session,
    SessionId, Snapshot, Write,
};

/// Keys with their content.
pub(super) type Entries = BTreeMap<Key, Entry>;

/// The number of a lease in a session id.
pub(super) fn lease_id(id: &SessionId) -> Result<i64, Error> {
    match id.as_str().parse() {
        Ok(number) if number > 0 => Ok(number),
        Ok(_) | Err(_) => Err(Error::invalid(format!("{id} is no etcd lease"))),
    }
}

/// A transaction that does what the commit says, and that otherwise reads all its keys.
pub(super) fn of_commit(commit: &Commit, session: Option<&Session>) -> Result<Txn, Error> {
    let lease = session.map(|s| lease_id(&s.id)).transpose()?;
    let keys: BTreeSet<&Key> = (commit.guards.iter().map(|g| &g.key))
        .chain(commit.writes.iter().map(Write::key))
        .collect();
    let reads: Vec<TxnOp> = keys.into_iter().map(read).collect();
    let then = if commit.writes.is_empty() {
        reads.clone()
    } else {
        commit.writes.iter().map(|w| write(w, lease)).collect()
    };
    Ok(Txn::new()
        .when(compares(&commit.guards, lease))
        .and_then(then)
        .or_else(reads))
}

fn compares(guards: &[Guard], lease: Option<i64>) -> Vec<Compare> {
    let compare = |guard: &Guard| {
        let key = guard.key.as_str();
        let exists = || Compare::create_revision(key, CompareOp::Greater, 0);
        match guard.condition {
            Condition::Absent => vec![Compare::create_revision(key, CompareOp::Equal, 0)],
            Condition::Present => vec![exists()],
            // A missing key has the revision 0, so that alone would hold for `AtRevision(0)`.
            Condition::AtRevision(revision) => vec![
                exists(),
                Compare::mod_revision(key, CompareOp::Equal, number(revision)),
            ],
            // The same for a missing key's lease; but a session's lease is never 0.
            Condition::HeldBySession => {
                vec![Compare::lease(key, CompareOp::Equal, lease.unwrap_or(-1))]
            }
        }
    };
    guards.iter().flat_map(compare).collect()
}

fn read(key: &Key) -> TxnOp {
    TxnOp::get(key.as_str(), None)
}

fn write(write: &Write, lease: Option<i64>) -> TxnOp {
    match write {
        Write::Put {
            key,
            value,
            lifetime,
        } => {
            let lease = match lifetime {
                Lifetime::Session => lease.unwrap_or(0),
                Lifetime::Permanent => 0,
            };
            let options = PutOptions::new().with_lease(lease);
            TxnOp::put(key.as_str(), value.as_slice(), Some(options))
        }
        Write::Delete { key } => TxnOp::delete(key.as_str(), None),
    }
}

/// The keys that a transaction has read.
pub(super) fn found(response: &TxnResponse) -> Entries {
    let mut entries = Entries::new();
    for operation in response.op_responses() {
        if let TxnOpResponse::Get(read) = operation {
            entries.extend(read.kvs().iter().filter_map(entry));
        }
    }
    entries
}

/// The keys of the guards that do not hold for what was found, each once.
pub(super) fn failed(guards: &[Guard], found: &Entries, session: Option<&Session>) -> Vec<Key> {
    let mut failed: Vec<Key> = Vec::new();
    for guard in guards {
        let holds = guard.holds(found.get(&guard.key), session);
        if !holds && !failed.contains(&guard.key) {
            failed.push(guard.key.clone());
        }
    }
    failed
}

/// The revision at which a commit was applied, if what was found afterwards proves that it was.
///
/// Needed when the answer of an attempt was lost and the next attempt found the guards broken,
/// perhaps by the first. Only a key that is bound to our session is proof: nobody else writes with
/// our session, while a permanent key of the same content may be somebody else's doing (two members
/// that both create `initialize`, say). It must be newer than anything seen before the call.
pub(super) fn proof_of(
    commit: &Commit,
    session: Option<&Session>,
    found: &Entries,
    before: Revision,
) -> Option<Revision> {
    let mut proven_at = None;
    let mut revisions = BTreeSet::new();
    for write in &commit.writes {
        let entry = found.get(write.key());
        match (write, entry) {
            (Write::Delete { .. }, None) => {}
            (
                Write::Put {
                    value, lifetime, ..
                },
                Some(entry),
            ) if entry.value == *value && entry.modified > before => {
                let bound_to = match lifetime {
                    Lifetime::Session => session.map(|s| &s.id),
                    Lifetime::Permanent => None,
                };
                if entry.session.as_ref() != bound_to {
                    return None;
                }
                revisions.insert(entry.modified);
                if bound_to.is_some() {
                    proven_at = Some(entry.modified);
                }
            }
            (Write::Put { .. }, _) | (Write::Delete { .. }, Some(_)) => return None,
        }
    }
    proven_at.filter(|_| revisions.len() == 1)
}

/// The range of keys below a prefix, as etcd wants it: from the prefix to its successor.
pub(super) fn range(prefix: &Prefix) -> (Vec<u8>, Vec<u8>) {
    let from = prefix.as_str().as_bytes().to_vec();
    let mut to = from.clone();
    // A prefix ends with a slash, so its successor ends with the next character.
    if let Some(last) = to.last_mut() {
        *last += 1;
    }
    (from, to)
}

pub(super) fn range_options(prefix: &Prefix) -> GetOptions {
    GetOptions::new().with_range(range(prefix).1)
}

pub(super) fn snapshot(response: &GetResponse) -> Result<Snapshot, Error> {
    let (revision, _) = header(response.header())?;
    Ok(Snapshot {
        revision,
        entries: response.kvs().iter().filter_map(entry).collect(),
    })
}

/// A key with its content. One that our rules for keys exclude is passed over: somebody else put
/// it there, and no caller of ours could name it.
pub(super) fn entry(kv: &KeyValue) -> Option<(Key, Entry)> {
    let entry = Entry {
        value: kv.value().to_vec(),
        created: revision(kv.create_revision()),
        modified: revision(kv.mod_revision()),
        session: (kv.lease() != 0).then(|| SessionId::from(kv.lease())),
    };
    Some((key(kv)?, entry))
}

pub(super) fn key(kv: &KeyValue) -> Option<Key> {
    let key = str::from_utf8(kv.key()).ok().map(Key::new);
    let key = key.and_then(Result::ok);
    if key.is_none() {
        let key = String::from_utf8_lossy(kv.key());
        tracing::debug!(%key, "etcd has a key that is no path; it is passed over");
    }
    key
}

/// The revision and the identity of the store that answered.
pub(super) fn header(header: Option<&ResponseHeader>) -> Result<(Revision, u64), Error> {
    let Some(header) = header else {
        let reason = Cause::new("etcd answered without a header");
        return Err(Error::Unavailable(reason));
    };
    Ok((revision(header.revision()), header.cluster_id()))
}

/// etcd's revisions are signed and never negative.
pub(super) fn revision(number: i64) -> Revision {
    Revision::new(u64::try_from(number).unwrap_or(0))
}

/// Revisions come from etcd, so they fit; one that does not can be that of no key.
pub(super) fn number(revision: Revision) -> i64 {
    i64::try_from(revision.number()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn session() -> Session {
        Session {
            id: SessionId::from(7),
            ttl: Duration::from_secs(2),
        }
    }

    fn at(modified: u64, value: &str, session: Option<i64>) -> Entry {
        Entry {
            value: value.into(),
            created: Revision::new(1),
            modified: Revision::new(modified),
            session: session.map(SessionId::from),
        }
    }

    fn proof(commit: &Commit, found: &[(&str, Entry)]) -> Option<u64> {
        let found = found
            .iter()
            .map(|(k, e)| (Key::new(*k).unwrap(), e.clone()));
        let found = found.collect();
        let proof = proof_of(commit, Some(&session()), &found, Revision::new(10));
        proof.map(Revision::number)
    }

    #[test]
    fn key_bound_to_our_session_proves_the_commit() {
        let [lock, plain] = ["/lock", "/plain"].map(|k| Key::new(k).unwrap());
        let take = Commit::new().put(lock.clone(), "a", Lifetime::Session);
        assert_eq!(proof(&take, &[("/lock", at(11, "a", Some(7)))]), Some(11));
        assert_eq!(
            proof(&take, &[("/lock", at(10, "a", Some(7)))]),
            None,
            "it is older"
        );
        assert_eq!(
            proof(&take, &[("/lock", at(11, "a", Some(8)))]),
            None,
            "another session"
        );
        assert_eq!(
            proof(&take, &[("/lock", at(11, "b", Some(7)))]),
            None,
            "another value"
        );
        assert_eq!(proof(&take, &[]), None);

        let both = take.put(plain.clone(), "s", Lifetime::Permanent);
        let lock_at = |revision| ("/lock", at(revision, "a", Some(7)));
        let plain_at = |revision| ("/plain", at(revision, "s", None));
        assert_eq!(proof(&both, &[lock_at(11), plain_at(11)]), Some(11));
        assert_eq!(
            proof(&both, &[lock_at(11), plain_at(12)]),
            None,
            "overwritten"
        );

        let moved = Commit::new()
            .put(lock, "a", Lifetime::Session)
            .delete(plain);
        assert_eq!(proof(&moved, &[lock_at(11)]), Some(11));
        assert_eq!(proof(&moved, &[lock_at(11), plain_at(11)]), None);
    }

    #[test]
    fn permanent_key_proves_nothing() {
        let key = Key::new("/initialize").unwrap();
        let put = Commit::new().put(key.clone(), "", Lifetime::Permanent);
        assert_eq!(proof(&put, &[("/initialize", at(11, "", None))]), None);
        assert_eq!(proof(&Commit::new().delete(key), &[]), None);
    }

    #[test]
    fn only_a_positive_number_is_a_lease() {
        let lease = |text: &str| lease_id(&text.parse().unwrap());
        assert_eq!(lease("7587869134160166146"), Ok(7_587_869_134_160_166_146));
        for text in ["0", "-1", "x", "99999999999999999999"] {
            assert!(matches!(lease(text), Err(Error::Invalid(_))), "{text}");
        }
    }
}
