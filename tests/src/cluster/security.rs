//! A store that is spoken to in TLS and lets nobody in who does not prove who it is.
//!
//! Invariant: certificates are made for each store and go with it.

use herdsman_dcs::test_servers::{Authority, Certificate, EtcdServers, KeyForm, ZooKeeperServers};
use serde_json::{Value, json};

use super::configuration;
use super::store::{StoreKind, StoreServers};

/// Who the members are for etcd.
const USER: &str = "herd";
/// A password that quoting mistakes would break, and that nobody else has.
const PASSWORD: &str = "st:o're@ pass";
/// What opens the key of the members for ZooKeeper.
const KEY_PASSWORD: &str = "k:ey's@ pass";
/// Who the members are for ZooKeeper, and the hash that it makes of it.
const ZOOKEEPER_IDENTITY: &str = "herd:secret";
const ZOOKEEPER_PRINCIPAL: &str = "digest:herd:rZbXxNIFyZOTjGs/G3RUClJyjYE=";

/// What members have to show to a store.
#[derive(Debug)]
pub struct Security {
    authority: Authority,
    member: Certificate,
    kind: StoreKind,
}

impl Security {
    /// Starts a store that wants certificates and a password.
    pub(crate) fn start(kind: StoreKind, count: usize) -> (StoreServers, Self) {
        let authority = Authority::new();
        let (server, member) = (authority.issue(), authority.issue());
        let servers = match kind {
            StoreKind::Etcd => {
                let servers = EtcdServers::encrypted(count, &server, Some(&authority), &[]);
                servers.demand_password(Some((&authority, &member)), USER, PASSWORD);
                StoreServers::Etcd(servers)
            }
            StoreKind::ZooKeeper => {
                let servers = ZooKeeperServers::encrypted(count, &server, Some(&authority));
                StoreServers::ZooKeeper(servers)
            }
        };
        let security = Self {
            authority,
            member,
            kind,
        };
        (servers, security)
    }

    /// What a configuration needs beside the addresses.
    #[must_use]
    pub fn settings(&self) -> Value {
        let mut all = json!({
            "cacert": self.authority.certificate(),
            "cert": self.member.certificate,
            "key": self.member.key,
        });
        let own = match self.kind {
            StoreKind::Etcd => json!({
                "protocol": "https",
                "username": USER,
                "password": PASSWORD,
            }),
            StoreKind::ZooKeeper => json!({
                "key": self.authority.protected_key(&self.member, KEY_PASSWORD, KeyForm::Usual),
                "key_password": KEY_PASSWORD,
                "use_ssl": true,
                "auth_data": {"digest": ZOOKEEPER_IDENTITY},
                "set_acls": {ZOOKEEPER_PRINCIPAL: ["ALL"]},
            }),
        };
        configuration::merge(&mut all, &own);
        all
    }
}
