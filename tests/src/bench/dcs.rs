//! What the stores themselves cost a holder: how long a renewal takes with and without a hung
//! server, and how long after the loss of a holder's host somebody else has its lock.
//!
//! No PostgreSQL takes part, so this is the part of a failover that no program can make shorter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::test_servers::{EtcdServers, ZooKeeperServers};
use herdsman_dcs::zookeeper::{ZooKeeperDcs, ZooKeeperOptions};
use herdsman_dcs::{Condition, Dcs, Guard, Key, Lifetime, Limits, Prefix, Session, WatchEvent};
use tokio::time::{sleep, sleep_until};

use super::statistics::{Series, Unit};
use crate::etcd_metrics;

/// Renewals of each client in one measurement.
const RENEWALS: usize = 100;
/// Clients that renew at the same time, each at home on another server.
const CLIENTS: usize = 3;
const PAUSE: Duration = Duration::from_millis(20);
/// How often a holder is lost.
const LOSSES: usize = 5;
/// Limits of the agent for a time to live of 3 s.
const LIMITS: Limits = Limits {
    call: Duration::from_millis(1500),
    attempt: Duration::from_millis(375),
};

enum Servers {
    Etcd(EtcdServers),
    ZooKeeper(ZooKeeperServers),
}

impl Servers {
    /// A client whose first server is this one, where that can be chosen.
    fn client(&self, first: usize) -> Arc<dyn Dcs> {
        let valid = "servers have addresses";
        match self {
            Self::Etcd(servers) => {
                let mut endpoints = servers.endpoints();
                let count = endpoints.len();
                endpoints.rotate_left(first % count);
                let options = EtcdOptions::new(endpoints).expect(valid).limits(LIMITS);
                Arc::new(EtcdDcs::new(options))
            }
            Self::ZooKeeper(servers) => {
                let options = ZooKeeperOptions::new(servers.hosts()).expect(valid);
                Arc::new(ZooKeeperDcs::new(options.limits(LIMITS)))
            }
        }
    }

    /// A server that does not lead the others.
    fn follower(&self) -> usize {
        let leader = match self {
            Self::Etcd(servers) => etcd_metrics::leading(&servers.endpoints()),
            Self::ZooKeeper(servers) => servers.leader(),
        };
        (leader.expect("one of them leads") + 1) % 3
    }

    fn stop(&self, number: usize) {
        match self {
            Self::Etcd(servers) => servers.stop(number),
            Self::ZooKeeper(servers) => servers.stop(number),
        }
    }
}

fn lock() -> Key {
    Key::new("/service/bench/leader").expect("the text is a path")
}

/// Measures everything on both stores; `tell` hears of each result.
///
/// # Panics
/// When a store does not come up or a call fails that must not.
pub fn measure(tell: impl Fn(&str)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    for name in ["etcd", "zookeeper"] {
        let servers = match name {
            "etcd" => Servers::Etcd(EtcdServers::cluster_of_three()),
            _ => Servers::ZooKeeper(ZooKeeperServers::ensemble_of_three()),
        };
        let fine = runtime.block_on(renewals(&servers, None));
        tell(&format!("{name}, renewal, all servers well: {fine}"));
        let hung = runtime.block_on(renewals(&servers, Some(servers.follower())));
        tell(&format!(
            "{name}, renewal, one follower hung meanwhile: {hung}"
        ));
    }
    let etcd = Servers::Etcd(EtcdServers::cluster_of_three());
    tell(&format!(
        "etcd, stock settings, {}",
        runtime.block_on(losses(&etcd))
    ));
    for tick in [500, 100] {
        let servers = ZooKeeperServers::start(3, Duration::from_millis(tick));
        let servers = Servers::ZooKeeper(servers);
        let lost = runtime.block_on(losses(&servers));
        tell(&format!("zookeeper, tickTime {tick}, {lost}"));
    }
}

/// How long renewals of several clients take; a server is stopped after a quarter of them.
async fn renewals(servers: &Servers, hung: Option<usize>) -> String {
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let client = servers.client(number);
        let session = client.open(Duration::from_secs(10)).await;
        clients.push((client, session.expect("a session can be opened")));
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    for round in 0..RENEWALS {
        if round == RENEWALS / 4
            && let Some(number) = hung
        {
            servers.stop(number);
        }
        for (client, session) in &clients {
            let start = Instant::now();
            match client.renew(session, &[]).await {
                Ok(_) => times.push(start.elapsed()),
                Err(_) => failed += 1,
            }
        }
        sleep(PAUSE).await;
    }
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    format!(
        "p50 {:.1?}, p99 {:.1?}, longest {:.1?}, {failed} of {} failed",
        at(50),
        at(99),
        at(100),
        times.len() + failed
    )
}

/// How long after a holder is lost somebody else has its lock, at the shortest session.
async fn losses(servers: &Servers) -> String {
    let mut times = Series::default();
    let mut granted = Duration::ZERO;
    for _ in 0..LOSSES {
        let holder = servers.client(0);
        let shortest = holder.capabilities().shortest_ttl;
        let session = holder.open(Duration::from_millis(1)).await;
        let session = session.expect("a session can be opened");
        granted = session.ttl.max(shortest);
        take(&*holder, &session).await;
        let rival = servers.client(1);
        let waiting = tokio::spawn(wait_and_take(rival));
        keep(&*holder, &session, session.ttl * 2).await;
        // The whole process is gone: nothing renews, and nothing says good-bye.
        drop(holder);
        let lost = Instant::now();
        waiting.await.expect("the rival takes it");
        times.push_duration(lost.elapsed());
    }
    format!(
        "host of a holder lost at the shortest session (reliable for {granted:.2?}): the next has \
         the lock after {}",
        times.summary(Unit::Seconds)
    )
}

async fn take(client: &dyn Dcs, session: &Session) {
    let free = Guard::new(lock(), Condition::Absent);
    let put = client.put_if(Some(session), free, b"me".to_vec(), Lifetime::Session);
    assert!(put.await.is_ok_and(|outcome| outcome.is_applied()));
}

/// Renews as an agent does.
async fn keep(client: &dyn Dcs, session: &Session, lasts: Duration) {
    let end = tokio::time::Instant::now() + lasts;
    let proof = [Guard::new(lock(), Condition::HeldBySession)];
    while tokio::time::Instant::now() < end {
        let sent = tokio::time::Instant::now();
        let renewed = client.renew(session, &proof).await;
        assert!(renewed.is_ok(), "{renewed:?}");
        sleep_until(sent + session.ttl / 3).await;
    }
}

/// Takes the lock when its watch tells that it is gone, and gives it back.
async fn wait_and_take(client: Arc<dyn Dcs>) {
    let prefix = Prefix::new("/service/bench").expect("the text is a path");
    let session = client.open(Duration::from_secs(10)).await;
    let session = session.expect("a session can be opened");
    let mut watch = client.watch(&prefix).await.expect("a watch is given");
    loop {
        let is_free = match watch.next().await {
            WatchEvent::Listed(snapshot) => snapshot.get(&lock()).is_none(),
            WatchEvent::Changed { changes, .. } => {
                (changes.iter()).any(|change| change.key == lock() && change.entry.is_none())
            }
            WatchEvent::Interrupted(_) => false,
        };
        if is_free {
            take(&*client, &session).await;
            // A session that is not given back ends by itself.
            drop(client.release(session).await);
            return;
        }
    }
}
