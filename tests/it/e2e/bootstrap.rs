//! A new cluster, and members that come later.

use herdsman_tests::cluster::Cluster;

#[test]
fn three_empty_members_make_one_cluster_and_a_fourth_joins() {
    let mut cluster = Cluster::builder().start();
    let leader = cluster.wait_until_settled();
    assert_eq!(cluster.timeline(), 1);
    let session = leader.session().unwrap();
    session
        .execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id")
        .unwrap();
    let id = "SELECT system_identifier FROM pg_catalog.pg_control_system()";
    let system_id = session.value(id).unwrap();

    let added = cluster.add_member().name().to_owned();

    cluster.wait_until_settled();
    cluster.wait_until_caught_up();
    assert_eq!(added, "n4");
    for member in cluster.members() {
        assert_eq!(member.ask(id).unwrap(), system_id, "{}", member.name());
    }
    herdsman_tests::cluster::wait_for("the rows on the new member", || {
        let rows = cluster.member(&added).ask("SELECT count(*) FROM t")?;
        (rows == "1000").then_some(())
    });
}
