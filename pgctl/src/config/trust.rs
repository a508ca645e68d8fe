//! Letting the agent in where it does not know the passwords yet.
//!
//! A cluster that is restored from a backup has the users of the backup. Until they have the
//! passwords of the configuration, a file of its own rules who may connect: the superuser and the
//! replication user, from this machine. Invariant: the user's own `pg_hba.conf` is not touched.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::files::write_atomically;
use super::pgpass;
use crate::connection::timed_out;
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::facts::{Process, ServerRole};
use crate::instance::Instance;
use crate::upstream::Upstream;

/// How often a recovery is looked at.
const LOOK: Duration = Duration::from_millis(500);

impl Instance {
    /// Lets the next start take connections of the configured users from this machine without a
    /// password, and no others.
    pub fn trust_local_users(&self) {
        self.set_trusts_local(true);
    }

    /// Forgets [`trust_local_users`](Self::trust_local_users) of an attempt that has failed.
    pub fn forget_trust(&self) {
        self.set_trusts_local(false);
    }

    /// Ends [`trust_local_users`](Self::trust_local_users) on the running server, which is told to
    /// be a primary from here on.
    ///
    /// # Errors
    /// As [`apply_config`](Self::apply_config).
    pub async fn trust_nobody(&self) -> Result<()> {
        self.set_trusts_local(false);
        self.set_recovery(crate::standby::Recovery::Primary);
        self.apply_config().await?;
        let path = self.trust_file();
        std::fs::remove_file(&path).map_err(Error::io("cannot remove", &path))
    }

    pub(super) fn trust_file(&self) -> PathBuf {
        let path = self.config_dir().join("pg_hba.bootstrap.conf");
        std::path::absolute(&path).unwrap_or(path)
    }

    pub(super) fn trust_lines(&self) -> Vec<String> {
        let config = self.config();
        let quoted = |credentials: &Credentials| match &credentials.username {
            Some(name) => format!("\"{}\"", name.replace('"', "\"\"")),
            None => "all".to_owned(),
        };
        let (superuser, replication) = (quoted(&config.superuser), quoted(&config.replication));
        let lines = [("local", ""), ("host", " samehost")].map(|(kind, place)| {
            format!(
                "{kind} replication {replication}{place} trust\n{kind} all {superuser}{place} trust"
            )
        });
        lines.into()
    }

    /// Waits until the server takes writes.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when it ends, [`Error::TimedOut`].
    pub async fn wait_for_writes(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let facts = self.facts().await;
            if facts.process == Process::Down {
                return Err(Error::NotRunning);
            }
            let role = facts.server.map(|server| server.role);
            if matches!(role, Some(ServerRole::Primary { .. })) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(timed_out(
                    "waiting for the end of recovery".to_owned(),
                    limit,
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A connection string to this server for a program of the user's, as superuser, without
    /// password, and a password file for it that the caller removes.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn superuser_connection(&self) -> Result<(String, Option<PathBuf>)> {
        let config = self.config();
        let address = config.listen.local_address();
        let server = Upstream::new(address.host.clone(), address.port);
        let mut words = vec![format!("dbname={}", word(&config.database))];
        if let Some(user) = &config.superuser.username {
            words.push(format!("user={}", word(user)));
        }
        words.push(format!("host={}", word(&address.host)));
        words.push(format!("port={}", address.port));
        let Some(content) = pgpass::render(&server, &config.superuser) else {
            return Ok((words.join(" "), None));
        };
        let mut path = self.options().pgpass.clone().into_os_string();
        path.push(".superuser");
        let path = PathBuf::from(path);
        write_atomically(&path, content.as_bytes(), 0o600)?;
        Ok((words.join(" "), Some(path)))
    }
}

/// A value of a connection string.
fn word(value: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('\'', "\\'");
    format!("'{escaped}'")
}
