//! Lists of servers, as both stores write them.

use crate::yaml::{Node, Value};

use super::super::HostPort;
use super::super::address::Hosts;
use super::super::reader::{Field, Findings, Section};

pub(super) fn from_comma_text(
    findings: &mut Findings,
    field: &Field<'_>,
    port: u16,
) -> Vec<HostPort> {
    let Some(text) = findings.text(field) else {
        return Vec::new();
    };
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let mut hosts = Vec::new();
    for part in parts {
        let part = with_text(field, part);
        hosts.extend(HostPort::read(
            findings,
            &part.field(),
            Some(port),
            Hosts::Destination,
        ));
    }
    hosts
}

pub(super) fn default_port(
    findings: &mut Findings,
    section: &Section<'_>,
    usual: u16,
) -> Option<u16> {
    let Some(field) = section.field("port") else {
        return Some(usual);
    };
    let number = findings.optional_integer(section, "port")?;
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    if port.is_none() {
        findings.invalid(&field, format!("{number} is not a port, write 1 to 65535"));
    }
    port
}

/// A part of a text, still at the place of the whole.
pub(super) struct Part {
    node: Node,
    path: String,
}

pub(super) fn with_text(field: &Field<'_>, text: &str) -> Part {
    Part {
        node: Node::new(Value::Text(text.to_owned()), field.node.place.clone()),
        path: field.path.clone(),
    }
}

impl Part {
    pub(super) fn field(&self) -> Field<'_> {
        Field {
            node: &self.node,
            path: self.path.clone(),
        }
    }
}
