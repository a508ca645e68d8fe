//! `topology`, `history`, `dsn`, `version` and what `query` refuses, against keys in a real store.

use crate::support::{Ended, LEADER, Member, STANDBY, Store, nobody, run};

fn shown(ended: Ended) -> String {
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    ended.out
}

#[test]
fn topology_shows_who_feeds_whom() {
    let store = Store::with_cluster(nobody());
    store.put_member(
        "postgresql2",
        nobody(),
        r#""role":"replica","replication_state":"streaming","tags":{"replicatefrom":"postgresql1"}"#,
    );
    let out = shown(store.run(&["topology", "batman"]));
    let members: Vec<&str> = out
        .lines()
        .filter(|line| line.contains("postgresql"))
        .map(|line| &line[..19])
        .collect();
    let tree = [
        "| postgresql0     |",
        "| + postgresql1   |",
        "|   + postgresql2 |",
    ];
    assert_eq!(members, tree, "{out}");
    assert!(out.contains("| {replicatefrom: postgresql1} |"), "{out}");
}

const HISTORY: &str = r#"[[1,25623960,"no recovery target specified","2019-09-23T16:57:57+02:00","postgresql1"],[2,25624640,"no recovery target specified"]]"#;

#[test]
fn history_is_shown_in_all_formats() {
    let store = Store::with_cluster(nobody());
    let empty = "\
+----+-----+--------+-----------+------------+
| TL | LSN | Reason | Timestamp | New Leader |
+----+-----+--------+-----------+------------+
+----+-----+--------+-----------+------------+
";
    assert_eq!(shown(store.run(&["history"])), empty);
    assert_eq!(shown(store.run(&["history", "-f", "json"])), "[]\n");
    store.put("history", HISTORY);
    let table = "\
+----+----------+------------------------------+---------------------------+-------------+
| TL |      LSN | Reason                       | Timestamp                 | New Leader  |
+----+----------+------------------------------+---------------------------+-------------+
|  1 | 25623960 | no recovery target specified | 2019-09-23T16:57:57+02:00 | postgresql1 |
|  2 | 25624640 | no recovery target specified |                           |             |
+----+----------+------------------------------+---------------------------+-------------+
";
    assert_eq!(shown(store.run(&["history"])), table);
    let json = r#"[{"TL": 1, "LSN": 25623960, "Reason": "no recovery target specified", "Timestamp": "2019-09-23T16:57:57+02:00", "New Leader": "postgresql1"}, {"TL": 2, "LSN": 25624640, "Reason": "no recovery target specified", "Timestamp": "", "New Leader": ""}]"#;
    assert_eq!(
        shown(store.run(&["history", "-f", "json"])),
        format!("{json}\n")
    );
    let tsv = shown(store.run(&["history", "-f", "tsv"]));
    assert!(
        tsv.starts_with("TL\tLSN\tReason\tTimestamp\tNew Leader\n1\t25623960\t"),
        "{tsv}"
    );
    let yaml = shown(store.run(&["history", "-f", "yml"]));
    assert!(
        yaml.contains("- LSN: 25624640\n  New Leader: ''\n"),
        "{yaml}"
    );
}

#[test]
fn dsn_tells_host_and_port_and_no_secret() {
    let store = Store::with_cluster(nobody());
    let dsn = |arguments: &[&str]| store.run(&[&["dsn"], arguments].concat());
    assert_eq!(shown(dsn(&[])), "host=127.0.0.1 port=5432\n");
    assert_eq!(shown(dsn(&["-r", "replica"])), "host=127.0.0.1 port=5433\n");
    assert_eq!(shown(dsn(&["-r", "master"])), "host=127.0.0.1 port=5432\n");
    assert_eq!(shown(dsn(&["-m", STANDBY])), "host=127.0.0.1 port=5433\n");
    for (arguments, error) in [
        (&["-m", "x"][..], "Can not find a suitable member"),
        (&["-r", "standby-leader"], "Can not find a suitable member"),
        (
            &["-m", STANDBY, "-r", "any"],
            "--role and --member are mutually exclusive options",
        ),
    ] {
        let ended = dsn(arguments);
        let error = format!("Error: {error}\n");
        assert_eq!((ended.code, ended.err), (Some(1), error), "{arguments:?}");
    }
}

#[test]
fn versions_of_members_are_those_that_they_tell() {
    let member = Member::answering(
        200,
        r#"{"server_version":150018,"patroni":{"version":"4.1.4"}}"#,
    );
    let store = Store::with_cluster(member.address);
    store.put_member(STANDBY, member.address, r#""herdsman":{"instance":"i"}"#);
    let out = shown(store.run(&["version", "batman"]));
    let lines: Vec<&str> = out.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "",
            "postgresql0: Patroni 4.1.4 PostgreSQL 15.18",
            "postgresql1: herdsman, as Patroni 4.1.4 PostgreSQL 15.18",
        ]
    );
    store.put_member(STANDBY, nobody(), "\"x\":1");
    let ended = store.run(&["version", "batman", STANDBY]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.err, "Error: no version of postgresql1\n");
    let begin = "postgresql1: failed to get version: no connection to ";
    assert!(ended.out.lines().last().unwrap().starts_with(begin));
    assert!(!ended.out.contains(LEADER), "{}", ended.out);
}

#[test]
fn queries_that_get_no_answer_fail() {
    let store = Store::with_cluster(nobody());
    for (arguments, error) in [
        (&[][..], "You need to specify either --command or --file"),
        (
            &["-c", "x", "-f", "y"],
            "--file and --command are mutually exclusive options",
        ),
        (
            &["-c", "x", "-m", "y", "-r", "any"],
            "--role and --member are mutually exclusive options",
        ),
        (&["-f", "/nonexistent"], "cannot read /nonexistent: "),
    ] {
        let ended = store.run(&[&["query", "-U", "u"], arguments].concat());
        let begin = format!("Error: {error}");
        assert_eq!(ended.code, Some(1));
        assert!(ended.err.starts_with(&begin), "{}", ended.err);
    }
    for (arguments, why) in [
        (["-m", "x"], "No connection to member x is available"),
        (
            ["-r", "standby-leader"],
            "No connection to role standby-leader is available",
        ),
    ] {
        let query = ["query", "-c", "select 1", "-U", "u", "--delimiter", "|"];
        let ended = store.run(&[&query[..], &arguments].concat());
        assert_eq!(
            (ended.code, ended.err),
            (Some(1), format!("Error: {why}\n"))
        );
        let (_, row) = ended.out.split_once('|').expect("there is a row");
        assert_eq!(row, format!("{why}\n"));
    }
    // Nobody listens at the port that the member tells.
    store.put(
        "members/postgresql0",
        &format!(r#"{{"conn_url":"postgres://{}/postgres"}}"#, nobody()),
    );
    let mut command = store.command(&["query", "-c", "select 1", "-U", "u"]);
    command.env("PGPASSWORD", "hunter2");
    let ended = run(command, "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("ERROR, SQLSTATE: cannot talk to"));
    assert!(!format!("{ended:?}").contains("hunter2"));
}
