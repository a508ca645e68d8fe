//! Each kind of error of the store as the answer to each kind of call.

use std::fmt::Write as _;

use super::{cell, is_upheaval, play, settled};
use crate::script::world::World;

/// How a call can end, with the words of `finish`; and whether it says that the session or what
/// was guarded is gone.
///
/// The first words of a line are the kinds of `herdsman_dcs::Error`; how the agent tells them to
/// the machine is its own, and tested there.
const ENDS: [(&str, &str, bool); 9] = [
    ("unavailable", "failed=no-answer", false),
    ("unknown, not applied", "unknown", false),
    ("unknown, applied", "unknown applied", false),
    ("denied", "failed=denied permanent", false),
    ("invalid", "failed=invalid permanent", false),
    ("unsupported", "failed=unsupported permanent", false),
    ("store replaced", "failed=store-replaced permanent", false),
    ("session lost", "lost", true),
    ("guard does not hold", "refused", true),
];

/// How a watch or a read can end, as facts.
const FAULTS: [(&str, &str); 3] = [
    ("unavailable or unknown", "dcs unreachable"),
    ("denied", "dcs denied"),
    ("store replaced", "dcs replaced"),
];

/// A call under way: who makes it, in which cluster, and how it comes to it.
struct Case {
    call: &'static str,
    title: &'static str,
    me: &'static str,
    /// Without one there is no cluster yet, and nobody but this member.
    config: Option<&'static str>,
    way: &'static [(&'static str, &'static [&'static str])],
}

const SYNCHRONOUS: &str = r#"{"synchronous_mode":true}"#;
const FAILSAFE: &str = r#"{"failsafe_mode":true}"#;

const CASES: [Case; 16] = [
    Case {
        call: "renew",
        title: "renewal by the leader",
        me: "a",
        config: Some("{}"),
        way: &[("step a at=T+7", &[])],
    },
    Case {
        call: "renew",
        title: "renewal by the leader in failsafe mode",
        me: "a",
        config: Some(FAILSAFE),
        way: &[("step a at=T+7", &[])],
    },
    Case {
        call: "renew",
        title: "renewal by a standby",
        me: "b",
        config: Some("{}"),
        way: &[("step b at=T+7", &[])],
    },
    Case {
        call: "open-session",
        title: "opening a session",
        me: "b",
        config: Some("{}"),
        way: &[("step b at=T+7", &[]), ("finish renew lost", &[])],
    },
    Case {
        call: "acquire",
        title: "taking the leadership",
        me: "b",
        config: Some("{}"),
        way: &[
            ("step b at=T+1", &["dcs expired=a.1"]),
            ("finish ask-peers ok", &["peer a unreachable"]),
        ],
    },
    Case {
        call: "publish-history",
        title: "telling the history of a new timeline",
        me: "b",
        config: Some("{}"),
        way: &[
            ("step b at=T+1", &["dcs expired=a.1"]),
            ("finish ask-peers ok", &["peer a unreachable"]),
            ("finish acquire ok", &[]),
            ("finish promote ok", &["local primary tli=2 at=0/5000060"]),
        ],
    },
    Case {
        call: "claim-initialize",
        title: "claiming to make the cluster",
        me: "a",
        config: None,
        way: &[
            ("member a bootstrap={\"ttl\":20}", &[]),
            ("step a", &["dcs", "local empty"]),
            ("finish open-session ok", &[]),
        ],
    },
    Case {
        call: "release",
        title: "giving the leadership up",
        me: "a",
        config: Some("{}"),
        way: &[
            ("step a at=T+1", &["leave"]),
            (
                "finish stop ok",
                &["local down control=shut-down checkpoint=0/5000060"],
            ),
            ("finish prove-gone ok", &[]),
            (
                "finish ask-peers ok",
                &["peer b standby tli=1 at=0/50000D8"],
            ),
        ],
    },
    Case {
        call: "publish-member",
        title: "telling about oneself, leader",
        me: "a",
        config: Some("{}"),
        way: &[
            ("show upkeep", &[]),
            (
                "step a at=T+1",
                &["local primary at=0/5000100 senders=b:async"],
            ),
            ("step a at=T+7", &[]),
            ("finish renew ok", &["dcs"]),
            ("step a at=T+11", &[]),
        ],
    },
    Case {
        call: "publish-member",
        title: "telling about oneself, standby",
        me: "b",
        config: Some("{}"),
        way: &[
            ("show upkeep", &[]),
            (
                "step b at=T+1",
                &["local standby at=0/5000100 streaming upstream=a"],
            ),
            ("step b at=T+7", &[]),
            ("finish renew ok", &["dcs"]),
            ("step b at=T+11", &[]),
        ],
    },
    Case {
        call: "publish-status",
        title: "telling the leader's position",
        me: "a",
        config: Some("{}"),
        way: &[
            ("show upkeep", &[]),
            (
                "step a at=T+1",
                &["local primary at=0/5000100 senders=b:async"],
            ),
            ("step a at=T+7", &[]),
            ("finish renew ok", &["dcs"]),
            (
                "step a at=T+11",
                &["local primary at=0/5000200 senders=b:async"],
            ),
            ("finish publish-member ok", &[]),
            (
                "step a at=T+12",
                &["local primary at=0/5000300 senders=b:async"],
            ),
        ],
    },
    Case {
        call: "publish-sync",
        title: "naming the synchronous standbys",
        me: "a",
        config: Some(SYNCHRONOUS),
        way: &[
            (
                "step a at=T+1",
                &["local primary senders=b:async:0/5000000"],
            ),
            (
                "finish wait-for ok",
                &["local primary waits-for=b senders=b:sync:0/5000000"],
            ),
        ],
    },
    Case {
        call: "publish-failsafe",
        title: "naming those who may lead in failsafe mode",
        me: "a",
        config: Some(FAILSAFE),
        way: &[("step a at=T+1", &["dcs members=a,b,c"])],
    },
    Case {
        call: "change-config",
        title: "changing the configuration",
        me: "a",
        config: Some("{}"),
        way: &[("step a at=T+1", &[r#"operator patch config={"ttl":25}"#])],
    },
    Case {
        call: "request-move",
        title: "asking for a switchover",
        me: "a",
        config: Some("{}"),
        way: &[
            (
                "step a at=T+1",
                &["operator switchover leader=a candidate=b"],
            ),
            (
                "finish ask-peers ok",
                &["peer b standby tli=1 at=0/5000000"],
            ),
        ],
    },
    Case {
        call: "clear-move",
        title: "removing a request for a switchover",
        me: "a",
        config: Some("{}"),
        way: &[("step a at=T+1", &["dcs failover=a->x"])],
    },
];

/// The table, and the rows in which an error that says nothing about session or key did something
/// to a server.
///
/// # Panics
/// When a case does not come to its call.
#[must_use]
pub fn table() -> (String, Vec<String>) {
    let mut text = String::new();
    let mut upheavals = Vec::new();
    for case in &CASES {
        let _ = writeln!(text, "\n## {} (`{}`)\n", case.title, case.call);
        text.push_str("| it ends with | at once |\n|---|---|\n");
        for (name, words, is_loss) in ENDS {
            let mut world = under_way(case);
            let lines = play(&mut world, &format!("finish {} {words}", case.call), &[]);
            if !is_loss && is_upheaval(&lines) {
                upheavals.push(format!("{}, {name}: {}", case.title, cell(&lines)));
            }
            let _ = writeln!(text, "| {name} | {} |", cell(&lines));
        }
    }
    for (me, title) in [("a", "leader"), ("b", "standby")] {
        let _ = writeln!(text, "\n## watch or read by the {title}\n");
        text.push_str("| it ends with | at once |\n|---|---|\n");
        for (name, fact) in FAULTS {
            let mut world = settled(me, "{}");
            let lines = play(&mut world, &format!("step {me} at=T+1"), &[fact.to_owned()]);
            if is_upheaval(&lines) {
                upheavals.push(format!("watch by {me}, {name}: {}", cell(&lines)));
            }
            let _ = writeln!(text, "| {name} | {} |", cell(&lines));
        }
    }
    (text, upheavals)
}

fn under_way(case: &Case) -> World {
    let mut world = match case.config {
        Some(config) => settled(case.me, config),
        None => World::new(""),
    };
    let mut said: Vec<String> = Vec::new();
    for (command, facts) in case.way {
        let facts: Vec<String> = facts.iter().map(|&fact| fact.to_owned()).collect();
        said.extend(play(&mut world, command, &facts));
    }
    let runs = world.member(case.me).subject.find(case.call).is_some();
    assert!(runs, "{} does not run: {said:#?}", case.title);
    world
}
