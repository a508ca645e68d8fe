//! Users and passwords: those of PostgreSQL and those of the REST interface.
//! A password leaves this module only as a [`Secret`].

use crate::yaml::Value;

use super::reader::{Field, Findings, Section};
use super::{Secret, WarningKind, keys};

/// A user name and a password for HTTP basic authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// How one of our PostgreSQL users connects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user; libpq's default (the operating system's user) when absent.
    pub username: Option<String>,
    /// The password; none for `peer`, `trust` or certificates.
    pub password: Option<Secret>,
    /// The passphrase of `sslkey`.
    pub ssl_password: Option<Secret>,
    /// Other libpq keywords (`sslmode`, `sslrootcert`, `gssencmode`...) in the
    /// order written.
    pub options: Vec<(String, String)>,
}

/// The three users that the agent needs in PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    /// Owns the cluster.
    pub superuser: Credentials,
    /// Streams WAL.
    pub replication: Credentials,
    /// Runs `pg_rewind`; the superuser does when absent.
    pub rewind: Option<Credentials>,
}

/// The libpq keywords that a user of ours may have beside name and passwords.
const OPTIONS: [&str; 9] = [
    "sslmode",
    "sslcert",
    "sslkey",
    "sslrootcert",
    "sslcrl",
    "sslcrldir",
    "gssencmode",
    "channel_binding",
    "sslnegotiation",
];

impl BasicAuth {
    /// Reads `authentication` of `restapi` or `ctl`.
    pub(super) fn read(findings: &mut Findings, section: &Section<'_>) -> Option<Self> {
        let section = findings.section(section, "authentication");
        section.node()?;
        keys::check_all(findings, &section, keys::BASIC_AUTH);
        let username = findings.required_text(&section, "username", "write the user name");
        let password = findings.optional_secret(&section, "password");
        if password.is_none() && section.field("password").is_none() {
            findings.missing(&section, "password", "write the password");
        }
        Some(Self {
            username: username?,
            password: password?,
        })
    }
}

impl Authentication {
    /// Reads `postgresql.authentication`, or the users directly below
    /// `postgresql` as old files have them.
    pub(super) fn read(findings: &mut Findings, postgresql: &Section<'_>) -> Self {
        let current = postgresql.field("authentication");
        let users = match &current {
            Some(_) => findings.section(postgresql, "authentication"),
            None => postgresql.clone(),
        };
        // Files from before there was a superuser section have `pg_rewind`.
        let superuser = users
            .field("superuser")
            .or_else(|| postgresql.field("pg_rewind"));
        let replication = users.field("replication");
        let rewind = current.as_ref().and_then(|_| users.field("rewind"));
        if current.is_some() {
            name_unknown_users(findings, &users);
            name_old_users(findings, postgresql, superuser.as_ref());
        }
        require_replication_user(findings, postgresql, replication.as_ref());
        let mut read = |user: &Field<'_>| Credentials::read(findings, user);
        Self {
            superuser: superuser.as_ref().map(&mut read).unwrap_or_default(),
            replication: replication.as_ref().map(&mut read).unwrap_or_default(),
            rewind: rewind.as_ref().map(&mut read),
        }
    }
}

fn require_replication_user(
    findings: &mut Findings,
    postgresql: &Section<'_>,
    user: Option<&Field<'_>>,
) {
    const ADVICE: &str = "write the user that streams WAL";
    match user {
        Some(user) if matches!(user.node.value, Value::Map(_)) => {
            findings.required_text(&user.section(), "username", ADVICE);
        }
        // The wrong type is told by whoever reads it.
        Some(_) => {}
        None => findings.missing(postgresql, "authentication.replication.username", ADVICE),
    }
}

fn name_old_users(findings: &mut Findings, postgresql: &Section<'_>, used: Option<&Field<'_>>) {
    for name in ["superuser", "replication", "pg_rewind"] {
        let Some(old) = postgresql.field(name) else {
            continue;
        };
        if used.is_none_or(|used| used.path != old.path) {
            let sentence = "has no effect beside postgresql.authentication";
            findings.warn(&old, WarningKind::Note(sentence.to_owned()));
        }
    }
}

fn name_unknown_users(findings: &mut Findings, users: &Section<'_>) {
    for (name, field) in users.fields() {
        if !matches!(name, "superuser" | "replication" | "rewind") {
            findings.warn(&field, WarningKind::Unknown { similar: None });
        }
    }
}

impl Credentials {
    fn read(findings: &mut Findings, user: &Field<'_>) -> Self {
        if !matches!(user.node.value, Value::Map(_)) {
            findings.wrong_type(user, "a map");
            return Self::default();
        }
        let section = user.section();
        let mut credentials = Self {
            username: findings.optional_text(&section, "username"),
            password: findings.optional_secret(&section, "password"),
            ssl_password: findings.optional_secret(&section, "sslpassword"),
            options: Vec::new(),
        };
        for (key, field) in section.fields() {
            if matches!(key, "username" | "password" | "sslpassword") {
                continue;
            }
            if !OPTIONS.contains(&key) {
                findings.warn(&field, WarningKind::Unknown { similar: None });
            } else if field.node.value != Value::Null {
                let value = findings.text(&field);
                credentials
                    .options
                    .extend(value.map(|value| (key.to_owned(), value)));
            }
        }
        credentials
    }
}
