//! Log that waits for its archive: a rewind would remove it.
//!
//! A server that was killed leaves segments that it had still to archive, and
//! as a standby it does not archive them. Failures are told and passed over: the
//! archive must not keep a member down.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::{Limit, Tool};
use crate::config::Parameters;
use crate::instance::Instance;

/// How long the command may take for one file.
const FILE_LIMIT: Duration = Duration::from_secs(60);
/// How long all of it may take.
const TOTAL_LIMIT: Duration = Duration::from_secs(600);

impl Instance {
    /// Hands every file that is ready to the configured `archive_command`.
    pub(super) async fn archive_what_is_ready(&self) {
        let settings = Parameters::of(&self.config()).settings;
        let is_on = settings
            .get("archive_mode")
            .is_some_and(|mode| !matches!(mode.as_str(), "off" | "false" | "no" | "0"));
        let command = settings.get("archive_command");
        let Some(command) = command.filter(|command| is_on && !command.trim().is_empty()) else {
            return;
        };
        let all = async {
            for ready in ready_files(self.data_dir()) {
                if !self.archive(command, &ready).await {
                    return;
                }
            }
        };
        if tokio::time::timeout(TOTAL_LIMIT, all).await.is_err() {
            tracing::warn!("not all log could be archived before the rewind in time");
        }
    }

    /// Tells whether it was archived.
    async fn archive(&self, command: &str, ready: &Path) -> bool {
        let Some(file) = ready.file_stem().and_then(|name| name.to_str()) else {
            return true;
        };
        let path = self.data_dir().join("pg_wal").join(file);
        let line = expand(command, &path.display().to_string(), file);
        let ran = Tool::new("archive_command", "/bin/sh".into())
            .arg("-c")
            .arg(line)
            .works_in(self.data_dir())
            .run(Limit::Total(FILE_LIMIT), |_| {})
            .await;
        let archived = ran.is_ok();
        match ran {
            Ok(_) => {
                tracing::info!(file, "archived before the rewind");
                let done = ready.with_extension("done");
                if let Err(error) = fs::rename(ready, &done) {
                    tracing::warn!(%error, file, "cannot note that it is archived");
                }
            }
            Err(error) => tracing::warn!(%error, file, "cannot be archived before the rewind"),
        }
        archived
    }
}

/// Oldest first; history files after the segments.
fn ready_files(data_dir: &Path) -> Vec<PathBuf> {
    let folder = data_dir.join("pg_wal/archive_status");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut ready: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "ready"))
        .collect();
    ready.sort_by_key(|path| (path.to_string_lossy().contains(".history"), path.clone()));
    ready
}

/// `%p` is the path, `%f` the name, `%%` a percent sign.
fn expand(command: &str, path: &str, file: &str) -> String {
    let mut text = String::new();
    let mut characters = command.chars();
    while let Some(next) = characters.next() {
        if next != '%' {
            text.push(next);
            continue;
        }
        match characters.next() {
            Some('p') => text.push_str(path),
            Some('f') => text.push_str(file),
            Some('%') => text.push('%'),
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_a_command_are_filled_in() {
        assert_eq!(
            expand(
                "test ! -f /a/%f && cp %p /a/%f 100%% %x %",
                "/d/pg_wal/1",
                "1"
            ),
            "test ! -f /a/1 && cp /d/pg_wal/1 /a/1 100% %x %"
        );
    }

    #[test]
    fn what_is_ready_comes_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let status = folder.path().join("pg_wal/archive_status");
        fs::create_dir_all(&status).unwrap();
        for name in ["2.ready", "1.ready", "0.done", "3.history.ready"] {
            fs::write(status.join(name), "").unwrap();
        }
        let names: Vec<_> = ready_files(folder.path())
            .iter()
            .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
            .collect();
        assert_eq!(names, ["1.ready", "2.ready", "3.history.ready"]);
    }
}
