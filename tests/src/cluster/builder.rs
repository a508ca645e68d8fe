//! What a cluster is like before it is started.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::configuration::{self, Place};
use super::failure::Errors;
use super::member::{Member, Program};
use super::relay::Relay;
use super::security::Security;
use super::store::{StoreKind, StoreServers};
use super::{Cluster, ports, processes, programs};

/// The way of a member to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Direct,
    Relayed,
}

/// A cluster to be started: three members, one server of etcd and a lease of 5 s unless told
/// otherwise.
#[derive(Clone, Debug)]
pub struct Builder {
    members: usize,
    store: StoreKind,
    store_members: usize,
    tick: Duration,
    ttl_seconds: u64,
    dynamic: Value,
    local: Value,
    local_of: Vec<(String, Value)>,
    way: Way,
    errors: Errors,
    daemon: Option<Program>,
    daemon_of: Vec<(String, Program)>,
    is_secured: bool,
    security: Option<Arc<Security>>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            members: 3,
            store: StoreKind::Etcd,
            store_members: 1,
            tick: Duration::from_millis(500),
            ttl_seconds: 5,
            dynamic: json!({}),
            local: json!({}),
            local_of: Vec::new(),
            way: Way::Direct,
            errors: Errors::Fail,
            daemon: None,
            daemon_of: Vec::new(),
            is_secured: false,
            security: None,
        }
    }
}

impl Builder {
    /// How many members there are.
    #[must_use]
    pub fn members(mut self, count: usize) -> Self {
        self.members = count;
        self
    }

    /// How many servers the store has: one or three.
    #[must_use]
    pub fn store_members(mut self, count: usize) -> Self {
        self.store_members = count;
        self
    }

    /// Which store the cluster has.
    #[must_use]
    pub fn store(mut self, kind: StoreKind) -> Self {
        self.store = kind;
        self
    }

    /// ZooKeeper's unit of time, half a second by default: it grants sessions of two and more.
    #[must_use]
    pub fn tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    /// The store is spoken to in TLS and wants a certificate and a password.
    #[must_use]
    pub fn secured(mut self) -> Self {
        self.is_secured = true;
        self
    }

    /// How long the lease lives, in seconds.
    #[must_use]
    pub fn ttl(mut self, seconds: u64) -> Self {
        self.ttl_seconds = seconds;
        self
    }

    /// Merges into the configuration that the cluster is made with (`bootstrap.dcs`); a null
    /// removes.
    #[must_use]
    pub fn config(mut self, dynamic: &Value) -> Self {
        configuration::merge(&mut self.dynamic, dynamic);
        self
    }

    /// Merges into the configuration file of every member; a null removes.
    #[must_use]
    pub fn local(mut self, local: &Value) -> Self {
        configuration::merge(&mut self.local, local);
        self
    }

    /// Merges into the configuration file of one member; a null removes.
    #[must_use]
    pub fn local_of(mut self, member: &str, local: Value) -> Self {
        self.local_of.push((member.to_owned(), local));
        self
    }

    /// Puts a relay between each member and each server of the store, so that the way can be cut.
    #[must_use]
    pub fn relays(mut self) -> Self {
        self.way = Way::Relayed;
        self
    }

    /// Lets the test pass although a daemon logs an error.
    #[must_use]
    pub fn allow_errors(mut self) -> Self {
        self.errors = Errors::Allowed;
        self
    }

    /// Another daemon than that of this build; the name of the configuration file follows its
    /// arguments.
    #[must_use]
    pub fn daemon(mut self, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        self.daemon = Some(Program {
            path: program.into(),
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
        });
        self
    }

    /// Another daemon for one member.
    #[must_use]
    pub fn daemon_of(mut self, member: &str, program: impl Into<PathBuf>) -> Self {
        let program = Program {
            path: program.into(),
            arguments: Vec::new(),
        };
        self.daemon_of.push((member.to_owned(), program));
        self
    }

    /// Starts the store and every member, and waits until the cluster is in order.
    ///
    /// # Panics
    /// When it does not become so in time.
    #[must_use]
    pub fn start(self) -> Cluster {
        let cluster = self.prepare();
        cluster.members.iter().for_each(Member::start_daemon);
        cluster.wait_until_settled();
        cluster
    }

    /// Starts the store and writes the configurations, but starts no member.
    ///
    /// # Panics
    /// As root, and when the store does not start.
    #[must_use]
    pub fn prepare(mut self) -> Cluster {
        let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        assert!(
            !is_root,
            "PostgreSQL refuses to run as root: run the tests by `cargo xtask test`"
        );
        processes::bury_orphans();
        let store = if self.is_secured {
            let (store, security) = Security::start(self.store, self.store_members);
            self.security = Some(Arc::new(security));
            store
        } else {
            StoreServers::start(self.store, self.store_members, self.tick)
        };
        let folder = tempfile::Builder::new().prefix("herdsman-e2e-").tempdir();
        let folder = folder.expect("a folder for temporary files can be made");
        let members = (1..=self.members)
            .map(|number| self.member(number, folder.path(), &store))
            .collect();
        Cluster {
            members,
            builder: self,
            store: Mutex::new(store),
            folder,
        }
    }

    /// Makes a member with its folder and configuration.
    pub(crate) fn member(&self, number: usize, folder: &Path, store: &StoreServers) -> Member {
        let name = format!("n{number}");
        let place = Place {
            folder: folder.join(&name),
            name,
            port: ports::free(),
            api_port: ports::free(),
        };
        let made = DirBuilder::new().mode(0o700).create(&place.folder);
        made.expect("the folder of temporary files is writable");
        let servers = store.addresses();
        let relays: Vec<Relay> = match self.way {
            Way::Direct => Vec::new(),
            Way::Relayed => servers.iter().copied().map(Relay::open).collect(),
        };
        let ways: Vec<SocketAddr> = match self.way {
            Way::Direct => servers,
            Way::Relayed => relays.iter().map(Relay::address).collect(),
        };
        let mut section = store.section(&ways);
        if let Some(security) = &self.security {
            configuration::merge(&mut section.1, &security.settings());
        }
        let text = self.configuration(&place, section).to_string();
        fs::write(place.configuration(), text).expect("the member's folder is writable");
        let of_its_own = self.daemon_of.iter().find(|(name, _)| *name == place.name);
        let daemon = of_its_own
            .map(|(_, program)| program)
            .or(self.daemon.as_ref());
        let daemon = daemon.cloned().unwrap_or_else(|| Program {
            path: programs::daemon(),
            arguments: Vec::new(),
        });
        Member::new(place, daemon, relays)
    }

    fn configuration(&self, place: &Place, store: (&str, Value)) -> Value {
        let mut dynamic = configuration::dynamic(self.ttl_seconds);
        configuration::merge(&mut dynamic, &self.dynamic);
        let bin_dir = programs::postgres_folder().display().to_string();
        let mut whole = configuration::of(place, store, &dynamic, &bin_dir);
        configuration::merge(&mut whole, &self.local);
        for (name, local) in &self.local_of {
            if *name == place.name {
                configuration::merge(&mut whole, local);
            }
        }
        whole
    }

    pub(crate) fn errors(&self) -> Errors {
        self.errors
    }
}
