//! The drills that people run on a new cluster with a balancer in front of it: stop this, kill
//! that, and see what clients notice.
//!
//! Clients come three ways: by PgBouncer and HAProxy with our settings, by HAProxy as the guides
//! set it up, and by a HAProxy of one listener. Invariant: every drill begins and ends with a
//! cluster in order and with balancers that show it.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::balancer::{HaProxy, PgBouncer};
use crate::cluster::{Cluster, Member, Writer, wait_for};

/// How often the clients write.
const EVERY: Duration = Duration::from_millis(20);
/// Rows before and after.
const ROWS: usize = 20;
/// The ways, in the order of their outages.
const WAYS: [&str; 3] = [
    "PgBouncer and HAProxy",
    "HAProxy of the guides",
    "one listener",
];

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drill {
    /// A replica is stopped by SIGTERM.
    ReplicaStopped,
    /// The primary is stopped by SIGTERM.
    PrimaryStopped,
    /// Everything on the primary's host is killed.
    PrimaryKilled,
    /// One following etcd of three is killed.
    OneEtcd,
    /// Two etcd of three are killed, until the primary takes no writes.
    TwoEtcd,
    /// Our HAProxy is killed.
    BalancerKilled,
    /// Everything on the hosts of all members but one is killed, the primary among them.
    AllButOne,
}

/// A cluster with its balancers.
#[derive(Debug)]
pub struct Stage {
    cluster: Cluster,
    ours: HaProxy,
    guides: HaProxy,
    one: HaProxy,
    pooler: PgBouncer,
}

/// What clients noticed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was done.
    pub drill: Drill,
    /// Who led before, and who afterwards.
    pub leaders: (String, String),
    /// The longest time without an acknowledged row, for each way.
    pub outages: [Duration; 3],
    /// Acknowledged rows that are gone, of all ways together.
    pub lost: usize,
}

impl Drill {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ReplicaStopped,
        Self::PrimaryStopped,
        Self::PrimaryKilled,
        Self::AllButOne,
        Self::OneEtcd,
        Self::TwoEtcd,
        Self::BalancerKilled,
    ];

    /// Whether a primary dies in it that may not have shipped its last rows.
    const fn may_lose_rows(self) -> bool {
        matches!(self, Self::PrimaryKilled | Self::AllButOne | Self::TwoEtcd)
    }
}

impl Stage {
    /// Three members, three etcd, balancers and a pooler, all in order.
    ///
    /// # Panics
    /// When they do not come up.
    #[must_use]
    pub fn start(ttl_seconds: u64) -> Self {
        let cluster = Cluster::builder()
            .store_members(3)
            .ttl(ttl_seconds)
            .config(&json!({"primary_start_timeout": 0}))
            .start();
        let ours = HaProxy::start(&cluster, "haproxy.cfg");
        let guides = HaProxy::start(&cluster, "haproxy.cfg of the guides");
        let one = HaProxy::start(&cluster, "haproxy.cfg with one listener");
        let pooler = PgBouncer::start(&cluster, "pgbouncer.ini", ours.port(5000));
        Self {
            cluster,
            ours,
            guides,
            one,
            pooler,
        }
    }

    /// The cluster.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The HAProxy with our settings.
    #[must_use]
    pub const fn ours(&self) -> &HaProxy {
        &self.ours
    }

    /// Does a drill and returns when everything is in order again.
    ///
    /// # Panics
    /// When something is not as it must be.
    #[must_use]
    pub fn run(&self, drill: Drill) -> Outcome {
        let old = self.wait_until_in_order();
        let writers = self.writers();
        writers.iter().for_each(|writer| writer.wait_for_rows(ROWS));
        let since = Instant::now();

        self.strike(drill, old, &writers);

        let new = self.wait_until_in_order();
        writers.iter().for_each(|writer| writer.wait_for_rows(ROWS));
        let mut lost_in_all = 0;
        let outages = writers.map(|writer| {
            let written = writer.stop();
            let lost = written.lost(&self.cluster);
            let problem = match drill.may_lose_rows() {
                true => written.unexplained(&lost, since),
                false => (!lost.is_empty()).then(|| format!("lost {lost:?}")),
            };
            assert_eq!(problem, None, "{drill}");
            lost_in_all += lost.len();
            let outage = written.outage_after(since);
            outage.map_or(Duration::ZERO, |(begin, end)| end - begin)
        });
        Outcome {
            drill,
            leaders: (old.name().to_owned(), new.name().to_owned()),
            outages,
            lost: lost_in_all,
        }
    }

    /// Waits until the cluster is in order and every balancer shows it.
    fn wait_until_in_order(&self) -> &Member {
        let leader = self.cluster.wait_until_settled();
        self.wait_until_shown(leader, &self.cluster.others(leader.name()));
        leader
    }

    fn wait_until_shown(&self, leader: &Member, replicas: &[&Member]) {
        let replicas: Vec<&str> = replicas.iter().map(|member| member.name()).collect();
        for haproxy in [&self.ours, &self.guides] {
            haproxy.wait_until_up("primary", &[leader.name()]);
            haproxy.wait_until_up("replicas", &replicas);
        }
        self.one.wait_until_up("postgres", &[leader.name()]);
    }

    /// One for each of the ways.
    fn writers(&self) -> [Writer; 3] {
        let ports = [
            self.pooler.port(),
            self.guides.port(5000),
            self.one.port(5432),
        ];
        let mut ways = WAYS.iter().zip(ports);
        [(); 3].map(|()| {
            let (name, port) = ways.next().expect("there are as many as ways");
            self.cluster.writer_through(name, port, EVERY)
        })
    }

    /// Does it, sees what must come of it, and undoes it.
    fn strike(&self, drill: Drill, leader: &Member, writers: &[Writer; 3]) {
        let others = self.cluster.others(leader.name());
        match drill {
            Drill::ReplicaStopped => {
                let status = others[0].stop_daemon();
                assert!(status.success(), "{} left with {status}", others[0].name());
                self.wait_until_shown(leader, &others[1..]);
                assert_undisturbed(writers);
                others[0].start_daemon();
            }
            Drill::PrimaryStopped => {
                let status = leader.stop_daemon();
                assert!(status.success(), "{} left with {status}", leader.name());
                self.wait_for_successor(leader, &others, writers);
                leader.start_daemon();
            }
            Drill::PrimaryKilled => {
                leader.kill_host();
                self.wait_for_successor(leader, &others, writers);
                leader.start_daemon();
            }
            Drill::AllButOne => {
                let (standby, last) = (others[0], others[1]);
                standby.kill_host();
                leader.kill_host();
                self.wait_for_successor(leader, &[last], writers);
                assert!(
                    self.cluster
                        .primary()
                        .is_some_and(|p| p.name() == last.name())
                );
                leader.start_daemon();
                standby.start_daemon();
            }
            Drill::OneEtcd => {
                let number = (self.store_leader() + 1) % 3;
                self.cluster.store().kill(number);
                // Longer than a lease lives, in rows.
                writers
                    .iter()
                    .for_each(|writer| writer.wait_for_rows(10 * ROWS));
                assert_undisturbed(writers);
                self.restart_etcd(&[number]);
            }
            Drill::TwoEtcd => {
                self.cluster.store().kill(1);
                self.cluster.store().kill(2);
                self.wait_until_nobody_takes_writes();
                self.restart_etcd(&[1, 2]);
            }
            Drill::BalancerKilled => {
                self.ours.kill();
                let [_, guides, one] = writers;
                let since = Instant::now();
                guides.wait_for_rows(5 * ROWS);
                one.wait_for_rows(5 * ROWS);
                assert_undisturbed(&writers[1..]);
                let last = writers[0].written().acks.pop().expect("it had written");
                assert!(last.sent < since, "a row came through a dead balancer");
                self.ours.restart();
            }
        }
    }

    /// Waits until one of the others leads, clients of every way write there, and the balancers
    /// no longer show the old one.
    fn wait_for_successor(&self, old: &Member, others: &[&Member], writers: &[Writer; 3]) {
        let new = self.cluster.wait_for_leader_other_than(old.name());
        let since = Instant::now();
        let replicas = others.iter().filter(|member| member.name() != new.name());
        let replicas: Vec<&Member> = replicas.copied().collect();
        self.wait_until_shown(new, &replicas);
        writers
            .iter()
            .for_each(|writer| writer.wait_for_row_after(since));
    }

    fn wait_until_nobody_takes_writes(&self) {
        wait_for("no member to take writes", || {
            let mut members = self.cluster.members().iter();
            members
                .all(|member| member.is_primary() != Some(true))
                .then_some(())
        });
        self.ours.wait_until_up("primary", &[]);
        self.guides.wait_until_up("primary", &[]);
        self.one.wait_until_up("postgres", &[]);
    }

    fn store_leader(&self) -> usize {
        wait_for("etcd to have a leader", || self.cluster.store().leader())
    }

    fn restart_etcd(&self, numbers: &[usize]) {
        let mut store = self.cluster.store();
        numbers.iter().for_each(|number| store.restart(*number));
        store.wait_until_all_answer();
    }
}

/// No client has lost its connection.
fn assert_undisturbed(writers: &[Writer]) {
    for writer in writers {
        let refusals = writer.written().refusals;
        assert!(refusals.is_empty(), "{refusals:#?}");
    }
}

impl Outcome {
    /// Whether another member leads than before.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        self.leaders.0 != self.leaders.1
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (drill, (old, new)) = (self.drill, &self.leaders);
        write!(f, "{drill}: {old} led, {new} leads;")?;
        for (way, outage) in WAYS.iter().zip(self.outages) {
            write!(f, " {way} {:.2} s,", outage.as_secs_f64())?;
        }
        write!(f, " {} rows lost", self.lost)
    }
}

impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReplicaStopped => "replica stopped",
            Self::PrimaryStopped => "primary stopped",
            Self::PrimaryKilled => "primary killed",
            Self::OneEtcd => "one etcd of three killed",
            Self::TwoEtcd => "two etcd of three killed",
            Self::BalancerKilled => "HAProxy killed",
            Self::AllButOne => "all members but one killed",
        })
    }
}
