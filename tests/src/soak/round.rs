//! One fault, from a cluster in order to a cluster in order.

use std::fmt;
use std::time::Duration;

use super::fault::Fault;
use super::loss;
use crate::cluster::{Cluster, Written, wait_for};
use crate::witness::Witness;
use herdsman_sim::chance::Chance;

/// How often the client writes.
const EVERY: Duration = Duration::from_millis(10);
/// Rows before and after the fault.
const ROWS: usize = 50;

/// What clients saw of a fault.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) fault: Fault,
    before: String,
    after: String,
    timeline: u64,
    pub(super) gap: Duration,
    pub(super) lost: Vec<i64>,
    pub(super) written: Written,
}

/// What is not as it must be.
pub(super) struct Failure(pub(super) String);

impl Outcome {
    /// Whether another member leads than before.
    pub(super) fn has_moved(&self) -> bool {
        self.before != self.after
    }
}

pub(super) fn run(
    cluster: &Cluster,
    fault: Fault,
    chance: &mut Chance,
) -> Result<Outcome, Failure> {
    let leader = cluster.wait_until_settled();
    let witness = Witness::of(cluster);
    let writer = cluster.writer(EVERY);
    writer.wait_for_rows(ROWS);

    let struck = fault.strike(cluster, leader, chance);
    // A while with the fault: long enough for a lease to end, or short.
    let until = struck.since + chance.millis(0, 12_000);
    std::thread::sleep(until.saturating_duration_since(std::time::Instant::now()));
    if fault.moves_the_leader() {
        cluster.wait_for_leader_other_than(leader.name());
    }
    struck.heal(cluster);
    let after = cluster.wait_until_settled();
    writer.wait_for_rows(ROWS);

    // A hung server of the store may still have something to say.
    wait_for("a server to take the witness's rows", || {
        let last = witness.last_by(after.name())?;
        (last.sent > struck.since).then_some(())
    });
    let gap = writer.gap_after(struck.since);
    let written = writer.stop();
    let second_writers = crate::witness::second_writers(&witness.testimonies());
    drop(witness);
    if !second_writers.is_empty() {
        return Err(Failure(format!(
            "two members took writes: {second_writers:#?}"
        )));
    }
    let lost = written.lost(cluster);
    if !lost.is_empty() && !fault.may_lose_rows() {
        return Err(Failure(format!("lost rows without a reason: {lost:?}")));
    }
    if let Some(problem) = loss::unexplained(&written, &lost, leader.name()) {
        return Err(Failure(problem));
    }
    Ok(Outcome {
        fault,
        before: leader.name().to_owned(),
        after: after.name().to_owned(),
        timeline: cluster.timeline(),
        gap,
        lost,
        written,
    })
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fault, before, after) = (self.fault, &self.before, &self.after);
        let (gap, lost, timeline) = (self.gap, self.lost.len(), self.timeline);
        write!(
            f,
            "{fault}: {before} led, {after} leads on timeline {timeline}; gap {gap:.3?}, \
             {lost} rows lost"
        )
    }
}
