//! What the configuration says for one role of the server alone: `parameters_primary`,
//! `pg_hba_replica` and their like. A standby that leads a standby cluster has a role of its own.

use std::collections::BTreeMap;

use super::reader::{Findings, Section};
use super::{Parameter, WarningKind, managed};

/// What a server is, in the words of configuration files and of scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerRole {
    /// A server that takes writes.
    Primary,
    /// A standby that leads a standby cluster.
    StandbyLeader,
    /// Any other standby.
    Replica,
}

impl ServerRole {
    /// `primary`, `standby_leader` or `replica`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::StandbyLeader => "standby_leader",
            Self::Replica => "replica",
        }
    }
}

/// What one role has apart; `None` where it has what every role has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overlay {
    /// Parameters over those of every role.
    pub parameters: Option<Vec<Parameter>>,
    /// All lines of `pg_hba.conf`.
    pub pg_hba: Option<Vec<String>>,
    /// All lines of `pg_ident.conf`.
    pub pg_ident: Option<Vec<String>>,
}

/// The overlays of all roles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overlays {
    primary: Overlay,
    standby_leader: Overlay,
    replica: Overlay,
}

impl Overlays {
    /// Reads the section `postgresql` of either source.
    pub(super) fn read(findings: &mut Findings, section: &Section<'_>) -> Self {
        let mut of = |role| Overlay::read(findings, section, role);
        Self {
            primary: of(ServerRole::Primary),
            standby_leader: of(ServerRole::StandbyLeader),
            replica: of(ServerRole::Replica),
        }
    }

    /// These where they say something, and those of `other` elsewhere.
    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            primary: self.primary.or(other.primary),
            standby_leader: self.standby_leader.or(other.standby_leader),
            replica: self.replica.or(other.replica),
        }
    }

    /// That of a role.
    #[must_use]
    pub const fn of(&self, role: ServerRole) -> &Overlay {
        match role {
            ServerRole::Primary => &self.primary,
            ServerRole::StandbyLeader => &self.standby_leader,
            ServerRole::Replica => &self.replica,
        }
    }
}

impl Overlay {
    fn read(findings: &mut Findings, section: &Section<'_>, role: ServerRole) -> Self {
        let role = role.as_str();
        let key = format!("parameters_{role}");
        let mut parameters = Parameter::read_map(findings, section, &key);
        if let Some(parameters) = &mut parameters {
            parameters.retain(|parameter| managed::find(&parameter.name).is_none());
            let sentence = "is passed over: a server needs the same in every role".to_owned();
            managed::warn(findings, section, &key, &WarningKind::Adjusted(sentence));
        }
        Self {
            parameters,
            pg_hba: findings.optional_lines(section, &format!("pg_hba_{role}")),
            pg_ident: findings.optional_lines(section, &format!("pg_ident_{role}")),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            parameters: self.parameters.or(other.parameters),
            pg_hba: self.pg_hba.or(other.pg_hba),
            pg_ident: self.pg_ident.or(other.pg_ident),
        }
    }

    /// Lays the parameters of this role over those of every role.
    pub(crate) fn lay_over(&self, values: &mut BTreeMap<String, String>) {
        for parameter in self.parameters.iter().flatten() {
            parameter.clone().lay(values);
        }
    }
}
