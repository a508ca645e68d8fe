//! Which story concerns a broken rule: the search for what notices it tells that story.
//!
//! A hint makes a search shorter and decides nothing: the same stories are told in sound machines,
//! and what is violated without the broken rule as well does not count.

use crate::schedule::Focus;

/// The story for a mutant; none: any seed will do.
pub(super) fn focus(mutant: &str) -> Option<Focus> {
    Some(match mutant {
        "session-counts-from-the-answer" => Focus::LateSession,
        "ended-leadership-revived" => Focus::OldKey,
        "old-view-ends-leadership" => Focus::OldViews,
        "fence-waits-for-tasks" | "no-kill" => Focus::DeafServer,
        "orphans-count-as-harmless" | "blind-agent-waits" => Focus::BlindReturn,
        "silence-counts-as-harmless" => Focus::SilentPrimary,
        "unknown-silence-is-left-alone" | "replaying-standby-races" => Focus::LateReturn,
        "left-order-is-forgotten" => Focus::LeftOrder,
        "older-views-accepted" => Focus::OldPause,
        "forgotten-cluster-counts-as-absent" => Focus::ForgottenCluster,
        "peer-ahead-ignored" | "peer-timeline-ignored" => Focus::Rivals,
        "peer-primary-ignored"
        | "loss-has-no-consequence"
        | "refused-proof-ignored"
        | "own-look-may-be-later" => Focus::KeyRemoved,
        "cluster-timeline-ignored" => Focus::LeftBehind,
        "last-leadership-ignored" => Focus::StalePrimary,
        "parted-line-ignored" | "follows-uncompared" => Focus::StoreRestored,
        "starts-while-releasing" => Focus::SlowRelease,
        "identity-of-earlier-leadership" => Focus::NewGeneration,
        "standby-as-witness" => Focus::StaleWitness,
        "no-second-look-at-the-grant" | "no-second-look-at-the-witness" => Focus::StalledOrder,
        "no-second-look-at-the-claim" | "claim-outlives-its-session" => Focus::SlowBeginning,
        "fenced-task-goes-on" => Focus::LongStart,
        "crashed-standby-recovers-by-itself" => Focus::Hearsay,
        "promises-count-from-the-answer" => Focus::SlowPromises,
        "one-promise-is-enough" => Focus::StoreAway,
        "promises-are-broken" | "forgotten-promises-are-broken" => Focus::CutOff,
        "promises-while-taking" | "late-promises-count" => Focus::TakenBeside,
        "unlisted-member-races" => Focus::Stranger,
        "doubtful-list-ignored" => Focus::UnheardList,
        "successor-timeline-ignored" => Focus::ForeignSuccessor,
        "older-line-measures" | "unrecorded-timeline-ignored" => Focus::ChosenLine,
        "refused-list-trusted" | "failsafe-list-unguarded" | "shown-leadership-frees" => {
            Focus::CutOff
        }
        "missing-list-names-nobody" => Focus::ListGone,
        "retaking-keeps-promises" => Focus::Retaken,
        "unknown-taking-forgotten" => Focus::LateTaking,
        "relay-unmeasured" | "moves-while-receiving" => Focus::LaggingRelay,
        "relay-of-another-timeline" => Focus::PartedTaker,
        "relay-need-not-stream" | "relay-never-left" | "ring-of-relays" => Focus::SilentRelay,
        "sync-standby-goes-down"
        | "slots-without-a-substitute"
        | "sync-standby-never-asks"
        | "slots-missed-only-with-news"
        | "slots-out-of-turn"
        | "slots-with-nobody-left"
        | "slots-during-a-move" => Focus::NewCopies,
        "slots-of-another-line" => Focus::PartedCopy,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Subject;
    use super::*;

    #[test]
    fn hints_are_for_mutants_that_there_are() {
        let hinted = |subject: &Subject| focus(subject.name()).is_some();
        let count = Subject::all().into_iter().filter(hinted).count();
        let text = include_str!("hint.rs");
        let arms = text.split("#[cfg(test)]").next().expect("the file");
        let names: BTreeSet<&str> = arms.split('"').skip(1).step_by(2).collect();
        if cfg!(feature = "mutants") {
            assert_eq!(count, names.len(), "{names:?}");
        }
    }
}
