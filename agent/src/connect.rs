//! The store that a configuration names.
//!
//! Nothing is connected here: the store may be down when a member starts.

use std::sync::Arc;

use herdsman_dcs::{Dcs, Error};

use crate::settings::Store;

/// Access to the store of these settings.
///
/// # Errors
/// [`Error::Invalid`] when an address is none or a file of certificates is of no use,
/// [`Error::Unsupported`] when this library was built
/// without the backend.
pub fn connect(store: &Store) -> Result<Arc<dyn Dcs>, Error> {
    match store {
        #[cfg(feature = "etcd")]
        Store::Etcd(etcd) => Ok(Arc::new(etcd_of(etcd)?)),
        #[cfg(feature = "zookeeper")]
        Store::ZooKeeper(zookeeper) => Ok(Arc::new(zookeeper_of(zookeeper)?)),
        #[cfg(not(all(feature = "etcd", feature = "zookeeper")))]
        #[allow(unreachable_patterns, reason = "one of the two may be there")]
        _ => Err(Error::Unsupported {
            what: "the configured store: it is not built in",
        }),
    }
}

/// What connections are encrypted with.
#[cfg(any(feature = "etcd", feature = "zookeeper"))]
#[must_use]
pub fn tls_of(files: &crate::settings::TlsFiles) -> herdsman_dcs::TlsOptions {
    let mut options = herdsman_dcs::TlsOptions::new();
    if let Some(ca) = &files.cacert {
        options = options.ca(ca);
    }
    if let Some(certificate) = &files.cert {
        options = options.identity(certificate, files.key.clone());
    }
    if let Some(password) = &files.key_password {
        options = options.key_password(password.expose());
    }
    options
}

#[cfg(feature = "etcd")]
fn etcd_of(etcd: &crate::settings::Etcd) -> Result<herdsman_dcs::etcd::EtcdDcs, Error> {
    use crate::settings::{EtcdDiscovery, EtcdProtocol};
    use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};

    let protocol = etcd.protocol.name();
    let endpoints = (etcd.hosts.iter()).map(|host| format!("{protocol}://{host}"));
    let mut options = match &etcd.srv {
        Some(srv) => EtcdOptions::discovered(&srv.domain, srv.suffix.as_deref(), endpoints)?,
        None => EtcdOptions::new(endpoints)?,
    };
    // DNS may tell servers that are spoken to in TLS.
    if etcd.protocol == EtcdProtocol::Https || etcd.srv.is_some() {
        let tls = tls_of(&etcd.tls);
        tls.check()?;
        options = options.tls(tls)?;
    }
    if let Some(user) = &etcd.username {
        let password = etcd.password.as_ref();
        options = options.user(user, password.map_or("", |password| password.expose()));
    }
    if etcd.discovery == EtcdDiscovery::ListedOnly {
        options = options.only_given_endpoints();
    }
    Ok(EtcdDcs::new(options))
}

#[cfg(feature = "zookeeper")]
fn zookeeper_of(
    zookeeper: &crate::settings::ZooKeeper,
) -> Result<herdsman_dcs::zookeeper::ZooKeeperDcs, Error> {
    use herdsman_dcs::zookeeper::{ZooKeeperDcs, ZooKeeperOptions};

    let hosts = zookeeper.hosts.iter().map(ToString::to_string);
    let mut options = ZooKeeperOptions::new(hosts)?;
    if let Some(tls) = &zookeeper.tls {
        let mut files = tls_of(&tls.files);
        if !tls.is_verified {
            files = files.without_verification();
        }
        files.check()?;
        options = options.tls(files);
    }
    for (scheme, credential) in &zookeeper.auth_data {
        options = options.auth(scheme, credential.expose());
    }
    if !zookeeper.set_acls.is_empty() {
        let entries = zookeeper.set_acls.iter().map(|entry| {
            let permissions = entry.permissions.iter().map(String::as_str).collect();
            (entry.principal.expose(), permissions)
        });
        options = options.acl(entries)?;
    }
    Ok(ZooKeeperDcs::new(options))
}
