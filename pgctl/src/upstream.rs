//! The server that a standby follows, or that something is asked of.
//!
//! The credentials are not part of it: they are the replication role of the
//! [`Config`](crate::Config).

use std::collections::BTreeMap;
use std::fmt;

/// A server to replicate from. Without a host it stands for an archive alone: nothing is streamed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Host name, address or socket folder. Several, separated by commas, are
    /// tried in turn.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The replication slot to use there, if any.
    pub slot: Option<String>,
    /// Accept only a server that takes writes. Useful with several hosts.
    pub read_write_only: bool,
    /// Further recovery settings of a standby that follows it, over those of the
    /// [`Config`](crate::Config).
    pub settings: BTreeMap<String, String>,
}

impl Upstream {
    /// A server without a slot.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            slot: None,
            read_write_only: false,
            settings: BTreeMap::new(),
        }
    }

    /// The same server with a slot to use there.
    #[must_use]
    pub fn with_slot(mut self, slot: impl Into<String>) -> Self {
        self.slot = Some(slot.into());
        self
    }

    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.host
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty())
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
