//! PostgreSQL parameters in force. Managed ones come from the dynamic
//! configuration alone, because standbys must agree with their primary.

use std::collections::BTreeMap;

use std::sync::Arc;

use serde_json::Value as Json;

use crate::yaml::{Node, Place, Value};

use super::managed::{self, MANAGED};
use super::reader::{Field, Findings, Section};
use super::{Problem, Settings, Warning, WarningKind};

/// One parameter as one source writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name in lower case.
    pub name: String,
    /// The text for `postgresql.conf`, unquoted; `None` for a YAML null,
    /// which takes the parameter out.
    pub value: Option<String>,
}

/// The parameters for `postgresql.conf` and the command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EffectiveParameters {
    /// Name in lower case to unquoted text.
    pub values: BTreeMap<String, String>,
    /// What was asked for and is not in force.
    pub warnings: Vec<Warning>,
}

/// Computes the parameters of a server of the major version `version_major`
/// (`15`) from the member's file and the cluster's dynamic configuration (the
/// whole `/config` object).
#[must_use]
pub fn effective_parameters(
    settings: &Settings,
    dynamic: &Json,
    version_major: u32,
) -> EffectiveParameters {
    let mut findings = Findings::default();
    let mut values = BTreeMap::new();
    for managed in &MANAGED {
        values.extend(
            managed
                .default
                .map(|text| (managed.name.to_owned(), text.to_owned())),
        );
    }
    let node = dynamic_postgresql(dynamic);
    let section = Section::at(&node, "postgresql".to_owned());
    for parameter in Parameter::read_map(&mut findings, &section, "parameters").unwrap_or_default()
    {
        lay_dynamic(&mut values, &mut findings, &section, parameter);
    }
    for parameter in &settings.postgresql.parameters {
        if managed::find(&parameter.name).is_none() {
            parameter.clone().lay(&mut values);
        }
    }
    keep_wal(&mut values, version_major);
    let listen = &settings.postgresql.listen;
    values.insert("listen_addresses".to_owned(), listen.hosts.join(","));
    values.insert("port".to_owned(), listen.port.to_string());
    values.insert("cluster_name".to_owned(), settings.scope.clone());
    EffectiveParameters {
        values,
        warnings: passed_over(findings),
    }
}

/// The section `postgresql` of the dynamic configuration as a tree.
pub(super) fn dynamic_postgresql(dynamic: &Json) -> Node {
    dynamic_section(dynamic, "postgresql")
}

/// A section of the dynamic configuration.
pub(super) fn dynamic_section(dynamic: &Json, name: &str) -> Node {
    dynamic_tree(dynamic.get(name).unwrap_or(&Json::Null))
}

/// The dynamic configuration, or a part of it, as a tree.
pub(super) fn dynamic_tree(json: &Json) -> Node {
    Node::from_json(json, &Place::Whole(Arc::from("dynamic configuration")))
}

/// Turns problems of the dynamic configuration into warnings: a running
/// cluster goes on with what is left.
pub(super) fn passed_over(findings: Findings) -> Vec<Warning> {
    let problems = findings.problems.into_iter();
    let mut warnings = findings.warnings;
    warnings.extend(problems.map(|Problem { place, path, kind }| Warning {
        place,
        path,
        kind: WarningKind::Adjusted(format!("is passed over: {kind}")),
    }));
    warnings
}

fn lay_dynamic(
    values: &mut BTreeMap<String, String>,
    findings: &mut Findings,
    section: &Section<'_>,
    parameter: Parameter,
) {
    let Some(managed) = managed::find(&parameter.name) else {
        return parameter.lay(values);
    };
    let path = section.path_of(&format!("parameters.{}", parameter.name));
    if managed.is_derived() {
        return findings.warn_at(section.place(), &path, WarningKind::OnlyLocal);
    }
    let Some(text) = parameter.value else {
        return;
    };
    if let Some(accepted) = managed.accept(&text) {
        values.insert(parameter.name, accepted);
        return;
    }
    let instead = match managed.default {
        Some(default) => format!("{default} is used"),
        None => "it is left out".to_owned(),
    };
    let sentence = format!(
        "`{text}` is not accepted, {}; {instead}",
        managed.expectation()
    );
    findings.warn_at(section.place(), &path, WarningKind::Adjusted(sentence));
}

/// Standbys need some WAL to be kept also where nobody asked for it. A size
/// under the name of another version is translated by whoever writes it.
fn keep_wal(values: &mut BTreeMap<String, String>, version_major: u32) {
    let (own, default) = if version_major >= 13 {
        ("wal_keep_size", "128MB")
    } else {
        ("wal_keep_segments", "8")
    };
    let is_set = values.contains_key("wal_keep_size") || values.contains_key("wal_keep_segments");
    if !is_set {
        values.insert(own.to_owned(), default.to_owned());
    }
}

impl Parameter {
    /// Lays it over what there is.
    pub(super) fn lay(self, values: &mut BTreeMap<String, String>) {
        match self.value {
            Some(text) => values.insert(self.name, text),
            None => values.remove(&self.name),
        };
    }

    /// Reads a map of parameters in the order written.
    pub(super) fn read_map(
        findings: &mut Findings,
        section: &Section<'_>,
        key: &str,
    ) -> Option<Vec<Self>> {
        section.field(key)?;
        let section = findings.section(section, key);
        section.node()?;
        let mut parameters = Vec::new();
        for (name, field) in section.fields() {
            let value = match parameter_text(findings, &field) {
                Ok(value) => value,
                Err(NotAParameter) => continue,
            };
            parameters.push(Self {
                name: name.to_ascii_lowercase(),
                value,
            });
        }
        Some(parameters)
    }
}

/// A value that no parameter can have; the problem is noted.
struct NotAParameter;

fn parameter_text(
    findings: &mut Findings,
    field: &Field<'_>,
) -> Result<Option<String>, NotAParameter> {
    match &field.node.value {
        Value::Null => Ok(None),
        Value::Bool(truth) => Ok(Some(if *truth { "on" } else { "off" }.to_owned())),
        Value::Text(text) => Ok(Some(text.clone())),
        // As Patroni writes it: 0640 is 416, which PostgreSQL takes for the same.
        Value::Integer(_) | Value::Float(_) => Ok(field.node.python_text()),
        Value::List(_) | Value::Map(_) => {
            findings.wrong_type(field, "a text, a number or a boolean");
            Err(NotAParameter)
        }
    }
}
