//! What is asked of the store that the configuration names before a member starts.

use std::sync::Arc;
use std::time::Duration;

use herdsman_agent::settings::{EtcdSection, Settings, Store};
use herdsman_agent::{cluster_prefix, tls_of};
use herdsman_dcs::etcd::{V2Keys, v2_keys};
use herdsman_dcs::{Dcs, Error};

type AnyError = Box<dyn std::error::Error>;

/// Access to the store. A file of certificates that is of no use is named with its section.
pub(crate) fn connect(settings: &Settings) -> Result<Arc<dyn Dcs>, AnyError> {
    let error = match herdsman_agent::connect(&settings.store) {
        Err(Error::Invalid(cause)) => cause,
        connected => return Ok(connected?),
    };
    let section = match &settings.store {
        Store::Etcd(etcd) if etcd.section == EtcdSection::Etcd => "etcd",
        Store::Etcd(_) => "etcd3",
        Store::ZooKeeper(_) => "zookeeper",
    };
    Err(format!("{section}.{error}").into())
}

/// A section `etcd` means the second version of etcd's interface to other programs. Keys there
/// would be another store: two leaders, one cluster.
pub(crate) async fn refuse_old_interface(settings: &Settings) -> Result<(), AnyError> {
    let Some(etcd) = (settings.store.etcd()).filter(|etcd| etcd.section == EtcdSection::Etcd)
    else {
        return Ok(());
    };
    let prefix = cluster_prefix(settings)?;
    let (protocol, tls) = (etcd.protocol.name(), tls_of(&etcd.tls));
    for endpoint in (etcd.hosts.iter()).map(|host| format!("{protocol}://{host}")) {
        let found = v2_keys(&endpoint, &tls, &prefix, Duration::from_secs(2)).await;
        // A server that does not answer is asked for nothing: it is no store now.
        if let Ok(V2Keys::Present) = found {
            return Err(format!(
                "etcd: {endpoint} holds this cluster's keys in its version 2 interface: \
                 migrate the members to the section etcd3 first"
            )
            .into());
        }
    }
    Ok(())
}
