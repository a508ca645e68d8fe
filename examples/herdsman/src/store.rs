//! The store that the configuration names.

use std::sync::Arc;
use std::time::Duration;

use herdsman_agent::cluster_prefix;
use herdsman_agent::settings::{EtcdDiscovery, EtcdSection, Settings};
use herdsman_dcs::Dcs;
use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions, V2Keys, v2_keys};

type AnyError = Box<dyn std::error::Error>;

/// etcd, not connected yet: it may be down when a member starts.
pub(crate) fn connect(settings: &Settings) -> Result<Arc<dyn Dcs>, AnyError> {
    let mut options = EtcdOptions::new(endpoints(settings))?;
    if let (Some(user), Some(password)) = (&settings.etcd.username, &settings.etcd.password) {
        options = options.user(user, password.expose());
    }
    if settings.etcd.discovery == EtcdDiscovery::ListedOnly {
        options = options.only_given_endpoints();
    }
    Ok(Arc::new(EtcdDcs::new(options)))
}

fn endpoints(settings: &Settings) -> Vec<String> {
    settings
        .etcd
        .hosts
        .iter()
        .map(|host| format!("http://{host}"))
        .collect()
}

/// A section `etcd` means the second version of etcd's interface to other programs. Keys there
/// would be another store: two leaders, one cluster.
pub(crate) async fn refuse_old_interface(settings: &Settings) -> Result<(), AnyError> {
    if settings.etcd.section != EtcdSection::Etcd {
        return Ok(());
    }
    let prefix = cluster_prefix(settings)?;
    for endpoint in endpoints(settings) {
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
