//! What is asked of the store that the configuration names before a member starts.

use std::time::Duration;

use herdsman_agent::cluster_prefix;
use herdsman_agent::settings::{EtcdSection, Settings};
use herdsman_dcs::etcd::{V2Keys, v2_keys};

type AnyError = Box<dyn std::error::Error>;

/// A section `etcd` means the second version of etcd's interface to other programs. Keys there
/// would be another store: two leaders, one cluster.
pub(crate) async fn refuse_old_interface(settings: &Settings) -> Result<(), AnyError> {
    let Some(etcd) = (settings.store.etcd()).filter(|etcd| etcd.section == EtcdSection::Etcd)
    else {
        return Ok(());
    };
    let prefix = cluster_prefix(settings)?;
    for endpoint in etcd.hosts.iter().map(|host| format!("http://{host}")) {
        // A server that does not answer is asked for nothing: it is no store now.
        if let Ok(V2Keys::Present) = v2_keys(&endpoint, &prefix, Duration::from_secs(2)).await {
            return Err(format!(
                "etcd: {endpoint} holds this cluster's keys in its version 2 interface: \
                 migrate the members to the section etcd3 first"
            )
            .into());
        }
    }
    Ok(())
}
