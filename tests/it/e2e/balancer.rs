//! HAProxy and PgBouncer in front: the drills that people run, in a short form. The long one is
//! `cargo xtask soak drills`.
//!
//! Outages are printed, not asserted: they are a property of the machine and of the settings.

use herdsman_tests::cluster::{Endpoint, Session, Wanted, wait_for};
use herdsman_tests::drill::{Drill, Outcome, Stage};

/// Long enough for a busy machine.
const TTL: u64 = 5;

#[test]
fn drills_on_members_behind_a_balancer() {
    let stage = Stage::start(TTL);
    check_reads_go_to_replicas(&stage);

    assert!(!run(&stage, Drill::ReplicaStopped).has_moved());
    assert!(run(&stage, Drill::PrimaryStopped).has_moved());
    assert!(run(&stage, Drill::PrimaryKilled).has_moved());
    assert!(run(&stage, Drill::AllButOne).has_moved());
}

#[test]
fn drills_on_the_store_and_the_balancer() {
    let stage = Stage::start(TTL);

    assert!(!run(&stage, Drill::OneEtcd).has_moved());
    run(&stage, Drill::TwoEtcd);
    assert!(!run(&stage, Drill::BalancerKilled).has_moved());
}

fn run(stage: &Stage, drill: Drill) -> Outcome {
    let outcome = stage.run(drill);
    eprintln!("{outcome}");
    outcome
}

/// Both replicas get their share of the readers, and take no writes.
fn check_reads_go_to_replicas(stage: &Stage) {
    let leader = stage.cluster().wait_until_settled();
    let way = Endpoint {
        port: stage.ours().port(5001),
        ..leader.endpoint()
    };
    let wanted: Vec<String> = stage
        .cluster()
        .others(leader.name())
        .iter()
        .map(|member| member.port().to_string())
        .collect();
    let mut reached = Vec::new();
    wait_for("a reader on each replica", || {
        let limit = std::time::Duration::from_secs(5);
        let session = Session::connect(&way, Wanted::Any, limit).ok()?;
        let port = session.value("SHOW port").ok()?;
        assert!(wanted.contains(&port), "a reader came to port {port}");
        let write = session.execute("CREATE TABLE refused (id int)");
        let refusal = write.expect_err("a replica takes no writes").to_string();
        assert!(refusal.contains("read-only"), "{refusal}");
        reached.push(port);
        wanted
            .iter()
            .all(|port| reached.contains(port))
            .then_some(())
    });
}
