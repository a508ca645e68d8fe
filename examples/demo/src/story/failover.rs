//! The primary is killed.

use std::time::Duration;

use herdsman_ha_core::{Code, Mono};

use super::{Outage, losses};
use crate::AnyError;
use crate::cluster::Index;
use crate::ledger::Gap;
use crate::stage::Stage;
use crate::timeline::Timeline;
use crate::writer::Writer;

const LIMIT: Duration = Duration::from_secs(60);

const PHASES: [(Code, &str); 4] = [
    (Code::AskingSuccessors, "noticed"),
    (Code::ReleasedAfterCrash, "released"),
    (Code::LeaseAcquired, "elected"),
    (Code::Leading, "promoted"),
];
const NEEDED: [&str; 6] = [
    "noticed",
    "proven dead",
    "released",
    "elected",
    "promoted",
    "first new write",
];

/// A server that was killed.
#[derive(Clone, Copy)]
pub(crate) struct Killed {
    pub(crate) member: Index,
    pub(crate) at: Mono,
}

/// Kills the primary's postmaster and waits until another member takes writes.
pub(crate) async fn kill_the_primary(
    stage: &Stage,
    writer: &Writer,
) -> Result<(Killed, Outage), AnyError> {
    let cluster = &stage.cluster;
    let member = cluster.primary().ok_or("there is no primary to kill")?;
    let name = cluster.name(member);
    stage
        .screen
        .chapter(&format!("Failover: kill -9 of {name}'s postmaster"));
    let timeline = losses::timeline(stage, member)?;
    let at = stage.now();
    let pid = cluster.kill_postmaster(member)?;
    stage.tell_at(at, &format!("SIGKILL to process {pid}. Nobody is told."));
    let killed = Killed { member, at };
    let gap = stage
        .until(LIMIT, "a write on another member", || {
            writer.ledger().gap(at)
        })
        .await?;
    let winner = gap.first.by;
    let leads = || cluster.leads(winner).then_some(());
    stage.until(LIMIT, "a new leader", leads).await?;
    say_timeline(stage, killed, gap)?;
    let audit = losses::audit(stage, writer, timeline, winner).await?;
    losses::say(stage, &audit, winner)?;
    let outage = Outage {
        what: format!("kill -9 of {name}'s postmaster"),
        gap_millis: gap.millis(),
        acknowledged: audit.acknowledged,
        lost: audit.lost.len(),
    };
    Ok((killed, outage))
}

fn say_timeline(stage: &Stage, killed: Killed, gap: Gap) -> Result<(), AnyError> {
    let cluster = &stage.cluster;
    let mut timeline = Timeline::of(cluster, killed.at);
    timeline.name_phases(&PHASES);
    let proof = stage.recorder.first(killed.member, "prove-gone", killed.at);
    let text = "no process of the killed server is left";
    let name = cluster.name(killed.member);
    timeline.note_end(proof, Code::ReleasedAfterCrash, name, ("proven dead", text));
    let winner = cluster.name(gap.first.by);
    let text = format!("{winner} acknowledges row {}", gap.first.id);
    timeline.note(gap.first.at, "client", "first new write", text);
    timeline.end_with_last_phase();
    stage
        .screen
        .say(&format!("\n{}\n", timeline.lines(stage.screen.width())));
    stage
        .screen
        .say(&format!("  write gap: {} ms", gap.millis()));
    let missing = timeline.missing(&NEEDED);
    if !missing.is_empty() {
        return Err(format!(
            "the failover did not go its way: not {}",
            missing.join(", not ")
        )
        .into());
    }
    Ok(())
}
