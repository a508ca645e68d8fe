//! The roles that replication and rewinding need.
//!
//! Invariant: a password leaves this process only as a verifier from which it
//! cannot be got back, in statements that the server does not log.

use std::time::Duration;

use postgres_protocol::password::scram_sha_256;

use crate::connection::Session;
use crate::credentials::Credentials;
use crate::error::Result;
use crate::instance::Instance;
use crate::sql_text::{identifier, literal};

/// For this session: nothing is logged, by whatever means, and nothing waits
/// for standbys that are not there yet.
const SILENCE: &str = "\
    SET synchronous_commit = 'local'; \
    SET log_statement = 'none'; \
    SET log_min_duration_statement = -1; \
    SET log_min_duration_sample = -1; \
    SET log_transaction_sample_rate = 0; \
    SET log_duration = off; \
    SET log_min_error_statement = 'panic'; \
    SET log_parser_stats = off; SET log_planner_stats = off; \
    SET log_executor_stats = off; SET log_statement_stats = off; \
    SET debug_print_parse = off; SET debug_print_rewritten = off; SET debug_print_plan = off; \
    SET pg_stat_statements.track_utility = 'off'; \
    SET pgaudit.log = 'none'";

/// What `pg_rewind` calls on its source.
const REWIND_FUNCTIONS: [&str; 4] = [
    "pg_ls_dir(text, boolean, boolean)",
    "pg_stat_file(text, boolean)",
    "pg_read_binary_file(text)",
    "pg_read_binary_file(text, bigint, bigint, boolean)",
];

impl Instance {
    /// Creates or alters the superuser, the replication role and the rewind
    /// role of the configuration on the running primary.
    ///
    /// Passwords leave this process only as SCRAM verifiers, in statements
    /// that the server does not log. Does not wait for synchronous standbys.
    ///
    /// # Errors
    /// Any refusal of the server, [`Error::TimedOut`](crate::Error::TimedOut).
    pub async fn bootstrap_users(&self, limit: Duration) -> Result<()> {
        let config = self.config();
        let session = Session::local(self, limit).await?;
        session.run("silencing the log", SILENCE, limit).await?;
        let rewind = config.rewind.as_ref().filter(|rewind| {
            rewind.username.is_some() && rewind.username != config.superuser.username
        });
        let roles = [
            (Some(&config.superuser), "SUPERUSER"),
            (Some(&config.replication), "REPLICATION"),
            (rewind, ""),
        ];
        let mut done: Vec<&str> = Vec::new();
        for (credentials, right) in roles {
            let Some(credentials) = credentials else {
                continue;
            };
            let Some(name) = &credentials.username else {
                continue;
            };
            let what = format!("role {name}");
            let exists = format!("SELECT 1 FROM pg_roles WHERE rolname = {}", literal(name));
            let found = session.run(&what, &exists, limit).await?;
            let exists = found.iter().any(|rows| !rows.is_empty());
            // One role may serve for several purposes: it keeps the first rights.
            let right = if done.contains(&name.as_str()) {
                ""
            } else {
                right
            };
            session
                .run(
                    &what,
                    &role_statement(credentials, name, right, exists),
                    limit,
                )
                .await?;
            done.push(name);
        }
        if let Some(name) = rewind.and_then(|rewind| rewind.username.as_deref()) {
            session
                .run("rights of the rewind role", &rewind_grants(name), limit)
                .await?;
        }
        Ok(())
    }
}

fn role_statement(credentials: &Credentials, name: &str, right: &str, exists: bool) -> String {
    let verb = if exists { "ALTER" } else { "CREATE" };
    let password = credentials.password.as_ref().map(|password| {
        let verifier = match password.expose() {
            // Somebody has made a verifier already; the server takes it as it is.
            text if text.starts_with("SCRAM-SHA-256$") => text.to_owned(),
            text => scram_sha_256(text.as_bytes()),
        };
        format!(" PASSWORD {}", literal(&verifier))
    });
    let password = password.unwrap_or_default();
    format!(
        "{verb} ROLE {} WITH LOGIN {right}{password}",
        identifier(name)
    )
}

fn rewind_grants(name: &str) -> String {
    let grant = |function: &str| {
        format!(
            "GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {}",
            identifier(name)
        )
    };
    REWIND_FUNCTIONS
        .into_iter()
        .map(grant)
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Secret;

    #[test]
    fn statements_hold_a_verifier_and_never_the_password() {
        let credentials = Credentials::new("re\"p", Some(Secret::new("hunter2")));
        let statement = role_statement(&credentials, "re\"p", "REPLICATION", false);
        let start = "CREATE ROLE \"re\"\"p\" WITH LOGIN REPLICATION PASSWORD 'SCRAM-SHA-256$4096:";
        assert!(statement.starts_with(start), "{statement}");
        assert!(!statement.contains("hunter2"));
    }

    #[test]
    fn a_role_without_password_is_only_given_its_rights() {
        let statement = role_statement(&Credentials::new("r", None), "r", "SUPERUSER", true);
        assert_eq!(statement, "ALTER ROLE \"r\" WITH LOGIN SUPERUSER");
    }
}
