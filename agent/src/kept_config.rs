//! The cluster's configuration as the store said it last, kept beside the data: in Patroni's file, so
//! that either program finds what the other one wrote.
//!
//! It is in force for a member that is started while the store is away, and what a leader writes to a
//! store that has lost it.

use std::fs;
use std::io;
use std::path::Path;

use herdsman_pgctl as pgctl;
use serde_json::Value;

const NAME: &str = "patroni.dynamic.json";

/// What is kept beside data that is there; none: nothing is, or it is no configuration.
pub(crate) fn read(data_dir: &Path) -> Option<Value> {
    if !has_data(data_dir) {
        return None;
    }
    let path = data_dir.join(NAME);
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "the kept configuration is not read");
            return None;
        }
    };
    match serde_json::from_slice(&content) {
        Ok(value @ Value::Object(_)) => Some(value),
        Ok(_) | Err(_) => {
            tracing::warn!(path = %path.display(), "this is no configuration, and is not used");
            None
        }
    }
}

/// Forgets what came with data of another cluster.
pub(crate) async fn forget(data_dir: &Path) {
    let path = data_dir.join(NAME);
    match tokio::fs::remove_file(&path).await {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "it is another cluster's, and stays");
        }
    }
}

/// Keeps a configuration beside data that is there.
pub(crate) async fn write(data_dir: &Path, config: &Value) {
    let (data_dir, config) = (data_dir.to_owned(), config.to_string());
    let written = tokio::task::spawn_blocking(move || replace(&data_dir, config.as_bytes())).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(%error, "the configuration of the cluster is not kept");
    }
}

/// What is left of a cluster says nothing about the next one.
fn has_data(data_dir: &Path) -> bool {
    data_dir.join("PG_VERSION").exists()
}

fn replace(data_dir: &Path, content: &[u8]) -> pgctl::Result<()> {
    if has_data(data_dir) {
        pgctl::write_atomically(&data_dir.join(NAME), content, 0o600)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn configuration_is_kept_beside_data_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({"ttl": 20, "postgresql": {"parameters": {"work_mem": "8MB"}}});
        write(folder.path(), &config).await;
        assert_eq!(read(folder.path()), None);
        fs::write(folder.path().join("PG_VERSION"), "15\n").unwrap();
        write(folder.path(), &config).await;
        assert_eq!(read(folder.path()), Some(config));
        fs::write(folder.path().join(NAME), "[1]").unwrap();
        assert_eq!(read(folder.path()), None);
    }
}
