//! Who is primary, and when does it change? A client for poolers and drivers: it follows the
//! store, not the members, so that a change arrives in milliseconds and nothing is polled.
//!
//! `herdsman-topology SCOPE ENDPOINT...` prints a line for each change, with etcd's endpoints such
//! as `http://10.0.0.11:2379`. It reads with `herdsman-dcs` and understands with the schema of
//! `herdsman-ha-core`; members of both programs that use this layout of keys are understood.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::{Dcs, Error, Mirror, Prefix, SessionId, Snapshot};
use herdsman_ha_core::schema::{RawEntry, read_cluster};
use herdsman_ha_core::{ClusterView, MemberView, Revision};

type AnyError = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the changes are what was asked for")]
async fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scope, endpoints @ ..] = arguments.as_slice() else {
        return Err("usage: herdsman-topology SCOPE ENDPOINT...".into());
    };
    let store = EtcdDcs::new(EtcdOptions::new(endpoints)?);
    let prefix = Prefix::new(format!("/service/{scope}"))?;
    let mut changes = Changes::new(Arc::new(store), prefix);
    loop {
        match changes.next().await {
            Ok(topology) => println!("{topology}"),
            // What was told last may be over; a pooler keeps it, because clients notice themselves.
            Err(error) => println!("unknown: {error}"),
        }
    }
}

/// Where clients go: `host` and `port` of each server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Topology {
    primary: Option<(String, u16)>,
    standbys: BTreeMap<String, (String, u16)>,
}

impl Topology {
    fn of(view: &ClusterView) -> Self {
        let serves = |member: &&Arc<MemberView>| member.state == "running" && !member.is_primary();
        let standbys = view.members.iter().filter_map(|(name, member)| {
            let endpoint = Some(member).filter(serves)?.endpoint.clone()?;
            Some((name.to_string(), endpoint))
        });
        Self {
            primary: view
                .primary()
                .and_then(|(_, member)| member.endpoint.clone()),
            standbys: standbys.collect(),
        }
    }
}

/// The stream of topologies.
struct Changes {
    mirror: Mirror,
    prefix: Prefix,
    told: Option<Topology>,
}

impl Changes {
    fn new(store: Arc<dyn Dcs>, prefix: Prefix) -> Self {
        Self {
            mirror: Mirror::new(store, prefix.clone()),
            prefix,
            told: None,
        }
    }

    /// Waits until the topology differs from what was told last.
    async fn next(&mut self) -> Result<Topology, Error> {
        loop {
            let snapshot = self.mirror.next().await.inspect_err(|_| self.told = None)?;
            let topology = Topology::of(&view(&self.prefix, snapshot));
            if self.told.as_ref() != Some(&topology) {
                self.told = Some(topology.clone());
                return Ok(topology);
            }
        }
    }
}

/// What the keys mean.
fn view(prefix: &Prefix, snapshot: &Snapshot) -> ClusterView {
    let entries = snapshot.entries.iter().filter_map(|(key, entry)| {
        Some(RawEntry {
            key: key.below(prefix)?,
            value: &entry.value,
            created: Revision(entry.created.number()),
            modified: Revision(entry.modified.number()),
            session: entry.session.as_ref().map(SessionId::as_str),
        })
    });
    read_cluster(Revision(snapshot.revision.number()), entries)
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.primary {
            Some((host, port)) => write!(f, "primary {host}:{port}")?,
            None => write!(f, "no primary")?,
        }
        for (name, (host, port)) in &self.standbys {
            write!(f, ", {name} {host}:{port}")?;
        }
        Ok(())
    }
}
