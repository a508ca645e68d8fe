//! A former primary becomes a standby of the new one.

use std::time::Duration;

use herdsman_ha_core::{Code, Mono};

use crate::AnyError;
use crate::cluster::Index;
use crate::stage::Stage;
use crate::text;
use crate::timeline::Timeline;

const LIMIT: Duration = Duration::from_secs(60);

/// Waits until all members stream again and says what was decided about the data of `member`.
pub(crate) async fn wait(stage: &Stage, member: Index, since: Mono) -> Result<(), AnyError> {
    let name = stage.cluster.name(member);
    stage.screen.chapter(&format!("{name} comes back"));
    let what = "all members streaming again";
    let is_complete = || {
        stage
            .cluster
            .complete()
            .filter(|primary| *primary != member)
    };
    let primary = stage.until(LIMIT, what, is_complete).await?;
    let now = stage.now();
    let mut timeline = Timeline::of(&stage.cluster, since);
    timeline.keep_member(name);
    // What it decided before belongs to the chapter of its fall.
    timeline.begin_with(Code::AwaitingSuccessor);
    timeline.name_phases(&[
        (Code::RewindingToLeader, "diverged"),
        (Code::FollowingLeader, "streaming"),
    ]);
    stage
        .screen
        .say(&format!("\n{}\n", timeline.lines(stage.screen.width())));
    let primary = stage.cluster.name(primary);
    let data = match timeline.missing(&["diverged"]).is_empty() {
        true => "its data had diverged and was rewound",
        false => "its data had not diverged and was kept",
    };
    stage.tell(&format!(
        "{name} follows {primary} after {} s: {data}. All three are there again.",
        text::seconds(since, now)
    ));
    Ok(())
}
