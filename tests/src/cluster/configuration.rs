//! The configuration file of a member. JSON is YAML, so it is written as JSON.

use std::path::PathBuf;

use serde_json::{Value, json};

/// The cluster's name.
pub(crate) const SCOPE: &str = "e2e";
/// Who clients and tests are.
pub(crate) const SUPERUSER: &str = "postgres";
/// A password that any quoting mistake would break.
pub(crate) const SUPERUSER_PASSWORD: &str = r"su:per\'s ecret";
pub(crate) const REPLICATION: &str = "replicator";
pub(crate) const REPLICATION_PASSWORD: &str = r"re:pl\'s ecret";

/// What tells a member from the others.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    /// Everything of this member lies below it.
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) api_port: u16,
}

impl Place {
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.join("member.yml")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }
}

/// The whole configuration of a member; `dynamic` is what a new cluster is made with.
pub(crate) fn of(place: &Place, store: (&str, Value), dynamic: &Value, bin_dir: &str) -> Value {
    let Place { name, folder, .. } = place;
    let api = format!("127.0.0.1:{}", place.api_port);
    let address = format!("127.0.0.1:{}", place.port);
    json!({
        "scope": SCOPE,
        "name": name,
        "restapi": {"listen": api, "connect_address": api},
        (store.0): store.1,
        "bootstrap": {
            "dcs": dynamic,
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
        },
        "postgresql": {
            "listen": address,
            "connect_address": address,
            "data_dir": place.data_dir(),
            "bin_dir": bin_dir,
            "pgpass": folder.join("pgpass"),
            "authentication": {
                "superuser": {"username": SUPERUSER, "password": SUPERUSER_PASSWORD},
                "replication": {"username": REPLICATION, "password": REPLICATION_PASSWORD},
            },
            "pg_hba": [
                format!("host replication {REPLICATION} 127.0.0.1/32 scram-sha-256"),
                "host all all 127.0.0.1/32 scram-sha-256".to_owned(),
            ],
            "parameters": {
                "shared_buffers": "16MB",
                "password_encryption": "scram-sha-256",
                "unix_socket_directories": "",
                // What is killed are processes, never the machine.
                "fsync": "off",
            },
        },
    })
}

/// What a new cluster is made with, before a test adds its own.
pub(crate) fn dynamic(ttl_seconds: u64) -> Value {
    json!({
        "ttl": ttl_seconds,
        "loop_wait": 1,
        "retry_timeout": 2,
        "postgresql": {
            "parameters": {"max_connections": 30},
            "remove_data_directory_on_diverged_timelines": true,
        },
    })
}

/// Puts `over` into `base`: objects are merged, a null removes, everything else replaces.
pub(crate) fn merge(base: &mut Value, over: &Value) {
    let (Value::Object(fields), Value::Object(over)) = (&mut *base, over) else {
        *base = over.clone();
        return;
    };
    for (key, value) in over {
        if value.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_merged_nulls_remove_and_values_replace() {
        let mut base = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(
            &mut base,
            &json!({"a": {"b": null, "e": {"f": 3}}, "d": [2]}),
        );
        assert_eq!(base, json!({"a": {"c": 2, "e": {"f": 3}}, "d": [2]}));
    }
}
