//! How a cluster that does not exist yet is made.

use serde_json::{Map, Value as Json};

use crate::yaml::Value;

use super::options::Program;
use super::reader::{Findings, Section};
use super::{CommandOption, ProblemKind, WarningKind, keys};

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
        refuse_custom_method(findings, &section, method.as_deref());
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
        })
    }
}

/// A method that restores a backup must not become an empty new cluster.
fn refuse_custom_method(findings: &mut Findings, section: &Section<'_>, method: Option<&str>) {
    let Some(method) = method.filter(|method| *method != "initdb") else {
        return;
    };
    let (Some(field), Some(custom)) = (section.field("method"), section.field(method)) else {
        return;
    };
    if custom.node.get("command").is_some() {
        let sentence = "only initdb is served yet, and it would make an empty cluster instead; \
                        remove the method (an existing cluster does not need it)";
        findings.problem(&field, ProblemKind::NotServed(sentence.to_owned()));
    }
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
