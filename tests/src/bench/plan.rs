//! What is measured, how often, and of whom.

use std::time::Duration;

use serde_json::json;

use super::contender::{Contender, Timing};
use super::idle;
use super::outage::{self, Fault};
use super::report::{Report, Row};
use super::stall;
use super::statistics::{Series, Unit};
use crate::cluster::Cluster;
use crate::diverged;

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Write gap after SIGKILL of the postmaster.
    Crash,
    /// Write gap of a planned move.
    Switchover,
    /// Write gap of a planned move while eight clients of pgbench change rows.
    BusySwitchover,
    /// How long commits stand still when the synchronous standby dies.
    Stall,
    /// Write gap after the loss of the leader's host, for a lease of so many seconds.
    HostLoss {
        /// The lease.
        ttl_seconds: u64,
    },
    /// From the start of the agent of a leader whose data has diverged until it streams.
    Return,
    /// Memory and requests of an idle cluster.
    Idle,
}

/// The whole of a benchmark.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whom to measure; the first is ours.
    pub contenders: Vec<Contender>,
    /// What to measure.
    pub measures: Vec<Measure>,
    /// How often.
    pub runs: usize,
}

/// The lease where its length does not matter: the shortest that all programs accept.
const TTL_SECONDS: u64 = 20;

impl Plan {
    /// Measures everything; `tell` hears what is being done.
    ///
    /// # Panics
    /// When a cluster does not come up or does not recover in time.
    #[must_use]
    pub fn run(&self, tell: impl Fn(&str)) -> Report {
        let mut report = Report::of(&self.contenders);
        for measure in &self.measures {
            match *measure {
                Measure::Crash => {
                    let timing = Timing::quick(TTL_SECONDS);
                    let title = "PostgreSQL killed: write gap";
                    report
                        .rows
                        .push(self.outages(title, 0.5, timing, Fault::Crash, &tell));
                }
                Measure::Switchover => {
                    let timing = Timing::quick(TTL_SECONDS);
                    let title = "switchover: write gap";
                    report
                        .rows
                        .push(self.outages(title, 0.5, timing, Fault::Move, &tell));
                }
                Measure::BusySwitchover => {
                    let timing = Timing::quick(TTL_SECONDS);
                    let title = "switchover under pgbench -c 8: write gap";
                    report
                        .rows
                        .push(self.outages(title, 1.0, timing, Fault::BusyMove, &tell));
                }
                Measure::Stall => report.rows.push(self.stalls(&tell)),
                Measure::HostLoss { ttl_seconds } => {
                    let timing = Timing::quick(ttl_seconds);
                    let title = format!("host lost, ttl {ttl_seconds}: write gap");
                    let target = f64::from(u32::try_from(ttl_seconds).unwrap_or(u32::MAX)) + 1.0;
                    report
                        .rows
                        .push(self.outages(&title, target, timing, Fault::HostLoss, &tell));
                }
                Measure::Return => report.rows.push(self.returns(&tell)),
                Measure::Idle => self.idle(&mut report, &tell),
            }
        }
        report
    }

    fn outages(
        &self,
        title: &str,
        target: f64,
        timing: Timing,
        fault: Fault,
        tell: &impl Fn(&str),
    ) -> Row {
        let prepare = |contender: &Contender| {
            let cluster = contender.cluster(timing).start();
            fault.prepare(&cluster);
            cluster
        };
        let measure = |cluster: &Cluster| outage::measure(cluster, fault);
        self.durations(title, target, timing, prepare, measure, tell)
    }

    fn stalls(&self, tell: &impl Fn(&str)) -> Row {
        let title = "synchronous standby killed: commits stand still";
        let timing = Timing::quick(TTL_SECONDS);
        let synchronous = json!({"synchronous_mode": true});
        let prepare =
            |contender: &Contender| contender.cluster(timing).config(&synchronous).start();
        self.durations(title, 0.5, timing, prepare, stall::measure, tell)
    }

    fn returns(&self, tell: &impl Fn(&str)) -> Row {
        let title = "return of a diverged leader";
        let timing = Timing::quick(TTL_SECONDS);
        let prepare = |contender: &Contender| contender.cluster(timing).start();
        let measure = |cluster: &Cluster| {
            let old = diverged::diverge(cluster);
            let took = diverged::come_back(cluster, old).elapsed();
            cluster.wait_until_settled();
            took
        };
        self.durations(title, 5.0, timing, prepare, measure, tell)
    }

    /// Measures something so often on a cluster of each contender that takes this timing.
    fn durations(
        &self,
        title: &str,
        target: f64,
        timing: Timing,
        prepare: impl Fn(&Contender) -> Cluster,
        measure: impl Fn(&Cluster) -> Duration,
        tell: &impl Fn(&str),
    ) -> Row {
        let series = self.contenders.iter().map(|contender| {
            if !contender.accepts(timing) {
                return None;
            }
            let cluster = prepare(contender);
            let what = format!("{}, {title}", contender.name());
            Some(Series::of_runs(self.runs, &what, tell, || {
                measure(&cluster)
            }))
        });
        Row {
            title: title.to_owned(),
            unit: Unit::Seconds,
            target: Some(target),
            series: series.collect(),
        }
    }

    fn idle(&self, report: &mut Report, tell: &impl Fn(&str)) {
        let (mut memory, mut requests) = (Vec::new(), Vec::new());
        for contender in &self.contenders {
            let name = contender.name();
            tell(&format!("{name}, idle for {} minutes", self.runs + 1));
            let cluster = contender.cluster(Timing::DEFAULT).start();
            let idle = idle::measure(&cluster, self.runs);
            let note = format!("  {name} sent in {} minutes: {}", self.runs, idle.methods());
            report.notes.push(note);
            memory.push(Some(idle.memory));
            requests.push(Some(idle.requests));
        }
        report.rows.push(Row {
            title: "idle daemon: resident memory".to_owned(),
            unit: Unit::Mebibytes,
            target: Some(15.0),
            series: memory,
        });
        report.rows.push(Row {
            title: "three idle members: requests to etcd".to_owned(),
            unit: Unit::PerMinute,
            target: Some(30.0),
            series: requests,
        });
        report.notes.insert(
            0,
            "Requests are the messages that etcd received from all members together \
             (grpc_server_msg_received_total over all methods, after a minute of rest, at ttl 30, \
             loop_wait 10, retry_timeout 10); memory is VmRSS of each of the three daemons."
                .to_owned(),
        );
    }
}
