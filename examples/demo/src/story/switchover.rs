//! The leadership is moved in order.

use std::time::Duration;

use herdsman_ha_core::{AnswerKind, Code, Command, MemberName, Mono};
use tokio::time::timeout;

use super::{Outage, losses, rejoin};
use crate::AnyError;
use crate::cluster::Index;
use crate::ledger::Gap;
use crate::stage::Stage;
use crate::timeline::Timeline;
use crate::writer::Writer;

const LIMIT: Duration = Duration::from_secs(60);

const PHASES: [(Code, &str); 7] = [
    (Code::MoveChecking, "accepted"),
    (Code::MoveCheckpoint, "checkpoint"),
    (Code::MoveStopping, "stopping"),
    (Code::MoveConfirming, "stopped"),
    (Code::MoveReleased, "released"),
    (Code::LeaseAcquired, "elected"),
    (Code::Leading, "promoted"),
];
const NEEDED: [&str; 5] = [
    "stopping",
    "released",
    "elected",
    "promoted",
    "first new write",
];

/// Moves the leadership to `candidate` and waits until it takes writes.
pub(crate) async fn back_to(
    stage: &Stage,
    writer: &Writer,
    candidate: Index,
) -> Result<Outage, AnyError> {
    let cluster = &stage.cluster;
    let leader = cluster
        .primary()
        .ok_or("there is no primary to move from")?;
    let (from, to) = (cluster.name(leader), cluster.name(candidate));
    stage
        .screen
        .chapter(&format!("Switchover: {from} hands over to {to}"));
    let ended = losses::timeline(stage, leader)?;
    let at = stage.now();
    let command = Command::Switchover {
        leader: Some(MemberName::from(from)),
        candidate: Some(MemberName::from(to)),
        scheduled_at: None,
    };
    let answer = timeout(LIMIT, cluster.member(leader).handle.ask(command)).await??;
    stage.tell_at(
        at,
        &format!("{from} is asked to hand over. Its answer: {}.", answer.text),
    );
    if answer.kind != AnswerKind::Done {
        return Err(format!("the switchover was not done: {}", answer.text).into());
    }
    let what = "a write on the new primary";
    let gap = stage.until(LIMIT, what, || writer.ledger().gap(at)).await?;
    if gap.first.by != candidate {
        return Err(format!("{} took over and not {to}", cluster.name(gap.first.by)).into());
    }
    let leads = || cluster.leads(candidate).then_some(());
    stage.until(LIMIT, "a new leader", leads).await?;
    say_timeline(stage, at, gap)?;
    let audit = losses::audit(stage, writer, ended, candidate).await?;
    losses::say(stage, &audit, candidate)?;
    if !audit.lost.is_empty() {
        return Err("a switchover must not lose a row".into());
    }
    rejoin::wait(stage, leader, at).await?;
    Ok(Outage {
        what: format!("switchover from {from} to {to}"),
        gap_millis: gap.millis(),
        acknowledged: audit.acknowledged,
        lost: 0,
    })
}

fn say_timeline(stage: &Stage, since: Mono, gap: Gap) -> Result<(), AnyError> {
    let cluster = &stage.cluster;
    let mut timeline = Timeline::of(cluster, since);
    timeline.name_phases(&PHASES);
    let old = cluster.name(gap.last.by);
    let text = format!("{old} acknowledges row {}", gap.last.id);
    timeline.note(gap.last.at, "client", "last old write", text);
    let text = format!(
        "{} acknowledges row {}",
        cluster.name(gap.first.by),
        gap.first.id
    );
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
        let missing = missing.join(", not ");
        return Err(format!("the switchover did not go its way: not {missing}").into());
    }
    Ok(())
}
