//! `restart`, `reload`, `reinit` and `flush` against keys in a real store and members that only
//! answer.

use serde_json::json;

use crate::support::{Ended, LEADER, Member, Reply, STANDBY, Store, nobody, run};

fn answered(store: &Store, arguments: &[&str], input: &str) -> Ended {
    run(store.command(arguments), input)
}

fn requests(member: &Member) -> Vec<String> {
    let received = member.received().into_iter();
    received
        .map(|request| format!("{} {}", request.line.replace(" HTTP/1.1", ""), request.body))
        .collect()
}

/// What was printed below the table of members.
fn below(ended: &Ended) -> Vec<&str> {
    ended.out.lines().skip(6).collect()
}

#[test]
fn members_restart_one_after_the_other_and_the_leader_last() {
    let (leader, standby) = (Member::answering(200, "ok"), Member::answering(200, "ok"));
    let store = Store::with_cluster(leader.address);
    store.put_member(STANDBY, standby.address, r#""role":"replica""#);
    let ended = store.run(&["restart", "batman", "--force", "--timeout", "90s"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let lines = [
        "Success: restart on member postgresql1",
        "Success: restart on member postgresql0",
    ];
    assert_eq!(below(&ended), lines, "{}", ended.out);
    assert_eq!(requests(&leader), [r#"POST /restart {"timeout":"90s"}"#]);
    assert_eq!(requests(&standby), requests(&leader));
}

#[test]
fn restart_asks_when_whether_and_for_which_version() {
    let member = Member::answering(202, "Restart scheduled");
    let store = Store::with_cluster(member.address);
    let input = "2030-01-01T10:00Z\ny\n15.4\n";
    let ended = answered(&store, &["restart", "batman", "-r", "replica"], input);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    for question in [
        "When should the restart take place (e.g. ",
        ")  [now]: Are you sure you want to schedule restart of members postgresql1 at \
         2030-01-01T10:00:00+00:00? [y/N]: ",
        "Restart if the PostgreSQL version is less than provided (e.g. 9.5.2)  []: ",
        "Success: restart scheduled on member postgresql1\n",
    ] {
        assert!(ended.out.contains(question), "{}", ended.out);
    }
    assert_eq!(
        requests(&member),
        [r#"POST /restart {"postgres_version":"15.4","schedule":"2030-01-01T10:00:00+00:00"}"#]
    );
}

#[test]
fn only_members_with_something_pending_restart_when_that_is_asked_for() {
    let member = Member::answering(200, "ok");
    let store = Store::with_cluster(member.address);
    let ended = store.run(&["restart", "batman", "--pending", "--force"]);
    assert_eq!(below(&ended), ["No member is pending a restart"]);
    assert_eq!((ended.code, member.received().len()), (Some(0), 0));
    store.put_member(STANDBY, member.address, r#""pending_restart":true"#);
    let ended = store.run(&["restart", "batman", "--pending", "--force"]);
    assert_eq!(below(&ended), ["Success: restart on member postgresql1"]);
    let wanted = [r#"POST /restart {"restart_pending":true}"#];
    assert_eq!(requests(&member), wanted);
    // Which ones will be pending at the time is decided then.
    let when = ["--scheduled", "2030-01-01T10:00Z"];
    let arguments = ["restart", "batman", "--pending", when[0], when[1]];
    let ended = answered(&store, &arguments, "n\n");
    assert!(ended.out.contains("Is this fine? [y/N]: "), "{}", ended.out);
    assert_eq!(ended.err, "Error: Aborted scheduled restart\n");
}

#[test]
fn one_restart_that_failed_keeps_the_others_running() {
    let (leader, standby) = (
        Member::answering(200, "ok"),
        Member::answering(503, "restart failed"),
    );
    let store = Store::with_cluster(leader.address);
    store.put_member(STANDBY, standby.address, r#""role":"replica""#);
    let ended = store.run(&["restart", "batman", "--force"]);
    let lines = [
        "Failed: restart for member postgresql1, status code=503, (restart failed)",
        "Not restarted because of that: postgresql0",
    ];
    assert_eq!(below(&ended), lines);
    let error = "Error: restart was not done on postgresql1, postgresql0\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
    assert_eq!(leader.received(), []);

    let standby = Member::answering(503, "restart conditions are not satisfied");
    store.put_member(STANDBY, standby.address, r#""role":"replica""#);
    let ended = store.run(&["restart", "batman", "--force"]);
    let last = "Success: restart on member postgresql0";
    assert_eq!(below(&ended).last(), Some(&last));
    let error = "Error: restart was not done on postgresql1\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
}

#[test]
fn restarts_that_make_no_sense_are_refused_before_anybody_is_asked() {
    let member = Member::answering(200, "ok");
    let store = Store::with_cluster(member.address);
    store.put("config", r#"{"pause":true}"#);
    let when = ["--scheduled", "2030-01-01T10:00Z"];
    for (arguments, error) in [
        (&["batman", "x"][..], "x is not a member of cluster"),
        (
            &["batman", LEADER, "-r", "replica"],
            "No replica among provided members",
        ),
        (&["robin"], "robin cluster doesn't have any members"),
        (
            &["batman", "--pg-version", "15"],
            "Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 15",
        ),
        (
            &["batman", when[0], when[1]],
            "Can't schedule restart in the paused state",
        ),
    ] {
        let ended = store.run(&[&["restart", "--force"], arguments].concat());
        let error = format!("Error: {error}\n");
        assert_eq!((ended.code, ended.err), (Some(1), error), "{arguments:?}");
    }
    let ended = answered(&store, &["restart", "batman", STANDBY], "now\nn\n");
    assert_eq!(ended.err, "Error: Aborted restart\n");
    assert_eq!(member.received(), []);
}

#[test]
fn a_plan_is_replaced_only_by_force() {
    let member = Member::answering(202, "ok");
    let store = Store::with_cluster(member.address);
    let planned = r#""scheduled_restart":{"schedule":"2029-01-01T00:00:00+00:00"}"#;
    store.put_member(STANDBY, member.address, planned);
    let when = ["--scheduled", "2030-01-01T10:00Z"];
    let arguments = ["restart", "batman", STANDBY, when[0], when[1], "--force"];
    assert_eq!(store.run(&arguments).code, Some(0));
    let wanted = r#"POST /restart {"schedule":"2030-01-01T10:00:00+00:00"}"#;
    assert_eq!(requests(&member), ["DELETE /restart ", wanted]);
    let busy = Member::answering(409, "Another restart is already scheduled");
    store.put_member(STANDBY, busy.address, r#""role":"replica""#);
    let ended = store.run(&arguments);
    let line = "Failed: another restart is already scheduled on member postgresql1";
    assert_eq!((ended.code, below(&ended)), (Some(1), vec![line]));
}

#[test]
fn any_restarts_one_member() {
    let member = Member::answering(200, "ok");
    let store = Store::with_cluster(member.address);
    assert_eq!(
        store.run(&["restart", "batman", "--any", "--force"]).code,
        Some(0)
    );
    assert_eq!(member.received().len(), 1);
}

#[test]
fn reload_says_when_each_member_will_have_done_it() {
    let member = Member::answering(202, "reload scheduled");
    let store = Store::with_cluster(member.address);
    store.put_member(STANDBY, nobody(), r#""role":"replica""#);
    let ended = answered(&store, &["reload", "batman"], "y\n");
    let question = "Are you sure you want to reload members postgresql0, postgresql1? [y/N]: \
                    Reload request received for member postgresql0 and will be processed within \
                    1 seconds";
    let lines = below(&ended);
    assert_eq!(lines[0], question);
    let begin = "Failed: reload for member postgresql1, no connection to ";
    assert!(lines[1].starts_with(begin), "{}", ended.out);
    let error = "Error: reload was not done on postgresql1\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));
    assert_eq!(requests(&member), ["POST /reload {}"]);
    let refused = answered(&store, &["reload", "batman", LEADER], "\n");
    assert_eq!(refused.err, "Error: Aborted reload\n");
}

#[test]
fn reinit_takes_standbys_by_name_only() {
    let member = Member::answering(200, "reinitialize started");
    let store = Store::with_cluster(member.address);
    for (arguments, error) in [
        (&["batman", LEADER][..], "No replica among provided members"),
        (&["batman", "x"], "x is not a member of cluster"),
        (&["batman"], "name the members to reinitialize"),
    ] {
        let ended = store.run(&[&["reinit", "--force"], arguments].concat());
        let error = format!("Error: {error}\n");
        assert_eq!((ended.code, ended.err), (Some(1), error), "{arguments:?}");
    }
    assert_eq!(member.received(), []);
    let ended = answered(&store, &["reinit", "batman"], "postgresql1\ny\n");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let dialogue = "Which member do you want to reinitialize [postgresql1]? []: Are you sure you \
                    want to reinitialize members postgresql1? [y/N]: Success: reinitialize for \
                    member postgresql1";
    assert_eq!(below(&ended), [dialogue]);
    let wanted = r#"POST /reinitialize {"force":false,"from_leader":false}"#;
    assert_eq!(requests(&member), [wanted]);
}

#[test]
fn a_busy_member_is_interrupted_only_after_a_yes() {
    let member = Member::answering(503, "restart already in progress");
    let store = Store::with_cluster(member.address);
    let arguments = ["reinit", "batman", STANDBY, "--from-leader"];
    let ended = answered(&store, &arguments, "y\ny\n");
    assert_eq!(ended.code, Some(1));
    let failed = "Failed: reinitialize for member postgresql1, status code=503, \
                  (restart already in progress)";
    assert_eq!(ended.out.matches(failed).count(), 2, "{}", ended.out);
    assert_eq!(
        requests(&member),
        [
            r#"POST /reinitialize {"force":false,"from_leader":true}"#,
            r#"POST /reinitialize {"force":true,"from_leader":true}"#,
        ]
    );
    let ended = answered(&store, &arguments, "y\nn\n");
    assert_eq!((ended.code, member.received().len()), (Some(1), 3));
}

#[test]
fn reinit_waits_until_the_member_runs_again() {
    let member = Member::answering(200, r#"{"state": "running"}"#);
    let store = Store::with_cluster(member.address);
    let ended = store.run(&["reinit", "batman", STANDBY, "--force", "--wait"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let lines = [
        "Success: reinitialize for member postgresql1",
        "Waiting for reinitialize to complete on: postgresql1",
        "Reinitialize is completed on: postgresql1",
    ];
    assert_eq!(below(&ended), lines);
    assert_eq!(requests(&member)[1], "GET /patroni ");
}

#[test]
fn planned_restarts_are_forgotten_where_there_are_any() {
    let member = Member::answering(200, "scheduled restart deleted");
    let store = Store::with_cluster(member.address);
    let planned = r#""scheduled_restart":{"schedule":"2030-01-01T00:00:00+00:00"}"#;
    store.put_member(STANDBY, member.address, planned);
    let ended = store.run(&["flush", "batman", "restart", "--force"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let lines = [
        "No scheduled restart for member postgresql0",
        "Success: flush scheduled restart for member postgresql1",
    ];
    assert_eq!(below(&ended), lines);
    assert_eq!(requests(&member), ["DELETE /restart "]);
    let ended = answered(&store, &["flush", "batman", LEADER, "restart"], "y\n");
    let question = "Are you sure you want to flush members postgresql0? [y/N]: ";
    assert!(ended.out.contains(question), "{}", ended.out);
    assert_eq!(store.run(&["flush", "batman", "x"]).code, Some(2));
    assert_eq!(store.run(&["flush", "restart"]).code, Some(2));
}

#[test]
fn a_planned_switchover_is_forgotten() {
    let member = Member::answering(200, "scheduled switchover deleted");
    let store = Store::with_cluster(member.address);
    let ended = store.run(&["flush", "batman", "switchover"]);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), "No pending scheduled switchover\n")
    );
    let planned = r#"{"leader":"postgresql0","scheduled_at":"2030-01-01T10:00:00+00:00"}"#;
    store.put("failover", planned);
    let ended = store.run(&["flush", "batman", "switchover"]);
    assert_eq!(ended.out, "Success: scheduled switchover deleted\n");
    assert_eq!(requests(&member), ["DELETE /switchover "]);

    let late = Member::answering(404, "no switchover is scheduled");
    store.put_member(LEADER, late.address, r#""role":"primary""#);
    let ended = store.run(&["flush", "batman", "switchover"]);
    let error = "Error: no switchover is scheduled\n";
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), error));

    let broken = Member::with(Reply::HangUp);
    store.put_member(LEADER, broken.address, r#""role":"primary""#);
    store.put_member(STANDBY, nobody(), r#""role":"replica""#);
    let ended = store.run(&["flush", "batman", "switchover"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let told = "Could not find any accessible member of cluster batman";
    assert!(ended.out.contains(told), "{}", ended.out);
    assert_eq!(store.json("failover"), json!({}));
}
