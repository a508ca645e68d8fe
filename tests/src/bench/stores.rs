//! Whole clusters on each store: what an idle one asks of it, and how long clients cannot write
//! after everything on the leader's host was killed, at the shortest lease that holds.

use std::time::{Duration, Instant};

use super::contender::{Contender, Timing};
use super::idle;
use super::outage::{self, Fault};
use super::report::{Report, Row};
use super::statistics::{Series, Unit};
use crate::cluster::{Builder, Cluster, StoreKind, StoreServers, wait_for};

/// What is measured on the stores, how often, and of whom.
#[derive(Clone, Debug)]
pub struct StorePlan {
    /// Whom to measure; the first is ours.
    pub contenders: Vec<Contender>,
    /// How often a host is lost, and for how many minutes an idle cluster is watched.
    pub runs: usize,
    /// Whether idle clusters are watched.
    pub is_idle_wanted: bool,
    /// Whether hosts are lost.
    pub is_loss_wanted: bool,
}

/// A store and a lease.
#[derive(Clone, Copy, Debug)]
struct Setting {
    store: StoreKind,
    /// How many servers it has.
    servers: usize,
    /// ZooKeeper's unit of time.
    tick: Duration,
    timing: Timing,
}

/// How long a cluster must stand with its lease before it is measured.
const STEADY: Duration = Duration::from_secs(20);
/// What etcd grants at least with its stock settings.
const SHORTEST_ETCD: u64 = 2;
/// Our client asks ZooKeeper for no less than 1.6 s, whatever the lease.
const SHORTEST_ZOOKEEPER: u64 = 1;
/// The shortest lease that all contenders accept.
const COMMON: u64 = 20;

impl StorePlan {
    /// Measures everything; `tell` hears what is being done.
    ///
    /// # Panics
    /// When a cluster does not come up or does not recover in time.
    #[must_use]
    pub fn run(&self, tell: impl Fn(&str)) -> Report {
        let mut report = Report::of(&self.contenders);
        if self.is_idle_wanted {
            report.notes.push(
                "Requests are the messages that the one server of the store received from all \
                 members together, pings included, after a minute of rest: of etcd \
                 grpc_server_msg_received_total over all methods, of ZooKeeper what `srvr` counts."
                    .to_owned(),
            );
            for (store, timing) in idle_settings() {
                self.idle(store, timing, &mut report, &tell);
            }
        }
        if self.is_loss_wanted {
            for setting in self.loss_settings() {
                self.losses(setting, &mut report, &tell);
            }
        }
        report
    }

    fn idle(&self, store: StoreKind, timing: Timing, report: &mut Report, tell: &impl Fn(&str)) {
        let ttl = timing.ttl_seconds;
        let title = format!("three idle members, {}, ttl {ttl}", name(store));
        let setting = Setting {
            store,
            servers: 1,
            tick: Duration::from_millis(500),
            timing,
        };
        let series = self.contenders.iter().map(|contender| {
            let cluster = setting.cluster(contender)?.start();
            tell(&format!(
                "{}, {title}: {} minutes",
                contender.name(),
                self.runs + 1
            ));
            let idle = idle::measure(&cluster, self.runs);
            let methods = idle.methods();
            report.notes.push(format!(
                "  {}, {title}, in {} minutes: {methods}",
                contender.name(),
                self.runs
            ));
            Some(idle.requests)
        });
        let series = series.collect();
        report.rows.push(Row {
            title,
            unit: Unit::PerMinute,
            target: None,
            series,
        });
    }

    /// The shortest leases, and the one that both programs can be compared with.
    fn loss_settings(&self) -> Vec<Setting> {
        let setting = |store, tick, ttl_seconds| Setting {
            store,
            servers: 3,
            tick: Duration::from_millis(tick),
            timing: Timing::quick(ttl_seconds),
        };
        let mut settings = vec![
            setting(StoreKind::Etcd, 500, SHORTEST_ETCD),
            setting(StoreKind::ZooKeeper, 500, SHORTEST_ZOOKEEPER),
            setting(StoreKind::ZooKeeper, 100, SHORTEST_ZOOKEEPER),
        ];
        if self.contenders.len() > 1 {
            settings.push(setting(StoreKind::Etcd, 500, COMMON));
            settings.push(setting(StoreKind::ZooKeeper, 500, COMMON));
        }
        settings
    }

    fn losses(&self, setting: Setting, report: &mut Report, tell: &impl Fn(&str)) {
        let ttl = setting.timing.ttl_seconds;
        let title = match setting.store {
            StoreKind::Etcd => format!("host lost, etcd, ttl {ttl}: write gap"),
            StoreKind::ZooKeeper => {
                let tick = setting.tick.as_millis();
                format!("host lost, ZooKeeper with tickTime {tick}, ttl {ttl}: write gap")
            }
        };
        let series = self.contenders.iter().map(|contender| {
            let cluster = setting.cluster(contender)?.start();
            let what = format!("{}, {title}", contender.name());
            report.notes.push(format!("  {what}: {}", steady(&cluster)));
            Some(Series::of_runs(self.runs, &what, tell, || {
                outage::measure(&cluster, Fault::HostLoss)
            }))
        });
        let series = series.collect();
        report.rows.push(Row {
            title,
            unit: Unit::Seconds,
            target: None,
            series,
        });
    }
}

impl Setting {
    /// Nothing, when this contender has no such lease.
    fn cluster(&self, contender: &Contender) -> Option<Builder> {
        contender.accepts(self.timing).then(|| {
            let builder = contender.cluster(self.timing);
            let builder = builder.store(self.store).tick(self.tick);
            builder.store_members(self.servers)
        })
    }
}

fn idle_settings() -> [(StoreKind, Timing); 4] {
    let short = Timing {
        ttl_seconds: 3,
        loop_wait_seconds: 1,
        retry_timeout_seconds: 1,
    };
    [
        (StoreKind::Etcd, Timing::DEFAULT),
        (StoreKind::Etcd, short),
        (StoreKind::ZooKeeper, Timing::DEFAULT),
        (StoreKind::ZooKeeper, short),
    ]
}

const fn name(store: StoreKind) -> &'static str {
    match store {
        StoreKind::Etcd => "etcd",
        StoreKind::ZooKeeper => "ZooKeeper",
    }
}

/// Whether a cluster that nobody touches keeps its leader, and what its sessions were granted.
fn steady(cluster: &Cluster) -> String {
    cluster.wait_until_settled();
    let (timeline, since) = (cluster.timeline(), Instant::now());
    wait_for("the cluster to have stood still", || {
        (since.elapsed() > STEADY).then_some(())
    });
    let after = cluster.timeline();
    let verdict = if after == timeline {
        "held".to_owned()
    } else {
        format!("DID NOT HOLD: timeline {timeline}, then {after}")
    };
    let granted = match &*cluster.store() {
        StoreServers::Etcd(_) => String::new(),
        StoreServers::ZooKeeper(servers) => {
            let all = (0..3)
                .filter_map(|number| servers.timeouts(number))
                .flatten();
            let mut all: Vec<Duration> = all.collect();
            all.sort_unstable();
            format!(", sessions of {all:.1?}")
        }
    };
    format!("{verdict} for {STEADY:?} without a fault{granted}")
}
