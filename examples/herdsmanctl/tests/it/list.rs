//! `list` against keys in a real store.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::{Running, Store, nobody};

const TABLE: &str = "\
+ Cluster: batman (7277694203142172922) -+-----------+----+-------------+-----+------------+-----+
| Member      | Host           | Role    | State     | TL | Receive LSN | Lag | Replay LSN | Lag |
+-------------+----------------+---------+-----------+----+-------------+-----+------------+-----+
| postgresql0 | 127.0.0.1:5432 | Leader  | running   |  5 |             |     |            |     |
| postgresql1 | 127.0.0.1:5433 | Replica | streaming |  5 |   0/40004E8 |   0 |  0/40004E8 |   0 |
+-------------+----------------+---------+-----------+----+-------------+-----+------------+-----+
";

#[test]
fn all_formats_show_the_same_members() {
    let store = Store::with_cluster(nobody());
    let shown = |arguments: &[&str]| {
        let ended = store.run(arguments);
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
        ended.out
    };
    assert_eq!(shown(&["list"]), TABLE);
    assert_eq!(shown(&["list", "batman", "batman"]), TABLE.repeat(2));
    assert_eq!(
        shown(&["list", "-f", "tsv"]),
        "Cluster\tMember\tHost\tRole\tState\tTL\tReceive LSN\tReceive Lag\tReplay LSN\tReplay Lag\n\
         batman\tpostgresql0\t127.0.0.1:5432\tLeader\trunning\t5\t\t\t\t\n\
         batman\tpostgresql1\t127.0.0.1:5433\tReplica\tstreaming\t5\t0/40004E8\t0\t0/40004E8\t0\n"
    );
    assert_eq!(
        shown(&["list", "--format", "json"]),
        "[{\"Cluster\": \"batman\", \"Member\": \"postgresql0\", \"Host\": \"127.0.0.1:5432\", \
         \"Role\": \"Leader\", \"State\": \"running\", \"TL\": 5}, \
         {\"Cluster\": \"batman\", \"Member\": \"postgresql1\", \"Host\": \"127.0.0.1:5433\", \
         \"Role\": \"Replica\", \"State\": \"streaming\", \"TL\": 5, \
         \"Receive LSN\": \"0/40004E8\", \"Receive Lag\": 0, \
         \"Replay LSN\": \"0/40004E8\", \"Replay Lag\": 0}]\n"
    );
    let yaml = "\
- Cluster: batman
  Host: 127.0.0.1:5432
  Member: postgresql0
  Role: Leader
  State: running
  TL: 5
- Cluster: batman
  Host: 127.0.0.1:5433
  Member: postgresql1
  Receive LSN: 0/40004E8
  Receive Lag: 0
  Replay LSN: 0/40004E8
  Replay Lag: 0
  Role: Replica
  State: streaming
  TL: 5

";
    assert_eq!(shown(&["list", "-f", "yaml"]), yaml);
    assert_eq!(shown(&["list", "-f", "yml"]), yaml);
}

#[test]
fn extended_and_timestamp_add_to_the_table() {
    let store = Store::with_cluster(nobody());
    let ended = store.run(&["list", "-e", "-t"]);
    let mut lines = ended.out.lines();
    let time = lines.next().expect("there is a first line");
    assert!(time.len() == 25 && time.ends_with("+00:00"), "{time}");
    let head = lines.nth(1).expect("there is a head");
    let columns = "| Pending restart | Pending restart reason | Scheduled restart | Tags |";
    assert!(head.ends_with(columns), "{head}");
}

#[test]
fn watching_shows_what_changes_until_it_is_ended() {
    let store = Store::with_cluster(nobody());
    let mut command = store.command(&["list", "-w", "0.1"]);
    let child = command.stdout(Stdio::piped()).spawn();
    let mut running = Running(child.expect("the program can be started"));
    let out = running.0.stdout.take().expect("the output is a pipe");
    let mut lines = BufReader::new(out)
        .lines()
        .map(|line| line.expect("it is text"));
    assert!(lines.any(|line| line.contains("| Leader  |")));
    store.put("config", r#"{"pause":true}"#);
    assert!(lines.any(|line| line == " Maintenance mode: on"));
}

#[test]
fn an_unknown_cluster_is_shown_as_uninitialized() {
    let store = Store::with_cluster(nobody());
    let ended = store.run(&["list", "robin"]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.out.starts_with("+ Cluster: robin (uninitialized) --"),
        "{}",
        ended.out
    );
}

#[test]
fn a_store_that_is_gone_is_one_line_and_status_1() {
    let mut store = Store::empty();
    store.kill();
    let ended = store.run(&["list"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    let begin = format!("Error: the store at {} cannot be used", store.address());
    assert!(ended.err.starts_with(&begin), "{}", ended.err);
}
