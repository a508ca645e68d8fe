//! The sheet of members against tables that operators know.

use herdsman_ha_core::Revision;
use herdsman_ha_core::schema::{RawEntry, read_cluster};

use super::*;
use crate::sheet::Gaps;

fn view(keys: &[(&str, &str)]) -> ClusterView {
    let entries = keys.iter().map(|(key, value)| RawEntry {
        key,
        value: value.as_bytes(),
        created: Revision(1),
        modified: Revision(1),
        session: None,
    });
    read_cluster(Revision(1), entries)
}

fn cells(keys: &[(&str, &str)], member: &str) -> Vec<Cell> {
    let view = view(keys);
    let index = view.members.keys().position(|name| name.as_str() == member);
    let sheet = sheet("demo", &view, Extent::Filled);
    sheet.rows[index.expect("the member is there")].clone()
}

const LEADER: &str = r#"{"conn_url":"postgres://127.0.0.1:5432/postgres",
    "state":"running","role":"primary","xlog_location":67110120,"timeline":5}"#;
const STANDBY: &str = r#"{"conn_url":"postgres://127.0.0.1:5433/postgres",
    "state":"running","role":"replica","xlog_location":67110120,"replay_lsn":67110120,
    "receive_lsn":67110120,"replication_state":"streaming","timeline":5}"#;

const HEALTHY: [(&str, &str); 5] = [
    ("initialize", "7277694203142172922"),
    ("leader", "postgresql0"),
    ("members/postgresql0", LEADER),
    ("members/postgresql1", STANDBY),
    ("status", r#"{"optime":67110120}"#),
];

#[test]
fn a_healthy_cluster_is_the_table_that_operators_know() {
    let expected = "\
+ Cluster: batman (7277694203142172922) -+-----------+----+-------------+-----+------------+-----+
| Member      | Host           | Role    | State     | TL | Receive LSN | Lag | Replay LSN | Lag |
+-------------+----------------+---------+-----------+----+-------------+-----+------------+-----+
| postgresql0 | 127.0.0.1:5432 | Leader  | running   |  5 |             |     |            |     |
| postgresql1 | 127.0.0.1:5433 | Replica | streaming |  5 |   0/40004E8 |   0 |  0/40004E8 |   0 |
+-------------+----------------+---------+-----------+----+-------------+-----+------------+-----+
";
    let shown = table("batman", &view(&HEALTHY), Extent::Filled);
    assert_eq!(shown, expected, "\n{shown}");
}

#[test]
fn json_of_a_standby_has_its_positions_and_lags() {
    let json = sheet("batman", &view(&HEALTHY), Extent::Filled).json(Gaps::LeftOut);
    let standby = r#"{"Cluster": "batman", "Member": "postgresql1", "Host": "127.0.0.1:5433", "Role": "Replica", "State": "streaming", "TL": 5, "Receive LSN": "0/40004E8", "Receive Lag": 0, "Replay LSN": "0/40004E8", "Replay Lag": 0}]"#;
    assert!(json.trim_end().ends_with(standby), "{json}");
}

#[test]
fn an_unknown_cluster_is_an_empty_table() {
    let expected = "\
+ Cluster: nope (uninitialized) ----+-------------+-----+------------+-----+
| Member | Host | Role | State | TL | Receive LSN | Lag | Replay LSN | Lag |
+--------+------+------+-------+----+-------------+-----+------------+-----+
+--------+------+------+-------+----+-------------+-----+------------+-----+
";
    assert_eq!(table("nope", &view(&[]), Extent::Filled), expected);
    let claimed = title("nope", &view(&[("initialize", "")]));
    assert_eq!(claimed, " Cluster: nope (initializing) ");
}

#[test]
fn pause_and_a_scheduled_switchover_are_told_below_the_table() {
    let view = view(&[
        ("config", r#"{"pause":true}"#),
        (
            "failover",
            r#"{"leader":"a","member":"b","scheduled_at":"2030-01-01T10:00:00+00:00"}"#,
        ),
    ]);
    let expected = " Maintenance mode: on\n \
                    Switchover scheduled at: 2030-01-01T10:00:00+00:00\n                    \
                    from: a\n                      to: b\n";
    assert_eq!(footer(&view), expected);
}

#[test]
fn a_move_that_is_wanted_now_is_not_a_schedule() {
    assert_eq!(
        footer(&view(&[("failover", r#"{"leader":"a","member":"b"}"#)])),
        ""
    );
}

#[test]
fn synchronous_standbys_are_named_while_the_mode_is_on() {
    let role_in = |config: &str, sync: &str| {
        let view = view(&[
            ("config", config),
            ("leader", "a"),
            ("sync", sync),
            ("members/a", "{}"),
            ("members/b", "{}"),
        ]);
        role(&view, &MemberName::from("b"))
    };
    let sync = r#"{"leader":"a","quorum":0,"sync_standby":"B"}"#;
    let other = r#"{"leader":"a","quorum":0,"sync_standby":"c"}"#;
    assert_eq!(
        role_in(r#"{"synchronous_mode":true}"#, sync),
        "Sync Standby"
    );
    assert_eq!(
        role_in(r#"{"synchronous_mode":"quorum"}"#, sync),
        "Quorum Standby"
    );
    assert_eq!(role_in(r#"{"synchronous_mode":true}"#, other), "Replica");
    assert_eq!(role_in("{}", sync), "Replica");
}

#[test]
fn the_leader_of_a_standby_cluster_is_shown_as_one() {
    let view = view(&[
        ("config", r#"{"standby_cluster":{"host":"x"}}"#),
        ("leader", "a"),
        (
            "members/a",
            r#"{"state":"running","replication_state":"streaming"}"#,
        ),
    ]);
    let a = MemberName::from("a");
    assert_eq!(
        (role(&view, &a), state(&view, &a)),
        ("Standby Leader", "streaming")
    );
}

#[test]
fn one_old_position_is_receive_or_replay_by_the_state() {
    let unknown = || Cell::text("unknown");
    let positions = |value: &str| {
        let row = cells(
            &[("members/a", value), ("status", r#"{"optime":3145728}"#)],
            "a",
        );
        row[6..10].to_vec()
    };
    let at = || Cell::text("0/100000");
    let streaming = r#"{"replication_state":"streaming","xlog_location":1048576}"#;
    assert_eq!(
        positions(streaming),
        [at(), Cell::Number(2), unknown(), Cell::Empty]
    );
    let archive = r#"{"replication_state":"in archive recovery","xlog_location":1048576}"#;
    assert_eq!(
        positions(archive),
        [unknown(), Cell::Empty, at(), Cell::Number(2)]
    );
    assert_eq!(
        positions("{}"),
        [unknown(), Cell::Empty, unknown(), Cell::Empty]
    );
}

#[test]
fn lag_is_rounded_to_the_nearest_and_then_to_the_even_megabyte() {
    for (bytes, megabytes) in [
        (0, 0),
        ((1 << 19) - 1, 0),
        (1 << 19, 0),
        ((1 << 19) + 1, 1),
        ((1 << 20) + (1 << 19), 2),
        ((2 << 20) + (1 << 19), 2),
    ] {
        assert_eq!(whole_megabytes(bytes), megabytes, "{bytes}");
    }
}

#[test]
fn ports_are_shown_for_all_or_for_none() {
    let hosts = |a: &str, b: &str| {
        let url = |host: &str| format!(r#"{{"conn_url":"postgres://{host}/postgres"}}"#);
        let (a, b) = (url(a), url(b));
        let keys = [("members/a", a.as_str()), ("members/b", b.as_str())];
        let rows = sheet("demo", &view(&keys), Extent::Filled).rows;
        rows.iter().map(|row| row[2].clone()).collect::<Vec<_>>()
    };
    let text = |a: &str, b: &str| [Cell::text(a), Cell::text(b)];
    assert_eq!(hosts("h1:5432", "h2:5432"), text("h1", "h2"));
    assert_eq!(hosts("h1:5432", "h2:5433"), text("h1:5432", "h2:5433"));
    assert_eq!(hosts("h1:5432", "h1:5432"), text("h1:5432", "h1:5432"));
}

#[test]
fn the_last_columns_appear_when_a_member_has_something_for_them() {
    let keys = [
        ("members/a", r#"{"tags":{"rack":"r1"}}"#),
        ("members/b", "garbage"),
    ];
    let names = |extent| {
        let sheet = sheet("demo", &view(&keys), extent);
        sheet.columns[COLUMNS.len()..]
            .iter()
            .map(|column| column.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(Extent::Filled), ["Tags"]);
    let all = [
        "Pending restart",
        "Pending restart reason",
        "Scheduled restart",
        "Tags",
    ];
    assert_eq!(names(Extent::All), all);
}

#[test]
fn restarts_are_shown_with_their_reasons_and_conditions() {
    let value = r#"{"pending_restart":true,
        "pending_restart_reason":{"max_connections":{"old_value":"100","new_value":"200"}},
        "scheduled_restart":{"schedule":"2030-01-01T10:00:00+00:00","postgres_version":"18.0"}}"#;
    let row = cells(&[("members/a", value)], "a");
    let reason = Change {
        name: "max_connections".to_owned(),
        becomes: "100->200".to_owned(),
    };
    assert_eq!(
        row[COLUMNS.len()..],
        [
            Cell::text("*"),
            Cell::Changes(vec![reason]),
            Cell::text("2030-01-01T10:00:00+00:00 if version < 18.0"),
        ]
    );
}
