//! The configuration of one member, as the YAML that a daemon would read from a file.
//!
//! Passwords stay in memory: this text is never written to a file.

use std::path::{Path, PathBuf};

use herdsman_agent::settings::{Error, Settings};

/// The cluster's name.
pub(crate) const SCOPE: &str = "demo";
/// The user of clients, who owns the cluster.
pub(crate) const SUPERUSER: &str = "postgres";
const REPLICATION: &str = "replicator";

/// How long a leader leads without a renewal, in seconds.
pub(crate) const TTL_SECONDS: u64 = 5;

/// What the members have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    /// Where PostgreSQL's programs are.
    pub(crate) bin_dir: PathBuf,
    pub(crate) superuser_password: String,
    pub(crate) replication_password: String,
    /// The section that names the store.
    pub(crate) store: String,
}

/// What tells a member from the others.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    /// Everything of this member lies below it.
    pub(crate) folder: PathBuf,
    /// The port of its PostgreSQL.
    pub(crate) port: u16,
    /// The port of its REST API.
    pub(crate) api_port: u16,
}

impl Place {
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn server_log(&self) -> PathBuf {
        self.folder.join("postgresql.log")
    }
}

/// The settings of a member.
pub(crate) fn settings(shared: &Shared, place: &Place) -> Result<Settings, Error> {
    Settings::from_text(&text(shared, place), &format!("{}.yml", place.name))
}

fn text(shared: &Shared, place: &Place) -> String {
    let Shared {
        bin_dir,
        superuser_password,
        replication_password,
        store,
    } = shared;
    let Place {
        name,
        port,
        api_port,
        ..
    } = place;
    let bin_dir = quoted(bin_dir);
    let data_dir = quoted(&place.data_dir());
    let pgpass = quoted(&place.folder.join("pgpass"));
    // A primary_start_timeout of 0 means that a crash is answered by a failover at once and not by
    // an attempt to start in place.
    format!(
        "
scope: {SCOPE}
name: {name}
restapi:
  listen: 127.0.0.1:{api_port}
  connect_address: 127.0.0.1:{api_port}
{store}
bootstrap:
  dcs:
    ttl: {TTL_SECONDS}
    loop_wait: 1
    retry_timeout: 2
    primary_start_timeout: 0
    postgresql:
      use_pg_rewind: true
      remove_data_directory_on_rewind_failure: true
      parameters:
        max_connections: 50
  initdb:
    - encoding: UTF8
    - locale: C
    - data-checksums
postgresql:
  listen: 127.0.0.1:{port}
  connect_address: 127.0.0.1:{port}
  data_dir: {data_dir}
  bin_dir: {bin_dir}
  pgpass: {pgpass}
  pg_hba:
    - host all all 127.0.0.1/32 scram-sha-256
    - host replication {REPLICATION} 127.0.0.1/32 scram-sha-256
  parameters:
    shared_buffers: 16MB
    password_encryption: scram-sha-256
    unix_socket_directories: ''
  authentication:
    superuser:
      username: {SUPERUSER}
      password: '{superuser_password}'
    replication:
      username: {REPLICATION}
      password: '{replication_password}'
"
    )
}

/// A path as a YAML text.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_understood_without_a_warning() {
        let shared = Shared {
            bin_dir: PathBuf::from("/opt/it's here/bin"),
            superuser_password: "0123456789abcdef".to_owned(),
            replication_password: "00000000000000e1".to_owned(),
            store: "etcd3:\n  hosts: 127.0.0.1:1".to_owned(),
        };
        let place = Place {
            name: "n1".to_owned(),
            folder: PathBuf::from("/tmp/x: y"),
            port: 20_001,
            api_port: 20_002,
        };
        let settings = settings(&shared, &place).unwrap();
        assert_eq!(settings.warnings, []);
        assert_eq!(
            settings.postgresql.data_dir,
            PathBuf::from("/tmp/x: y/data")
        );
        assert_eq!(
            settings.postgresql.shared.bin_dir.as_deref(),
            Some(&*shared.bin_dir)
        );
        let replication = settings
            .postgresql
            .authentication
            .replication
            .password
            .unwrap();
        assert_eq!(replication.expose(), shared.replication_password);
    }
}
