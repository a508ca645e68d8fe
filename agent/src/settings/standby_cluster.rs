//! The section `standby_cluster` of the dynamic configuration, as far as this member's server and
//! its copies rest on it. Which server is followed is for the core to read.

use serde_json::Value as Json;

use super::parameters::{dynamic_section, passed_over};
use super::reader::{Findings, Section};
use super::{ProblemKind, keys};

/// What a standby cluster's section says of servers and copies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandbySource {
    /// Where WAL comes from that nobody streams: PostgreSQL's `restore_command`.
    pub restore_command: Option<String>,
    /// What tidies that archive up: PostgreSQL's `archive_cleanup_command`.
    pub archive_cleanup_command: Option<String>,
    /// How far its leader replays behind the source: PostgreSQL's `recovery_min_apply_delay`.
    pub recovery_min_apply_delay: Option<String>,
    /// Ways to make a copy, in place of the members' own.
    pub create_replica_methods: Option<Vec<String>>,
}

impl StandbySource {
    /// Reads the section; none: there is no standby cluster.
    pub(super) fn read(findings: &mut Findings, dynamic: &Json) -> Option<Self> {
        let node = dynamic_section(dynamic, "standby_cluster");
        let section = Section::at(&node, "standby_cluster".to_owned());
        keys::check_all(findings, &section, keys::STANDBY_CLUSTER);
        port(findings, &section);
        // The core reads its part of it, and says whether there is one at all.
        let (rules, _) = herdsman_ha_core::Rules::read(dynamic);
        rules.standby_cluster?;
        let methods = ["create_replica_methods", "create_replica_method"]
            .into_iter()
            .find(|key| section.field(key).is_some())
            .and_then(|key| findings.optional_lines(&section, key));
        Some(Self {
            restore_command: findings.optional_text(&section, "restore_command"),
            archive_cleanup_command: findings.optional_text(&section, "archive_cleanup_command"),
            recovery_min_apply_delay: findings.optional_text(&section, "recovery_min_apply_delay"),
            create_replica_methods: methods.filter(|methods| !methods.is_empty()),
        })
    }
}

/// What is wrong with the section `standby_cluster` that a new cluster would be made with.
pub(crate) fn standby_cluster_problems(dynamic: &Json) -> Vec<String> {
    let mut findings = Findings::default();
    let source = StandbySource::read(&mut findings, dynamic);
    let named = passed_over(findings).into_iter();
    let named = named.filter(|warning| warning.path.starts_with("standby_cluster"));
    let mut problems: Vec<String> = named
        .map(|warning| {
            let sentence = warning.to_string();
            let place = "dynamic configuration: ";
            format!(
                "bootstrap.dcs.{}",
                sentence.strip_prefix(place).unwrap_or(&sentence)
            )
        })
        .collect();
    let is_there = dynamic
        .get("standby_cluster")
        .is_some_and(|section| !section.is_null());
    if is_there && source.is_none() {
        let sentence = "bootstrap.dcs.standby_cluster names no source: \
                        write at least one of host, port and restore_command";
        problems.push(sentence.to_owned());
    }
    problems
}

fn port(findings: &mut Findings, section: &Section<'_>) {
    let Some(field) = section.field("port") else {
        return;
    };
    let port = findings.optional_integer(section, "port");
    if port.is_some_and(|port| !(0..=65535).contains(&port)) {
        let sentence = "is no port: write a number up to 65535".to_owned();
        findings.problem(&field, ProblemKind::Invalid(sentence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(dynamic: &Json) -> (Option<StandbySource>, Vec<String>) {
        let mut findings = Findings::default();
        let source = StandbySource::read(&mut findings, dynamic);
        let warnings = passed_over(findings);
        (source, warnings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_servers_need_is_read() {
        let (source, warnings) = read(&json!({"standby_cluster": {
            "host": "a", "port": 5432, "primary_slot_name": "dr",
            "restore_command": "cp %f %p", "archive_cleanup_command": "tidy",
            "recovery_min_apply_delay": "5min", "create_replica_methods": ["wal_g", "basebackup"],
        }}));
        assert_eq!(warnings, Vec::<String>::new());
        let source = source.unwrap();
        assert_eq!(source.restore_command.as_deref(), Some("cp %f %p"));
        assert_eq!(source.recovery_min_apply_delay.as_deref(), Some("5min"));
        let methods = source.create_replica_methods.unwrap();
        assert_eq!(methods, ["wal_g", "basebackup"]);
    }

    #[test]
    fn a_slip_of_the_pen_is_named_and_no_section_is_none() {
        assert_eq!(read(&json!({"standby_cluster": null})), (None, Vec::new()));
        let (source, warnings) =
            read(&json!({"standby_cluster": {"hots": "a", "host": "b", "port": 70000}}));
        assert!(source.is_some());
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        let named = |what: &str| warnings.iter().any(|warning| warning.contains(what));
        assert!(named("standby_cluster.hots"), "{warnings:?}");
        assert!(named("standby_cluster.port"), "{warnings:?}");
    }
}
