//! The text of `/metrics`.
//!
//! Names, types and labels of the first group are those of existing dashboards and stay as they
//! are; what only this program measures begins with `herdsman_`. Each metric is one sample labelled
//! with cluster and member, except where a label of its own says otherwise.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use herdsman_ha_core::Wall;
use herdsman_ha_core::schema::INTERFACE_VERSION;

use crate::node::{Node, Running, SyncPart, received};

/// The numbers of the states.
const STATES: [(&str, &str); 15] = [
    ("initdb", "initializing new cluster"),
    ("initdb_failed", "initdb failed"),
    ("custom_bootstrap", "running custom bootstrap script"),
    ("custom_bootstrap_failed", "custom bootstrap failed"),
    ("creating_replica", "creating replica"),
    ("running", "running"),
    ("starting", "starting"),
    ("bootstrap_starting", "starting after custom bootstrap"),
    ("start_failed", "start failed"),
    ("restarting", "restarting"),
    ("restart_failed", "restart failed"),
    ("stopping", "stopping"),
    ("stopped", "stopped"),
    ("stop_failed", "stop failed"),
    ("crashed", "crashed"),
];

/// The first server version that tells whether it streams.
const TELLS_STREAMING: u32 = 90_600;

/// All metrics of a member.
pub(crate) fn render(node: &Node<'_>) -> String {
    let mut page = Page::new(&node.snapshot.scope, node.status().name.as_str());
    server(&mut page, node);
    replication(&mut page, node);
    cluster(&mut page, node);
    ours(&mut page, node);
    page.text
}

fn server(page: &mut Page, node: &Node<'_>) {
    let version: String = INTERFACE_VERSION
        .split('.')
        .map(|part| format!("{part:0>2}"))
        .collect();
    page.gauge(
        "patroni_version",
        "Version of the interface, two digits for each part.",
        version,
    );
    let help = "1 if PostgreSQL runs, 0 otherwise.";
    page.gauge("patroni_postgres_running", help, flag(node.is_running()));
    let help = "When PostgreSQL started, in seconds since 1970, 0 if it does not run.";
    let started = node.server().map(|server| server.postmaster_start_time);
    page.gauge("patroni_postmaster_start_time", help, seconds(started));
    let help = "1 if this member is the primary, 0 otherwise.";
    page.gauge("patroni_primary", help, flag(node.is_primary()));
    let location = match node.running {
        Running::Primary(primary) => primary.position.lsn.0,
        Running::Standby(_) | Running::No => 0,
    };
    let help = "Position of the WAL that a primary writes, 0 if it is none.";
    page.counter("patroni_xlog_location", help, location);
}

fn replication(page: &mut Page, node: &Node<'_>) {
    let standby = node.standby();
    let help = "1 if this member leads a standby cluster, 0 otherwise.";
    page.gauge(
        "patroni_standby_leader",
        help,
        flag(node.is_standby_leader()),
    );
    let help = "1 if this member is a replica, 0 otherwise.";
    page.gauge("patroni_replica", help, flag(node.is_replica()));
    let help = "1 if this member is a synchronous standby, 0 otherwise.";
    page.gauge(
        "patroni_sync_standby",
        help,
        flag(node.sync == SyncPart::Synchronous),
    );
    let help = "1 if this member is a quorum standby, 0 otherwise.";
    page.gauge(
        "patroni_quorum_standby",
        help,
        flag(node.sync == SyncPart::Quorum),
    );
    let help = "Position of the WAL that a replica has received, 0 if it is none.";
    let location = standby.map_or(0, |standby| received(standby).0);
    page.counter("patroni_xlog_received_location", help, location);
    let help = "Position of the WAL that a replica has replayed, 0 if it is none.";
    let location = standby.map_or(0, |standby| standby.replayed.0);
    page.counter("patroni_xlog_replayed_location", help, location);
    let server = node.server();
    let of_standby = server.filter(|_| standby.is_some());
    let help =
        "When the last replayed transaction was committed, in seconds since 1970, 0 if unknown.";
    let replayed = of_standby.and_then(|server| server.replayed_timestamp);
    page.gauge("patroni_xlog_replayed_timestamp", help, seconds(replayed));
    let help = "1 if replay is paused, 0 otherwise.";
    let is_paused = of_standby.is_some_and(|server| server.is_replay_paused);
    page.gauge("patroni_xlog_paused", help, flag(is_paused));
    if server.is_some_and(|server| server.server_version >= TELLS_STREAMING) {
        let state = node.replication_state();
        let help = "1 if WAL streams in, 0 otherwise.";
        page.gauge(
            "patroni_postgres_streaming",
            help,
            flag(state == Some("streaming")),
        );
        let help = "1 if WAL comes from an archive, 0 otherwise.";
        let is_archive = state == Some("in archive recovery");
        page.gauge(
            "patroni_postgres_in_archive_recovery",
            help,
            flag(is_archive),
        );
    }
    let help = "Version of PostgreSQL, 0 if it does not run.";
    let version = server.map_or(0, |server| server.server_version);
    page.gauge("patroni_postgres_server_version", help, version);
}

fn cluster(page: &mut Page, node: &Node<'_>) {
    let status = node.status();
    let help = "1 if nobody leads, 0 otherwise.";
    page.gauge("patroni_cluster_unlocked", help, flag(node.is_unlocked()));
    let help = "1 if failsafe mode is active, 0 otherwise.";
    let is_active = flag(node.is_failsafe_active());
    page.gauge("patroni_failsafe_mode_is_active", help, is_active);
    let help = "1 if failsafe_mode is configured, 0 otherwise.";
    page.gauge(
        "patroni_failsafe_mode_enabled",
        help,
        flag(status.rules.failsafe_mode),
    );
    let help = "1 if this member is named in the failsafe topology, 0 otherwise.";
    let topology = node.view.and_then(|view| view.failsafe.value.as_ref());
    let is_named = topology.is_some_and(|names| names.contains_key(&status.name));
    page.gauge("patroni_failsafe_member", help, flag(is_named));
    let help = "Timeline of PostgreSQL, 0 if it does not run.";
    let timeline = node.timeline().map_or(0, |timeline| timeline.0);
    page.gauge("patroni_postgres_timeline", help, timeline);
    let help = "When the store last answered, in seconds since 1970.";
    let seen = node
        .snapshot
        .store_seen
        .map_or(0, |seen| crate::timestamp::seconds(seen.wall));
    page.gauge("patroni_dcs_last_seen", help, seen);
    let help = "1 if a setting waits for a restart, 0 otherwise.";
    page.gauge(
        "patroni_pending_restart",
        help,
        flag(!node.pending_restart().is_empty()),
    );
    let help = "1 if the cluster is paused, 0 otherwise.";
    page.gauge("patroni_is_paused", help, flag(node.is_paused()));
    postgres_state(page, node.state);
    let help = "Which of equal candidates leads first: the higher; 0: never.";
    page.gauge(
        "patroni_failover_priority",
        help,
        status.tags.failover_priority(),
    );
}

fn postgres_state(page: &mut Page, state: &str) {
    let number = STATES.iter().position(|(_, word)| *word == state);
    let number = number.map_or_else(|| "-1".to_owned(), |number| number.to_string());
    let values: Vec<String> = STATES
        .iter()
        .enumerate()
        .map(|(number, (name, _))| format!("{number}={name}"))
        .collect();
    let name = "patroni_postgres_state";
    page.help(name, "State of PostgreSQL as a number.");
    page.line(&format!("# Values: {}", values.join(", ")));
    page.kind(name, "gauge");
    page.sample(name, &[], number);
}

fn ours(page: &mut Page, node: &Node<'_>) {
    let status = node.status();
    let help = "1 if the store answers, 0 otherwise.";
    page.gauge(
        "herdsman_store_reachable",
        help,
        flag(status.is_store_reachable),
    );
    let help = "1 if this member holds the leadership now, 0 otherwise.";
    page.gauge("herdsman_leader", help, flag(node.is_leader));
    let left = status
        .lease
        .map_or(Duration::ZERO, |lease| lease.fence_at.since(node.now));
    let help = "How long a writable server may go on without a renewal, 0 without a lease.";
    page.gauge("herdsman_lease_left_seconds", help, left.as_secs_f64());
    let age = node.now.since(node.snapshot.taken_at);
    let help = "How old these values are.";
    page.gauge("herdsman_snapshot_age_seconds", help, age.as_secs_f64());
    let help = "1 if this member may lead as far as its tags, its watchdog and its agent are concerned, 0 otherwise.";
    page.gauge("herdsman_may_lead", help, flag(node.may_lead()));
    let counters = &node.snapshot.counters;
    let decisions: BTreeMap<&str, u64> = counters
        .decisions
        .iter()
        .map(|(code, count)| (code.as_str(), *count))
        .collect();
    let help = "Decisions by their code, repeats included.";
    page.counters("herdsman_decisions_total", help, "code", &decisions);
    let help = "Tasks that were started, by their name.";
    page.counters(
        "herdsman_tasks_started_total",
        help,
        "task",
        &counters.tasks_started,
    );
    let help = "Tasks that ended without success, by their name.";
    page.counters(
        "herdsman_tasks_failed_total",
        help,
        "task",
        &counters.tasks_failed,
    );
}

fn flag(value: bool) -> u8 {
    u8::from(value)
}

/// Seconds since 1970 with a fraction; 0 when not known.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit a double for 285000 years"
)]
fn seconds(wall: Option<Wall>) -> f64 {
    wall.map_or(0.0, |wall| wall.0 as f64 / 1000.0)
}

/// A page of metrics in the text format.
struct Page {
    /// The labels that every sample has.
    labels: String,
    text: String,
}

impl Page {
    fn new(scope: &str, name: &str) -> Self {
        Self {
            labels: format!("scope=\"{}\",name=\"{}\"", escape(scope), escape(name)),
            text: String::new(),
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl ToString) {
        self.help(name, help);
        self.kind(name, "gauge");
        self.sample(name, &[], value.to_string());
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.help(name, help);
        self.kind(name, "counter");
        self.sample(name, &[], value.to_string());
    }

    /// One sample for each value of a label.
    fn counters(&mut self, name: &str, help: &str, label: &str, values: &BTreeMap<&str, u64>) {
        self.help(name, help);
        self.kind(name, "counter");
        for (value, count) in values {
            self.sample(name, &[(label, value)], count.to_string());
        }
    }

    fn help(&mut self, name: &str, help: &str) {
        self.line(&format!("# HELP {name} {help}"));
    }

    fn kind(&mut self, name: &str, kind: &str) {
        self.line(&format!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: String) {
        let mut all = self.labels.clone();
        for (label, value) in labels {
            // Writing to a string cannot fail.
            let _ = write!(all, ",{label}=\"{}\"", escape(value));
        }
        self.line(&format!("{name}{{{all}}} {value}"));
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// Text inside a label's quotes.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::new("a\\b", "say \"hi\"\n");
        page.gauge("g", "help", 1);
        assert_eq!(
            page.text,
            "# HELP g help\n# TYPE g gauge\ng{scope=\"a\\\\b\",name=\"say \\\"hi\\\"\\n\"} 1\n"
        );
    }

    #[test]
    fn a_state_without_a_number_is_minus_one() {
        for (state, number) in [
            ("initializing new cluster", "0"),
            ("running", "5"),
            ("crashed", "14"),
            ("unknown", "-1"),
        ] {
            let mut page = Page::new("s", "n");
            postgres_state(&mut page, state);
            let sample = page.text.lines().last().unwrap();
            assert_eq!(sample.split(' ').nth(1), Some(number), "{state}");
        }
    }
}
