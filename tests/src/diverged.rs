//! A leader that goes on alone, dies, and comes back to a cluster that has gone on without it.

use std::time::Instant;

use crate::cluster::{Cluster, Member, wait_for};

/// Where the rows of these stories are.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS alone (id int)";

/// The leader writes rows that nobody else gets, and its host is lost; returns it once another
/// member has taken over and has written rows of its own.
///
/// # Panics
/// When the cluster does not do its part.
pub fn diverge(cluster: &Cluster) -> &Member {
    let old = cluster.wait_until_settled();
    let session = old.session().expect("the leader answers");
    session.execute(TABLE).expect("a table");
    cluster.wait_until_caught_up();
    old.stop_sending();
    session
        .execute("INSERT INTO alone SELECT generate_series(1, 1000)")
        .expect("rows that nobody else has");
    drop(session);
    old.kill_host();
    let new = cluster.wait_for_leader_other_than(old.name());
    wait_for("rows of the new leader", || {
        new.session()
            .ok()?
            .execute("INSERT INTO alone VALUES (0)")
            .ok()
    });
    old
}

/// Starts the lost member again; returns when it had begun once it is back.
///
/// # Panics
/// When it does not come back.
pub fn come_back(cluster: &Cluster, old: &Member) -> Instant {
    let since = Instant::now();
    old.start_daemon();
    wait_until_back(cluster, old);
    since
}

/// Waits until the lost member streams from the new leader and has its rows, and none of its own.
///
/// # Panics
/// When it does not come back.
pub fn wait_until_back(cluster: &Cluster, old: &Member) {
    wait_for("the diverged member to stream", || {
        let streams =
            old.ask("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'")?;
        let rows = old.ask("SELECT count(*) FROM alone")?;
        let wanted = cluster.primary()?.ask("SELECT count(*) FROM alone")?;
        (streams == "1" && rows == wanted).then_some(())
    });
}
