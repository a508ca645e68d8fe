//! Three empty folders become a cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use herdsman_ha_core::{Code, Mono, Status};

use crate::AnyError;
use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(120);

/// The decisions on the way, in the words of the story.
const STEPS: [(Code, &str); 5] = [
    (
        Code::ClaimingBootstrap,
        "is first: nobody made this cluster yet, so it claims to make it.",
    ),
    (Code::Leading, "has made the cluster and leads."),
    (
        Code::CloneFromLeader,
        "has no data: it copies the leader's.",
    ),
    (
        Code::StartFollowing,
        "has its copy and starts as a standby.",
    ),
    (Code::FollowingLeader, "streams from the leader."),
];

/// Waits until one member leads and the others stream from it.
pub(crate) async fn cluster(stage: &Stage) -> Result<(), AnyError> {
    stage
        .screen
        .chapter("Three members with empty folders begin");
    let mut told = BTreeSet::new();
    let what = "one primary and two streaming standbys";
    let is_complete = || {
        tell_steps(stage, &mut told);
        stage.cluster.complete()
    };
    let primary = stage.until(LIMIT, what, is_complete).await?;
    tell_steps(stage, &mut told);
    let name = stage.cluster.name(primary);
    stage.tell(&format!(
        "All three are there: {name} is primary, the others stream from it."
    ));
    Ok(())
}

/// Tells the steps that were not told before, in the order in which they happened.
fn tell_steps(stage: &Stage, told: &mut BTreeSet<(Mono, String)>) {
    let statuses = stage.cluster.statuses();
    let mut steps: Vec<_> = statuses
        .iter()
        .flat_map(|status| steps_of(status))
        .collect();
    steps.sort_unstable();
    for (at, name, sentence) in steps {
        if told.insert((at, name.to_owned())) {
            stage.tell_at(at, &format!("{name} {sentence}"));
        }
    }
}

fn steps_of(status: &Status) -> Vec<(Mono, &str, &'static str)> {
    let steps = status.decisions.iter().filter_map(|decision| {
        let (_, sentence) = STEPS
            .iter()
            .find(|(code, _)| *code == decision.reason.code())?;
        Some((decision.at, status.name.as_str(), *sentence))
    });
    steps.collect()
}
