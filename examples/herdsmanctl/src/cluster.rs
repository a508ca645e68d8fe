//! One cluster's keys in the store. Every look is a fresh, linearizable read.

use std::sync::Arc;

use herdsman_agent::connect;
use herdsman_agent::settings::{BasicAuth, ControlSettings, Store};
use herdsman_dcs::{Commit, CommitOutcome, Condition, Dcs, Guard, Lifetime, Prefix};
use herdsman_ha_core::schema::{RawEntry, read_cluster};
use herdsman_ha_core::{ClusterView, Revision};
use serde_json::Value;

use crate::error::Error;

/// So many keys are deleted in one commit, as stores limit its size.
const AT_ONCE: usize = 64;

/// A cluster and how to reach its keys and its members.
pub(crate) struct Cluster {
    pub(crate) name: String,
    /// Who we are for the members.
    pub(crate) authentication: Option<BasicAuth>,
    prefix: Prefix,
    store: Arc<dyn Dcs>,
    hosts: String,
}

/// Whether a guarded write found what it expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Yes,
    /// Somebody was faster: look again.
    SomebodyElse,
}

impl Cluster {
    /// The cluster of that name, or else the one of the configuration.
    pub(crate) fn open(settings: &ControlSettings, name: Option<&str>) -> Result<Self, Error> {
        let Some(name) = name.or(settings.scope.as_deref()) else {
            let advice = "no cluster is named: write its name after the command, or scope in the \
                          configuration";
            return Err(Error::Refused(advice.to_owned()));
        };
        let (hosts, srv) = match &settings.store {
            Store::Etcd(etcd) => (&etcd.hosts, etcd.srv.as_ref()),
            Store::ZooKeeper(zookeeper) => (&zookeeper.hosts, None),
        };
        let by_dns = srv.map(|srv| format!("the servers of {}", srv.domain));
        let shown = by_dns
            .into_iter()
            .chain(hosts.iter().map(ToString::to_string));
        let shown: Vec<String> = shown.collect();
        let hosts = shown.join(", ");
        let failed = |source| Error::Store {
            hosts: hosts.clone(),
            source,
        };
        let folder = match settings.namespace.as_str() {
            "" => format!("/{name}/"),
            namespace => format!("/{namespace}/{name}/"),
        };
        let prefix = Prefix::new(folder).map_err(|error| Error::Refused(error.to_string()))?;
        Ok(Self {
            name: name.to_owned(),
            authentication: settings.authentication.clone(),
            prefix,
            store: connect(&settings.store).map_err(failed)?,
            hosts,
        })
    }

    /// Reads all keys.
    pub(crate) async fn view(&self) -> Result<ClusterView, Error> {
        let snapshot = self.store.snapshot(&self.prefix).await;
        let snapshot = snapshot.map_err(|source| self.failed(source))?;
        let entries = snapshot.entries.iter().filter_map(|(key, entry)| {
            Some(RawEntry {
                key: key.below(&self.prefix)?,
                value: &entry.value,
                created: Revision(entry.created.number()),
                modified: Revision(entry.modified.number()),
                // Which session holds a key makes no difference here.
                session: None,
            })
        });
        let revision = Revision(snapshot.revision.number());
        Ok(read_cluster(revision, entries))
    }

    /// Puts a key unless it changed after `seen`; `None`: unless it is there.
    pub(crate) async fn put_unless_changed(
        &self,
        key: &str,
        seen: Option<Revision>,
        value: &Value,
    ) -> Result<Written, Error> {
        let key = self.prefix.key(key).expect("the name is a path");
        let condition = seen.map_or(Condition::Absent, |seen| {
            Condition::AtRevision(herdsman_dcs::Revision::new(seen.0))
        });
        let guard = Guard::new(key, condition);
        let value = value.to_string().into_bytes();
        let outcome = self.store.put_if(None, guard, value, Lifetime::Permanent);
        match outcome.await.map_err(|source| self.failed(source))? {
            CommitOutcome::Applied { .. } => Ok(Written::Yes),
            CommitOutcome::NotApplied { .. } => Ok(Written::SomebodyElse),
        }
    }

    /// Deletes every key of the cluster.
    pub(crate) async fn remove(&self) -> Result<(), Error> {
        loop {
            let snapshot = self.store.snapshot(&self.prefix).await;
            let snapshot = snapshot.map_err(|source| self.failed(source))?;
            let keys: Vec<_> = snapshot.entries.into_keys().take(AT_ONCE).collect();
            if keys.is_empty() {
                return Ok(());
            }
            let commit = keys.into_iter().fold(Commit::new(), Commit::delete);
            let outcome = self.store.commit(None, commit).await;
            // Nothing guards them, so they are deleted.
            let (CommitOutcome::Applied { .. } | CommitOutcome::NotApplied { .. }) =
                outcome.map_err(|source| self.failed(source))?;
        }
    }

    fn failed(&self, source: herdsman_dcs::Error) -> Error {
        Error::Store {
            hosts: self.hosts.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests;
