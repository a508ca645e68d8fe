//! From a choice to its reason: the one place where a [`Reason`] gets its data.

mod rejoining;

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::candidate;
use crate::carry;
use crate::choose;
use crate::failsafe;
use crate::memory::Memory;
use crate::reason::{Code, Reason, Veto};
use crate::remote;
use crate::situation as word;
use crate::task::Lane;
use crate::value::{Generation, Lsn, MemberName, Position, SystemId, Timeline};
use crate::view::{DataView, ServerView};

/// Why `code` was chosen, with the facts that mattered.
pub(crate) fn explain(memory: &Memory, code: Code) -> Reason {
    match code {
        Code::GettingStarted => Reason::GettingStarted {},
        Code::NameUnproven => Reason::NameUnproven {
            name: memory.me().clone(),
        },
        Code::NameTaken => Reason::NameTaken {
            name: memory.me().clone(),
        },
        Code::SystemIdMismatch => Reason::SystemIdMismatch {
            mine: mine(memory),
            cluster: cluster(memory),
        },
        Code::ReplicaWithoutCluster => Reason::ReplicaWithoutCluster {},
        Code::StoreForgotCluster => Reason::StoreForgotCluster { mine: mine(memory) },
        Code::DataUnusable => Reason::DataUnusable {
            what: unusable(memory),
        },
        Code::TaskRunning => Reason::TaskRunning { task: task(memory) },

        Code::StandbyLeading => Reason::StandbyLeading {
            source: remote::source_name(memory),
            timeline: position(memory).timeline,
        },
        Code::DemotingCluster => Reason::DemotingCluster {
            source: remote::source_name(memory),
        },
        Code::StandbyLeaderMoved => Reason::StandbyLeaderMoved {},
        Code::StandbyLeaderReleased => Reason::StandbyLeaderReleased {
            error: last_error(memory, "start-standby"),
        },
        Code::AwaitingStandbyLeader => Reason::AwaitingStandbyLeader {
            holder: holder(memory),
            source: remote::source_name(memory),
        },
        Code::CopyingSource => Reason::CopyingSource {
            source: remote::source_name(memory),
        },
        Code::StartingCopy => Reason::StartingCopy {
            source: remote::source_name(memory),
        },
        Code::Leading => Reason::Leading {
            timeline: position(memory).timeline,
        },
        Code::LeadingBlocked => Reason::LeadingBlocked {
            timeline: position(memory).timeline,
        },
        Code::SyncBeforePromotion => Reason::SyncBeforePromotion {},
        Code::LeaseAcquired => Reason::LeaseAcquired {
            generation: generation(memory),
        },
        Code::LeaderStarting => Reason::LeaderStarting {},
        Code::LeaderStopping => Reason::LeaderStopping {},
        Code::LeaderUnresponsive => Reason::LeaderUnresponsive {},
        Code::RestartInPlace => Reason::RestartInPlace {
            timeout_seconds: memory.rules.primary_start_timeout.as_secs(),
        },
        Code::StartSlow => Reason::StartSlow {},
        Code::StartOverdue => Reason::StartOverdue {},
        Code::NoSuccessor => Reason::NoSuccessor {},
        Code::AskingSuccessors => Reason::AskingSuccessors {},
        Code::ProvingDeath => Reason::ProvingDeath {},
        Code::ReleasedAfterCrash => Reason::ReleasedAfterCrash {},
        Code::ReleasedUnpromoted => Reason::ReleasedUnpromoted {},
        Code::ReleasedWithoutData => Reason::ReleasedWithoutData {},
        Code::ReleasedAfterFailedPromotion => Reason::ReleasedAfterFailedPromotion {
            error: promotion_error(memory),
        },
        Code::ReservingTimeline => Reason::ReservingTimeline {},
        Code::AskingAboutPromotion => Reason::AskingAboutPromotion {
            generation: generation(memory),
        },
        Code::AskedInVain => Reason::AskedInVain {},
        Code::ResumingLease => Reason::ResumingLease {
            generation: generation(memory),
        },

        Code::ResumeHeldBack => Reason::ResumeHeldBack {
            to: failsafe::promised_to(memory).map_or_else(|| holder(memory), |(to, _)| to.clone()),
        },
        Code::FailsafeUnlisted => Reason::FailsafeUnlisted {
            left_ms: left_ms(memory),
        },
        Code::FailsafeAsking => Reason::FailsafeAsking {
            left_ms: left_ms(memory),
        },
        Code::FailsafePromised => Reason::FailsafePromised {
            left_ms: left_ms(memory),
        },
        Code::FailsafeRefused => Reason::FailsafeRefused {
            unpromised: failsafe::unpromised(memory),
            left_ms: left_ms(memory),
        },
        Code::FailsafeReturning => Reason::FailsafeReturning {},

        Code::LeaseEnding => Reason::LeaseEnding {
            left_ms: left_ms(memory),
        },
        Code::LeaseOver => Reason::LeaseOver {},
        Code::LeadershipLost => Reason::LeadershipLost {},
        Code::PrimaryBesideLeader => Reason::PrimaryBesideLeader {
            holder: holder(memory),
        },
        Code::PrimaryUnleased => Reason::PrimaryUnleased {},
        Code::PromotionLeftOver => Reason::PromotionLeftOver {},
        Code::WaitingForStore => Reason::WaitingForStore {},
        Code::StoreUnreachableLeading => Reason::StoreUnreachableLeading {
            left_ms: left_ms(memory),
        },
        Code::StoreUnreachable => Reason::StoreUnreachable {},
        Code::ReadOnlyWithoutStore => Reason::ReadOnlyWithoutStore {},

        Code::LeaderMissing => Reason::LeaderMissing {},
        Code::BestCandidate => Reason::BestCandidate {
            position: position(memory),
        },
        Code::NotCandidate => Reason::NotCandidate {
            vetoes: choose::fitness(memory).vetoes(),
        },
        Code::OwnLeadershipEnded => Reason::OwnLeadershipEnded {},
        Code::StalePrimary => Reason::StalePrimary {
            vetoes: choose::fitness(memory).vetoes(),
        },
        Code::AdoptingCluster => Reason::AdoptingCluster { mine: mine(memory) },
        Code::StartWithoutLeader => Reason::StartWithoutLeader {},
        Code::AwaitingSuccessor => Reason::AwaitingSuccessor {},

        Code::FollowingLeader => Reason::FollowingLeader {
            holder: followed(memory),
            timeline: position(memory).timeline,
        },
        Code::AwaitingPromotion => Reason::AwaitingPromotion {
            holder: holder(memory),
        },
        Code::FollowNewLeader => Reason::FollowNewLeader {
            holder: followed(memory),
        },
        Code::CopyingSlots => Reason::CopyingSlots {
            holder: holder(memory),
            slots: carry::names(memory),
        },
        Code::CopyingSlotsDown => Reason::CopyingSlotsDown {
            holder: holder(memory),
            slots: carry::names(memory),
        },
        Code::SlotsAwaitSync => Reason::SlotsAwaitSync {
            holder: holder(memory),
            slots: carry::names(memory),
        },
        Code::CatchingUp => Reason::CatchingUp {
            holder: followed(memory),
            replayed: position(memory).lsn,
        },
        Code::AskingRelay => Reason::AskingRelay {
            relay: followed(memory),
            holder: holder(memory),
        },
        Code::DetachingForRelay => Reason::DetachingForRelay {
            relay: followed(memory),
            holder: holder(memory),
        },
        Code::CheckingDivergence => Reason::CheckingDivergence {
            holder: compared(memory),
        },
        Code::DivergedFromLeader => Reason::DivergedFromLeader {
            holder: compared(memory),
            mine: position(memory),
            fork: fork(memory),
        },
        Code::RewindingToLeader => Reason::RewindingToLeader {
            holder: compared(memory),
            mine: position(memory),
            fork: fork(memory),
        },
        Code::RewindAwaitsCheckpoint => Reason::RewindAwaitsCheckpoint {
            holder: compared(memory),
        },
        Code::RewindFailed => Reason::RewindFailed {
            holder: compared(memory),
            error: last_error(memory, "rewind"),
        },
        Code::DivergedBarred => Reason::DivergedBarred {
            holder: compared(memory),
            mine: position(memory),
            fork: fork(memory),
            why: rejoining::barred(memory),
        },
        Code::WreckBarred => Reason::WreckBarred {
            why: rejoining::wreck(memory),
            advice: rejoining::ADVICE_ON_WRECKS.to_owned(),
        },
        Code::WreckReplaced => Reason::WreckReplaced {
            holder: holder(memory),
            why: rejoining::wreck(memory),
        },
        Code::WreckAwaitsLeader => Reason::WreckAwaitsLeader {
            why: rejoining::wreck(memory),
        },
        Code::MissingWal => Reason::MissingWal {
            holder: followed(memory),
            segment: rejoining::segment(memory),
        },
        Code::MissingWalReplaced => Reason::MissingWalReplaced {
            holder: holder(memory),
            segment: rejoining::segment(memory),
        },
        Code::NewerThanLeader => Reason::NewerThanLeader {
            holder: holder(memory),
            mine: position(memory),
        },
        Code::DivergedLeaderUnproven => Reason::DivergedLeaderUnproven {
            holder: compared(memory),
        },
        Code::DetachingFirst => Reason::DetachingFirst {
            holder: followed(memory),
        },
        Code::BootstrapLost => Reason::BootstrapLost {},
        Code::Releasing => Reason::Releasing {},
        Code::StartToCompare => Reason::StartToCompare {
            holder: followed(memory),
        },
        Code::StartFollowing => Reason::StartFollowing {
            holder: followed(memory),
        },
        Code::StartFailed => Reason::StartFailed {
            error: last_error(memory, "start-standby"),
        },
        Code::StandbyStarting => Reason::StandbyStarting {},
        Code::StandbyStopping => Reason::StandbyStopping {},
        Code::StandbyUnresponsive => Reason::StandbyUnresponsive {},

        Code::CloneFromLeader => Reason::CloneFromLeader {
            holder: holder(memory),
        },
        Code::CopyFromBackup => Reason::CopyFromBackup {},
        Code::CloneFailed => Reason::CloneFailed {
            error: last_error(memory, "clone"),
        },
        Code::NoLeaderToClone => Reason::NoLeaderToClone {},
        Code::ClaimingBootstrap => Reason::ClaimingBootstrap {},
        Code::Bootstrapping => Reason::Bootstrapping {},
        Code::BootstrapDone => Reason::BootstrapDone { mine: mine(memory) },
        Code::BootstrapFailed => Reason::BootstrapFailed {
            error: last_error(memory, "bootstrap"),
        },
        Code::BootstrapElsewhere => Reason::BootstrapElsewhere {},
        Code::BootstrapNotAllowed => {
            let mut vetoes = candidate::standing_vetoes(memory);
            if memory.settings.bootstrap_config.is_none() {
                vetoes.push(Veto::NoBootstrapSection);
            }
            Reason::BootstrapNotAllowed { vetoes }
        }

        Code::MoveChecking => Reason::MoveChecking {},
        Code::MoveWaiting => Reason::MoveWaiting {},
        Code::MoveImpossible => Reason::MoveImpossible {
            why: crate::situation::why_impossible(memory),
        },
        Code::MoveDue => Reason::MoveDue {},
        Code::MoveDone => Reason::MoveDone {},
        Code::MoveCheckpoint => Reason::MoveCheckpoint {},
        Code::MoveStopping => Reason::MoveStopping {},
        Code::MoveConfirming => Reason::MoveConfirming { end: end(memory) },
        Code::MoveReleased => Reason::MoveReleased { end: end(memory) },
        Code::MoveAbandoned => Reason::MoveAbandoned { end: end(memory) },

        Code::Paused => Reason::Paused {},
        Code::PausedRelease => Reason::PausedRelease {},
        Code::PausedAcquire => Reason::PausedAcquire {},
        Code::RestartDue => Reason::RestartDue {},
        Code::RestartMissed => Reason::RestartMissed {
            why: crate::restart::missed(memory).unwrap_or_default(),
        },
        Code::RestartCheckpoint => Reason::RestartCheckpoint {},
        Code::RestartLeavingSync => Reason::RestartLeavingSync {
            leader: holder(memory),
        },
        Code::ReplayBlocked => Reason::ReplayBlocked {},
        Code::RestartStopping => Reason::RestartStopping {},
        Code::RestartStarting => Reason::RestartStarting {
            timeout_seconds: crate::restart::start_limit(memory)
                .unwrap_or_else(|| memory.rules.start_limit())
                .as_secs(),
        },
        Code::ReinitChecking => Reason::ReinitChecking {
            holder: holder(memory),
        },
        Code::Reinitializing => Reason::Reinitializing {
            holder: holder(memory),
        },
        Code::LeavingSync => Reason::LeavingSync {
            leader: holder(memory),
        },
        Code::LeavingStop => Reason::LeavingStop {},
        Code::LeavingConfirm => Reason::LeavingConfirm { end: end(memory) },
        Code::LeavingRelease => Reason::LeavingRelease { end: end(memory) },
        Code::LeavingSession => Reason::LeavingSession {},
        Code::LeavingPaused => Reason::LeavingPaused {},
        Code::Left => Reason::Left {},
    }
}

fn mine(memory: &Memory) -> SystemId {
    own_system_id(memory).unwrap_or(SystemId(0))
}

/// The identity of the local data.
pub(crate) fn own_system_id(memory: &Memory) -> Option<SystemId> {
    match &memory.local.as_ref()?.data {
        DataView::Cluster(control) => Some(control.system_id),
        DataView::Wreck(wreck) => Some(wreck.system_id),
        DataView::Empty | DataView::Leftover | DataView::Unusable(_) => None,
    }
}

fn cluster(memory: &Memory) -> SystemId {
    use crate::view::Initialize;
    match memory.view.as_ref().map(|view| &view.initialize.value) {
        Some(Initialize::Known(system_id)) => *system_id,
        Some(Initialize::Absent | Initialize::Claimed { .. }) | None => SystemId(0),
    }
}

fn unusable(memory: &Memory) -> String {
    match memory.local.as_ref().map(|local| &local.data) {
        Some(DataView::Unusable(what)) => what.clone(),
        Some(DataView::Empty | DataView::Leftover | DataView::Wreck(_) | DataView::Cluster(_))
        | None => "the data directory cannot be used".to_owned(),
    }
}

fn task(memory: &Memory) -> &'static str {
    memory
        .work
        .on(Lane::Server)
        .map_or("no task", |running| running.task.name())
}

fn position(memory: &Memory) -> Position {
    let none = Position {
        timeline: Timeline(0),
        lsn: Lsn(0),
    };
    memory
        .server()
        .and_then(ServerView::position)
        .unwrap_or(none)
}

fn generation(memory: &Memory) -> Generation {
    let seen = memory.view.as_ref().and_then(|view| view.leader.as_ref());
    let seen = seen.map(|leader| leader.generation);
    memory.lease.leadership().or(seen).unwrap_or_default()
}

fn holder(memory: &Memory) -> MemberName {
    let seen = memory.view.as_ref().and_then(|view| view.leader.as_ref());
    seen.map(|leader| leader.name.clone()).unwrap_or_default()
}

/// Whom our standby follows or is to follow: another standby, who leads, or what the standby cluster
/// that we lead follows.
fn followed(memory: &Memory) -> MemberName {
    if let Some(relay) = crate::cascade::followed(memory) {
        return relay.name;
    }
    let holder = holder(memory);
    // While the cluster is made nobody leads it yet.
    let is_ours = holder == *memory.me() || holder == MemberName::default();
    if is_ours && remote::is_followed(memory) {
        return remote::source_name(memory);
    }
    holder
}

/// Whose history ours is compared with.
fn compared(memory: &Memory) -> MemberName {
    if remote::is_followed(memory) {
        return remote::source_name(memory);
    }
    holder(memory)
}

fn left_ms(memory: &Memory) -> u64 {
    let fence_at = memory.lease.fence_at().unwrap_or_default();
    u64::try_from(fence_at.since(memory.mono()).as_millis()).unwrap_or(u64::MAX)
}

fn end(memory: &Memory) -> Lsn {
    word::shutdown_checkpoint(memory).unwrap_or_else(|| word::published_or_own_end(memory))
}

fn fork(memory: &Memory) -> Lsn {
    let Some(check) = &memory.identity else {
        return Lsn(0);
    };
    match crate::rejoin::relate(position(memory), &check.identity) {
        crate::rejoin::Relation::Diverged { fork } => fork,
        crate::rejoin::Relation::Ancestor | crate::rejoin::Relation::Unknown => Lsn(0),
    }
}

/// A script that agrees ends what is remembered of its refusals.
fn promotion_error(memory: &Memory) -> String {
    let is_refused = memory.work.attempts("pre-promote").is_some();
    last_error(memory, if is_refused { "pre-promote" } else { "promote" })
}

fn last_error(memory: &Memory, task: &'static str) -> String {
    memory
        .work
        .attempts(task)
        .map(|attempts| attempts.last_error.clone())
        .unwrap_or_default()
}
