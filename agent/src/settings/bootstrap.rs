//! How a cluster that does not exist yet is made.

use serde_json::{Map, Value as Json};

use crate::yaml::Value;

use super::options::Program;
use super::reader::{Findings, Section};
use super::{BootstrapMethod, CommandOption, ProblemKind, WarningKind, keys};

/// The section `bootstrap`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// The first dynamic configuration, as written (an object, perhaps empty).
    /// Its numbers and old spellings are judged by the core.
    pub dcs: Json,
    /// Options of `initdb`, without those that the agent sets itself.
    pub initdb: Vec<CommandOption>,
    /// Lines to append to the `pg_hba.conf` that `initdb` made; without effect
    /// when `postgresql.pg_hba` exists.
    pub pg_hba: Vec<String>,
    /// The command to run once in a new cluster.
    pub post_bootstrap: Option<String>,
    /// The command that makes a new cluster in place of `initdb`.
    pub method: Option<BootstrapMethod>,
}

impl Bootstrap {
    pub(super) fn read(findings: &mut Findings, root: &Section<'_>) -> Option<Self> {
        let section = findings.section(root, "bootstrap");
        section.node()?;
        let method = findings.optional_text(&section, "method");
        keys::check(findings, &section, &[keys::BOOTSTRAP], |key, value| {
            // The section of a method that is not chosen asks for nothing.
            Some(key) == method.as_deref() || value.get("command").is_some()
        });
        let method = custom_method(findings, &section, method.as_deref());
        if let Some(users) = section.field("users") {
            let sentence = "has no effect, as in Patroni since version 4; \
                            create users in the new cluster yourself";
            findings.warn(&users, WarningKind::Note(sentence.to_owned()));
        }
        let initdb = section.field("initdb");
        Some(Self {
            dcs: dynamic(findings, &section),
            initdb: initdb
                .map(|field| Program::Initdb.read(findings, &field))
                .unwrap_or_default(),
            pg_hba: findings
                .optional_lines(&section, "pg_hba")
                .unwrap_or_default(),
            post_bootstrap: findings
                .optional_text(&section, "post_bootstrap")
                .or_else(|| findings.optional_text(&section, "post_init")),
            method,
        })
    }
}

/// A method without a command is `initdb`, as in Patroni.
fn custom_method(
    findings: &mut Findings,
    section: &Section<'_>,
    method: Option<&str>,
) -> Option<BootstrapMethod> {
    let name = method.filter(|method| *method != "initdb")?;
    let own = section
        .field(name)
        .filter(|field| field.node.get("command").is_some());
    let Some(own) = own else {
        if let Some(field) = section.field("method") {
            let sentence = format!("bootstrap.{name} has no command: initdb is used");
            findings.warn(&field, WarningKind::Adjusted(sentence));
        }
        return None;
    };
    BootstrapMethod::read(findings, &own.section(), name)
}

fn dynamic(findings: &mut Findings, section: &Section<'_>) -> Json {
    let empty = Json::Object(Map::new());
    let Some(field) = section.field("dcs") else {
        return empty;
    };
    if !matches!(field.node.value, Value::Map(_)) {
        findings.wrong_type(&field, "a map");
        return empty;
    }
    field.node.to_json().unwrap_or_else(|place| {
        let sentence = "there is a number that JSON cannot hold, write a finite one";
        findings.problem_at(
            &place,
            &field.path,
            ProblemKind::Invalid(sentence.to_owned()),
        );
        empty
    })
}
