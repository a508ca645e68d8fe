//! Counting lost rows after the leadership went to another member, and saying why.

use std::time::Duration;

use herdsman_ha_core::Timeline;

use crate::AnyError;
use crate::audit::{self, Audit};
use crate::cluster::{self, Index};
use crate::stage::Stage;
use crate::text;
use crate::writer::Writer;

const LIMIT: Duration = Duration::from_secs(30);
/// How many lost rows are listed one by one.
const LISTED: usize = 5;

/// The timeline of a primary.
pub(crate) fn timeline(stage: &Stage, member: Index) -> Result<Timeline, AnyError> {
    let status = stage.cluster.member(member).handle.status();
    Ok(Timeline(
        cluster::timeline(&status).ok_or("the primary tells no timeline")?,
    ))
}

/// Compares what the client was promised with what the new primary has.
pub(crate) async fn audit(
    stage: &Stage,
    writer: &Writer,
    ended: Timeline,
    winner: Index,
) -> Result<Audit, AnyError> {
    let handle = &stage.cluster.member(winner).handle;
    let fork = || {
        let status = handle.status();
        let history = &status.cluster.as_ref()?.history.value;
        history
            .iter()
            .find(|line| line.timeline == ended)
            .map(|line| line.switch)
    };
    let fork = stage
        .until(LIMIT, "the published timeline history", fork)
        .await?;
    // The ledger first: a row that it has is in the table by now or never.
    let ledger = writer.ledger().clone();
    let present = audit::present(&stage.servers).await?;
    let audit = Audit::new(&ledger, &present, fork);
    writer.ledger().strike(&audit.lost);
    Ok(audit)
}

/// Says how many rows are lost, and why; an error when nothing explains the loss.
pub(crate) fn say(stage: &Stage, audit: &Audit, new: Index) -> Result<(), AnyError> {
    let new = stage.cluster.name(new);
    let say = |line: &str| {
        stage
            .screen
            .say(&text::beside("  ", line, stage.screen.width()))
    };
    let Audit {
        acknowledged,
        lost,
        fork,
    } = audit;
    say(&format!(
        "rows lost: {} of {acknowledged} acknowledged",
        lost.len()
    ));
    for row in lost.iter().take(LISTED) {
        say(&format!(
            "row {}: acknowledged by {} when its WAL ended at {}, at most {} after the last byte \
             that {new} had received ({fork})",
            row.id,
            stage.cluster.name(row.by),
            row.wal_end,
            audit.beyond(row)
        ));
    }
    if let Some(row) = audit.unexplained() {
        return Err(format!(
            "row {} ended at {}, which {new} had received: it must not be lost",
            row.id, row.wal_end
        )
        .into());
    }
    if lost.is_empty() {
        say(&format!(
            "{new} had received every acknowledged row before {fork}, where it took over."
        ));
    } else {
        say("Replication is asynchronous here: a row is acknowledged before it is sent.");
    }
    Ok(())
}
