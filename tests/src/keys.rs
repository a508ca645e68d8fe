//! The cluster's keys as the store has them: read and changed behind the members' backs, and a
//! record of who held the leadership when.
//!
//! Invariant: nothing here takes part in the cluster: there is no session, and changes are those
//! that an operator could make by hand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::zookeeper::{ZooKeeperDcs, ZooKeeperOptions};
use herdsman_dcs::{Commit, CommitOutcome, Dcs, Lifetime, Prefix, Snapshot, WatchEvent};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::cluster::{Cluster, StoreServers, wait_for};

/// Access to the keys of one cluster.
pub struct Keys {
    store: Arc<dyn Dcs>,
    prefix: Prefix,
    runtime: Runtime,
}

impl Keys {
    /// The keys of this cluster, over ways of our own to all servers of its store.
    ///
    /// # Panics
    /// When no runtime can be made.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let runtime = runtime();
        let guard = runtime.enter();
        let store = connected(&cluster.store());
        drop(guard);
        Self {
            store,
            prefix: Prefix::new(cluster.store_prefix()).expect("the prefix is one"),
            runtime,
        }
    }

    /// The text of a key.
    ///
    /// # Panics
    /// When the store does not answer.
    #[must_use]
    pub fn read(&self, key: &str) -> Option<String> {
        let snapshot = self.runtime.block_on(self.store.snapshot(&self.prefix));
        let snapshot = snapshot.expect("the store answers");
        let key = self.prefix.key(key).expect("it is a key");
        let entry = snapshot.get(&key)?;
        Some(String::from_utf8_lossy(&entry.value).into_owned())
    }

    /// Deletes a key, whoever holds it.
    ///
    /// # Panics
    /// When the store does not answer.
    pub fn delete(&self, key: &str) {
        let key = self.prefix.key(key).expect("it is a key");
        self.commit(Commit::new().delete(key));
    }

    /// Writes any bytes to a key, whoever holds it.
    ///
    /// # Panics
    /// When the store does not take them.
    pub fn write(&self, key: &str, value: impl Into<Vec<u8>>) {
        let key = self.prefix.key(key).expect("it is a key");
        self.commit(Commit::new().put(key, value, Lifetime::Permanent));
    }

    /// Changes one entry of the cluster's configuration, as `patronictl edit-config` does.
    ///
    /// # Panics
    /// When the store does not answer or there is no configuration.
    pub fn configure(&self, entry: &str, value: Value) {
        let config = self.read("config").expect("there is a configuration");
        let mut config: Value = serde_json::from_str(&config).expect("it is JSON");
        config[entry] = value;
        let key = self.prefix.key("config").expect("it is a key");
        self.commit(Commit::new().put(key, config.to_string(), Lifetime::Permanent));
    }

    fn commit(&self, commit: Commit) {
        let outcome = self.runtime.block_on(self.store.commit(None, commit));
        let is_done = matches!(outcome, Ok(CommitOutcome::Applied { .. }));
        assert!(is_done, "the store did not take a change: {outcome:?}");
    }

    /// Begins to record who holds the leadership.
    #[must_use]
    pub fn record_leaders(&self) -> Leaders {
        let changes = Arc::new(Mutex::new(Vec::new()));
        let (end, is_ended) = oneshot::channel();
        let (store, prefix) = (Arc::clone(&self.store), self.prefix.clone());
        let shared = Arc::clone(&changes);
        let thread = std::thread::Builder::new().name("leaders".to_owned());
        let thread = thread.spawn(move || {
            runtime().block_on(async {
                tokio::select! {
                    () = follow(&*store, &prefix, &shared) => {}
                    // Dropped: nobody reads any more.
                    _ = is_ended => {}
                }
            });
        });
        let leaders = Leaders {
            changes,
            end: Some(end),
            thread: Some(thread.expect("a thread can be started")),
        };
        wait_for("the first look at the leader key", || {
            (!leaders.changes().is_empty()).then_some(())
        });
        leaders
    }
}

/// A change of the leader key, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderChange {
    /// When it was heard of: shortly after it happened, never before.
    pub at: Instant,
    /// Who holds the leadership since; nobody when the key is absent.
    pub leader: Option<String>,
}

/// The record of the leader key, from its state at the beginning on.
pub struct Leaders {
    changes: Arc<Mutex<Vec<LeaderChange>>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Leaders {
    /// All changes up to now.
    #[must_use]
    pub fn changes(&self) -> Vec<LeaderChange> {
        lock(&self.changes).clone()
    }

    /// When the member was first heard to hold the leadership no more, after `since`.
    #[must_use]
    pub fn end_of(&self, member: &str, since: Instant) -> Option<Instant> {
        let changes = self.changes();
        let mut later = changes.iter().filter(|change| change.at > since);
        let ended = later.find(|change| change.leader.as_deref() != Some(member));
        ended.map(|change| change.at)
    }
}

impl Drop for Leaders {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // Its panic is on standard error already.
            let _ = thread.join();
        }
    }
}

async fn follow(store: &dyn Dcs, prefix: &Prefix, changes: &Mutex<Vec<LeaderChange>>) {
    let key = prefix.key("leader").expect("it is a key");
    let Ok(mut watch) = store.watch(prefix).await else {
        return;
    };
    let mut mirror = Snapshot::default();
    loop {
        match watch.next().await {
            WatchEvent::Listed(snapshot) => mirror = snapshot,
            WatchEvent::Changed { revision, changes } => mirror.apply(revision, changes),
            WatchEvent::Interrupted(_) => continue,
        }
        let at = Instant::now();
        let value = mirror.get(&key).map(|entry| &entry.value);
        let leader = value.map(|value| String::from_utf8_lossy(value).into_owned());
        let mut changes = lock(changes);
        if changes.last().is_none_or(|last| last.leader != leader) {
            changes.push(LeaderChange { at, leader });
        }
    }
}

fn lock(changes: &Mutex<Vec<LeaderChange>>) -> MutexGuard<'_, Vec<LeaderChange>> {
    changes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A way of our own to the servers.
fn connected(servers: &StoreServers) -> Arc<dyn Dcs> {
    let valid = "servers have addresses";
    match servers {
        StoreServers::Etcd(servers) => {
            let options = EtcdOptions::new(servers.endpoints());
            Arc::new(EtcdDcs::new(options.expect(valid)))
        }
        StoreServers::ZooKeeper(servers) => {
            let options = ZooKeeperOptions::new(servers.hosts());
            Arc::new(ZooKeeperDcs::new(options.expect(valid)))
        }
    }
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made")
}
