//! The story: a cluster begins, a primary is killed, the leadership is moved, and the bill.

mod begin;
mod failover;
mod losses;
mod rejoin;
mod switchover;

use std::time::Duration;

use crate::AnyError;
use crate::stage::Stage;
use crate::text;
use crate::writer::{PACE, Writer};

/// One line of the bill.
pub(crate) struct Outage {
    what: String,
    gap_millis: u128,
    acknowledged: usize,
    lost: usize,
}

/// Tells the whole story; the writer goes on at its end.
pub(crate) async fn tell(stage: &Stage) -> Result<Writer, AnyError> {
    begin::cluster(stage).await?;
    let writer = Writer::start(stage.servers.clone(), stage.cluster.clock.clone()).await?;
    stage.screen.chapter("A client begins to write");
    steady(stage, &writer).await?;
    let (killed, failover) = failover::kill_the_primary(stage, &writer).await?;
    rejoin::wait(stage, killed.member, killed.at).await?;
    steady(stage, &writer).await?;
    let moved = switchover::back_to(stage, &writer, killed.member).await?;
    steady(stage, &writer).await?;
    stage.screen.chapter("Summary");
    stage.screen.say(&bill(&[failover, moved]));
    Ok(writer)
}

/// How many rows make steady writing.
const ROWS: usize = 300;

/// Waits until the client has written for a while.
async fn steady(stage: &Stage, writer: &Writer) -> Result<(), AnyError> {
    let (began, before) = (stage.now(), writer.ledger().count());
    let what = "steady writing";
    let is_enough = || (writer.ledger().count() >= before + ROWS).then_some(());
    stage
        .until(Duration::from_secs(30), what, is_enough)
        .await?;
    let primary = stage
        .cluster
        .primary()
        .map_or("nobody", |primary| stage.cluster.name(primary));
    stage.tell(&format!(
        "The client writes a row every {} ms to {primary}: {} acknowledged in {} s.",
        PACE.as_millis(),
        text::count(writer.ledger().count() - before, "row"),
        text::seconds(began, stage.now()),
    ));
    Ok(())
}

fn bill(outages: &[Outage]) -> String {
    let mut lines = vec![format!(
        "  {:<34}  {:>10}  {:>17}  {:>9}",
        "what", "write gap", "rows acknowledged", "rows lost"
    )];
    lines.extend(outages.iter().map(|outage| {
        let gap = format!("{} ms", outage.gap_millis);
        let Outage {
            what,
            acknowledged,
            lost,
            ..
        } = outage;
        format!("  {what:<34}  {gap:>10}  {acknowledged:>17}  {lost:>9}")
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_has_a_line_for_each_outage() {
        let outage = |what: &str, lost| Outage {
            what: what.to_owned(),
            gap_millis: 118,
            acknowledged: 400,
            lost,
        };
        let bill = bill(&[
            outage("kill -9 of n1's postmaster", 2),
            outage("switchover", 0),
        ]);
        let words: Vec<Vec<&str>> = bill
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(words[1][5..], ["118", "ms", "400", "2"]);
        assert_eq!(words[2], ["switchover", "118", "ms", "400", "0"]);
    }
}
