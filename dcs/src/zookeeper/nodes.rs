//! Paths and nodes of ZooKeeper, as keys and entries.
//!
//! In ZooKeeper a folder is a node like any other. One that we make has no data at all, which is
//! not the same as empty data; one that another client made has empty data, and counts as a folder
//! as long as something is in it.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::caller::{Caller, Unread};
use super::message::{Code, Request, Stat};
use crate::{Entry, Key, Prefix, Revision, SessionId, Snapshot};

/// One node as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) data: Option<Vec<u8>>,
    pub(super) stat: Stat,
}

impl Node {
    pub(super) fn entry(&self) -> Entry {
        let owner = self.stat.owner;
        Entry {
            value: self.data.clone().unwrap_or_default(),
            created: revision(self.stat.created),
            modified: revision(self.stat.modified),
            session: (owner != 0).then(|| SessionId::from(owner)),
        }
    }

    fn is_folder(&self) -> bool {
        let is_empty = self.data.as_ref().is_none_or(Vec::is_empty);
        self.data.is_none() || (is_empty && self.stat.child_count > 0)
    }
}

/// Transactions are numbered from one; their order is that of the store.
pub(super) fn revision(zxid: i64) -> Revision {
    Revision::new(u64::try_from(zxid).unwrap_or(0))
}

impl Caller<'_> {
    /// The path of a key on the server.
    pub(super) fn path(&self, key: &Key) -> String {
        format!("{}{}", self.line.options.chroot, key.as_str())
    }

    /// The path of a folder on the server.
    pub(super) fn folder(&self, prefix: &Prefix) -> String {
        let relative = prefix.as_str().trim_end_matches('/');
        let path = format!("{}{relative}", self.line.options.chroot);
        if path.is_empty() {
            "/".to_owned()
        } else {
            path
        }
    }

    /// The nodes of these keys, those that exist.
    pub(super) async fn nodes<'k>(
        &self,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Result<BTreeMap<Key, Node>, Unread> {
        let keys: Vec<&Key> = keys.collect();
        let requests = keys.iter().map(|key| Request::get_data(&self.path(key)));
        let replies = self.ask(requests.collect()).await?;
        let mut nodes = BTreeMap::new();
        for (key, reply) in keys.into_iter().zip(replies) {
            if reply.code == Code::NO_NODE {
                continue;
            }
            let (data, stat) = Unread::expect_ok(&reply)?.data()?;
            nodes.insert(key.clone(), Node { data, stat });
        }
        Ok(nodes)
    }

    /// Everything below the prefix as it was at one instant, read after a write of ours was
    /// acknowledged: so nothing that was acknowledged to anybody before is missing.
    ///
    /// The reads are many, but each answer says when its node was last changed. If none was since
    /// our write, all of them together are the state at that write.
    pub(super) async fn snapshot(&self, prefix: &Prefix) -> Result<(i64, Snapshot), Unread> {
        loop {
            let written = self.barrier().await?;
            if let Some(snapshot) = self.tree(prefix, written).await? {
                return Ok((written, snapshot));
            }
            if Instant::now() >= self.deadline {
                let reason = "the keys change faster than they can be read";
                return Err(Unread::Failed(crate::Error::unavailable(reason)));
            }
        }
    }

    /// What is below the prefix, unless it has changed since.
    async fn tree(&self, prefix: &Prefix, since: i64) -> Result<Option<Snapshot>, Unread> {
        let root = self.folder(prefix);
        let mut snapshot = Snapshot::default();
        let mut newest = 0;
        let mut folders = vec![root.clone()];
        while !folders.is_empty() {
            let lists = folders.iter().map(|path| Request::get_children(path));
            let lists = self.ask(lists.collect()).await?;
            let mut paths = Vec::new();
            for (folder, list) in folders.iter().zip(lists) {
                if list.code == Code::NO_NODE {
                    if *folder != root {
                        return Ok(None);
                    }
                    snapshot.revision = revision(self.vanished(&root).await?);
                    return Ok(Some(snapshot));
                }
                let (names, stat) = Unread::expect_ok(&list)?.children()?;
                newest = newest.max(stat.newest());
                let folder = folder.trim_end_matches('/');
                paths.extend(names.into_iter().map(|name| format!("{folder}/{name}")));
            }
            // ZooKeeper's own nodes.
            paths.retain(|path| path != "/zookeeper");
            let reads = paths.iter().map(|path| Request::get_data(path));
            let replies = self.ask(reads.collect()).await?;
            folders.clear();
            for (path, reply) in paths.into_iter().zip(replies) {
                if reply.code == Code::NO_NODE {
                    return Ok(None);
                }
                let (data, stat) = Unread::expect_ok(&reply)?.data()?;
                newest = newest.max(stat.newest());
                let node = Node { data, stat };
                if !node.is_folder() {
                    let relative = path.strip_prefix(&*self.line.options.chroot);
                    let key = relative.and_then(|relative| Key::new(relative).ok());
                    if let Some(key) = key {
                        snapshot.entries.insert(key, node.entry());
                    }
                }
                if stat.child_count > 0 {
                    folders.push(path);
                }
            }
        }
        snapshot.revision = revision(newest);
        Ok((newest <= since).then_some(snapshot))
    }

    /// When a folder that does not exist was removed at the latest, so that a revision never goes
    /// back: its nearest ancestor tells when one of its children went.
    async fn vanished(&self, path: &str) -> Result<i64, Unread> {
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            let asked = if parent.is_empty() { "/" } else { parent };
            let replies = self.ask(vec![Request::exists(asked)]).await?;
            for reply in replies {
                if reply.code.is_ok() {
                    return Ok(reply.stat()?.newest());
                }
            }
            above = parent;
        }
        Ok(0)
    }
}
