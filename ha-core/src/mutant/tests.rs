//! Every mutant has a name of its own, and a few are seen to break what they say.

mod fixture;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::json;

use super::*;
use crate::machine::{Input, Machine, Output};
use crate::memory::Settings;
use crate::schema::{RawEntry, key, read_cluster};
use crate::tags::Tags;
use crate::task::{Commit, Failure, KeyState, Outcome, Purpose, Report, StoreWrite};
use crate::time::{Mono, Now, Wall};
use crate::value::{
    Generation, InstanceId, MemberName, OpId, Revision, SessionName, SystemId, Timeline,
};
use crate::view::{
    ControlState, ControlView, DataView, Fault, LocalView, PrimaryView, ServerView, StandbyView,
};

use fixture::*;

const TTL: Duration = Duration::from_secs(30);

const INVARIANTS: [&str; 24] = [
    "one-writable-primary",
    "promotion-under-grant",
    "fenced-in-time",
    "no-acked-loss-sync",
    "bounded-loss-async",
    "one-owner-per-timeline",
    "same-system",
    "last-copy",
    "pause-means-pause",
    "one-task-per-lane",
    "store-discipline",
    "explained",
    "restart-equivalent",
    "converges",
    "quiescent",
    "no-corruption",
    "release-after-death",
    "rightful-leader",
    "proven-witness",
    "machine-rule",
    "whole-relay",
    "fed-in-time",
    "down-for-slots",
    "slots-carried",
];

#[test]
fn every_mutant_has_a_name_of_its_own_that_chooses_it() {
    let mut names = BTreeSet::new();
    for mutant in Mutant::ALL {
        let name = mutant.name();
        assert!(names.insert(name), "{name} is used twice");
        assert_eq!(name.parse(), Ok(*mutant));
        assert_eq!(serde_json::to_value(mutant).unwrap(), json!(name));
        assert!(mutant.breaks().ends_with('.'), "{name}");
    }
    assert!("no-such-rule".parse::<Mutant>().is_err());
}

#[test]
fn every_mutant_is_for_an_invariant_and_every_invariant_has_one() {
    let expected: BTreeSet<&str> = Mutant::ALL.iter().map(|one| one.expected()).collect();
    assert_eq!(expected, BTreeSet::from(INVARIANTS));
}

#[test]
fn a_machine_breaks_the_chosen_rule_alone_and_by_itself_none() {
    for chosen in Mutant::ALL {
        let broken = Broken::of(&boot(Some(*chosen)));
        let found: Vec<Mutant> = Mutant::ALL
            .iter()
            .copied()
            .filter(|mutant| broken.breaks(*mutant))
            .collect();
        assert_eq!(found, [*chosen]);
        assert!(!Broken::of(&boot(None)).breaks(*chosen));
    }
}

#[test]
fn a_boot_that_was_kept_without_a_mutant_is_read_as_one_that_breaks_nothing() {
    let kept = json!({ "instance": "run", "seed": 1 });
    let read: Boot = serde_json::from_value(kept).unwrap();
    assert_eq!(read, boot(None));
}

#[test]
fn only_the_broken_machine_lets_its_lease_pass() {
    let starts_at_the_end = |mutant| {
        let mut member = Member::leading(mutant);
        member.after(60, Input::Wake);
        member.is_running("fence")
    };
    assert!(starts_at_the_end(None));
    assert!(!starts_at_the_end(Some(Mutant::NoDeadline)));
    assert!(!starts_at_the_end(Some(Mutant::NoKill)));
}

#[test]
fn only_the_broken_machine_counts_a_renewal_from_its_answer() {
    let fence_at = |mutant| {
        let mut member = Member::leading(mutant);
        member.after(10, Input::Wake);
        member.end_after(5, "renew", Outcome::Done(Report::Nothing));
        let lease = member.machine.status().lease;
        lease.expect("a lease").fence_at
    };
    let late = fence_at(Some(Mutant::RenewalCountsFromTheAnswer));
    assert_eq!(late.since(fence_at(None)).as_secs(), 5);
}

#[test]
fn only_the_broken_machine_lives_on_a_renewal_that_nobody_answered() {
    let is_fenced = |mutant| {
        let mut member = Member::leading(mutant);
        member.after(10, Input::Wake);
        member.end_after(0, "renew", Outcome::Unknown);
        member.after(20, Input::Wake);
        member.is_running("fence")
    };
    assert!(is_fenced(None));
    assert!(!is_fenced(Some(Mutant::UnknownRenewalCounts)));
}

#[test]
fn only_the_broken_machine_lets_a_promotion_go_on_after_its_lease() {
    let is_fenced = |mutant| {
        let mut member = Member::promoting(mutant);
        member.after(60, Input::Wake);
        member.is_running("fence")
    };
    assert!(is_fenced(None));
    assert!(!is_fenced(Some(Mutant::PromotingCountsAsHarmless)));
    assert!(!is_fenced(Some(Mutant::FenceWaitsForTasks)));
}

#[test]
fn only_the_broken_machine_counts_the_time_to_live_that_it_asked_for() {
    let fence_at = |mutant| {
        let mut member = Member::new(mutant);
        member.after(1, view(Revision(3), [known()]));
        member.after(1, standby());
        member.open_session(Duration::from_secs(10));
        member.end_after(0, "acquire", committed(7));
        let lease = member.machine.status().lease;
        lease.expect("a lease").fence_at
    };
    let late = fence_at(Some(Mutant::AskedTtlCounts));
    assert_eq!(late.since(fence_at(None)).as_secs(), 19);
}

#[test]
fn only_the_broken_machine_takes_up_a_leadership_that_has_ended() {
    let is_held = |mutant| {
        let mut member = Member::leading(mutant);
        member.after(10, Input::Wake);
        member.end_after(0, "renew", Outcome::NotApplied);
        let shown = view(Revision(7), [known(), leader_key()]);
        member.after(1, shown);
        member.machine.status().lease.is_some()
    };
    assert!(!is_held(None));
    assert!(is_held(Some(Mutant::EndedLeadershipRevived)));
}

#[test]
fn only_the_broken_machine_loses_its_leadership_to_an_old_view() {
    let is_held = |mutant| {
        let mut member = Member::leading(mutant);
        let fault = Fault::Unreachable("gone".to_owned());
        member.after(1, Input::Cluster(Err(fault)));
        member.after(1, view(Revision(6), [known()]));
        member.machine.status().lease.is_some()
    };
    assert!(is_held(None));
    assert!(!is_held(Some(Mutant::OldViewEndsLeadership)));
}

#[test]
fn only_the_broken_machine_spares_what_outlived_its_postmaster() {
    let is_fenced = |mutant| {
        let mut member = Member::leading(mutant);
        let orphans = ServerView::Down { orphans: true };
        let crashed = local(cluster(ControlState::InProduction), orphans);
        member.after(1, crashed);
        let failure = Failure {
            is_transient: true,
            message: "orphans are in the way".to_owned(),
        };
        member.end_after(1, "start-primary", Outcome::Failed(failure));
        member.after(60, Input::Wake);
        member.is_running("fence")
    };
    assert!(is_fenced(None));
    assert!(!is_fenced(Some(Mutant::OrphansCountAsHarmless)));
}

#[test]
fn only_the_broken_machine_promotes_on_a_leadership_that_it_perhaps_has() {
    let promotes = |mutant| {
        let mut member = Member::acquiring(mutant);
        member.end_after(0, "acquire", Outcome::Unknown);
        member.is_running("promote")
    };
    assert!(!promotes(None));
    assert!(promotes(Some(Mutant::UnknownAcquireCounts)));
}

#[test]
fn only_the_broken_machine_promotes_the_leader_of_a_standby_cluster() {
    let promotes = |mutant| {
        let mut member = Member::new(mutant);
        let section = entry(key::CONFIG, br#"{"standby_cluster": {"host": "10.0.0.9"}}"#);
        member.after(1, view(Revision(3), [known(), section]));
        member.after(1, standby());
        member.open_session(TTL);
        member.end_after(0, "acquire", committed(7));
        assert!(member.machine.status().lease.is_some());
        member.is_running("promote")
    };
    assert!(!promotes(None));
    assert!(promotes(Some(Mutant::StandbyLeaderPromotes)));
}

#[test]
fn only_the_broken_machine_counts_bytes_of_another_line() {
    let races = |mutant| {
        let mut member = Member::new(mutant);
        let history = entry(key::HISTORY, b"[[1,3000000],[2,9000000]]");
        let status = entry(key::STATUS, br#"{"optime":9500000}"#);
        member.after(1, view(Revision(9), [known(), history, status]));
        let past = [(Timeline(1), Lsn(3_000_000)), (Timeline(2), Lsn(4_000_000))];
        member.after(1, standby_at(Timeline(3), Lsn(9_900_000), past.into()));
        member.open_session(TTL);
        member.is_running("acquire")
    };
    assert_eq!(
        [None, Some(Mutant::OwnHistoryIgnored)].map(races),
        [false, true]
    );
}

#[test]
fn a_weakened_commit_differs_in_its_guards_alone() {
    let acquire = |mutant| Member::acquiring(mutant).commit(Purpose::Acquire);
    let whole = acquire(None);
    let keys = |mutant| {
        let weak = acquire(Some(mutant));
        assert_eq!(weak.writes, whole.writes);
        let keys = weak.guards.into_iter().map(|guard| guard.key);
        keys.collect::<Vec<String>>()
    };
    assert_eq!(whole.guards.len(), 6);
    assert_eq!(whole.guards[0].is, KeyState::Absent);
    assert_eq!(keys(Mutant::AcquireRestsOnNothing), [key::LEADER]);
    let without_leader = keys(Mutant::AcquireOverwrites);
    assert_eq!(without_leader.len(), 5);
    assert!(!without_leader.contains(&key::LEADER.to_owned()));
    assert!(!keys(Mutant::LeadershipRecordUnguarded).contains(&key::LEADERSHIP.to_owned()));
    assert_eq!(keys(Mutant::ReleaseUnguarded).len(), 6);
}

#[test]
fn only_the_broken_claim_outlives_its_member() {
    let is_bound = |mutant| {
        let commit = Member::claiming(mutant).commit(Purpose::ClaimInitialize);
        assert_eq!(commit.guards.len(), 2);
        matches!(commit.writes[..], [StoreWrite::PutBound { .. }])
    };
    assert!(is_bound(None));
    assert!(!is_bound(Some(Mutant::ClaimNotBound)));
}

#[test]
fn only_the_broken_machine_acts_in_a_paused_cluster() {
    let acts = |mutant| {
        let mut member = Member::new(mutant);
        let config = entry(key::CONFIG, br#"{"pause":true}"#);
        member.after(1, view(Revision(3), [known(), config]));
        member.after(1, standby());
        member.open_session(TTL);
        member.is_running("acquire")
    };
    assert!(!acts(None));
    assert!(acts(Some(Mutant::PauseIgnored)));
}

#[test]
fn the_broken_judgement_turns_one_relation_around() {
    let mine = Position {
        timeline: Timeline(1),
        lsn: Lsn(500),
    };
    let judge = |mutant, relation| {
        let memory = Memory::new(settings(), boot(mutant), Now::default());
        memory.judged(mine, relation)
    };
    let went_on = Relation::Diverged { fork: Lsn(400) };
    let elsewhere = Relation::Diverged { fork: Lsn(0) };
    for relation in [went_on, elsewhere, Relation::Ancestor, Relation::Unknown] {
        assert_eq!(judge(None, relation), relation);
    }
    let fork_ignored = Some(Mutant::ForkIgnored);
    assert_eq!(judge(fork_ignored, went_on), Relation::Ancestor);
    assert_eq!(judge(fork_ignored, elsewhere), elsewhere);
    let never = Some(Mutant::NeverDiverged);
    assert_eq!(judge(never, elsewhere), Relation::Ancestor);
    assert_eq!(
        judge(Some(Mutant::EverythingDiverges), Relation::Ancestor),
        Relation::Diverged { fork: mine.lsn }
    );
}
