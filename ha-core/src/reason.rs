//! Why a decision was taken: the dictionary of the system.
//!
//! Each entry has a stable code for logs, metrics, the API and tests, and one sentence with the
//! numbers that mattered. Holding back has reasons as well: "why is nobody promoted?" is what
//! operators ask. A code is never reused for another meaning.

mod veto;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

use crate::value::{Generation, Lsn, MemberName, Position, SystemId, Timeline};
use veto::Unpromiseds;
pub(crate) use veto::Vetoes;
pub use veto::{Unpromised, Veto};

macro_rules! reasons {
    ($( $(#[$doc:meta])+ $name:ident { $($field:ident : $type:ty),* } $code:literal $sentence:literal $(, $shown:ident = $how:expr)?; )*) => {
        /// The code of a [`Reason`] without its data: what the decision tables speak in.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $( $(#[$doc])+ $name, )* }

        impl Code {
            /// All codes, in the order of the dictionary.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// The stable text of the code.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$name => $code, )* }
            }

            /// The sentence, with its data still to be filled in.
            #[must_use]
            pub const fn template(self) -> &'static str {
                match self { $( Self::$name => $sentence, )* }
            }
        }

        /// Why a decision was taken, with the data that mattered.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(tag = "code", rename_all = "kebab-case")]
        #[allow(missing_docs, reason = "the fields are what the sentence beside them says")]
        pub enum Reason { $( $(#[$doc])+ $name { $($field: $type),* }, )* }

        impl Reason {
            /// The stable code.
            #[must_use]
            pub const fn code(&self) -> Code {
                match self { $( Self::$name { .. } => Code::$name, )* }
            }
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $( Self::$name { $($field),* } => write!(f, $sentence $(, $shown = $how)?), )* }
            }
        }
    };
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

reasons! {
    // Before anything else.
    /// The first look at store and server is not complete.
    GettingStarted {} "getting-started" "the first look at the store and at PostgreSQL is not complete";
    /// Another agent may be running under this name.
    NameUnproven { name: MemberName } "name-unproven" "asking whether another agent runs under the name {name}";
    /// Another agent is running under this name.
    NameTaken { name: MemberName } "name-taken" "another agent runs under the name {name}: give this member another name";
    /// The data belongs to another cluster.
    SystemIdMismatch { mine: SystemId, cluster: SystemId } "system-id-mismatch" "the data directory has system identifier {mine}, the cluster {cluster}: it belongs to another cluster and is left alone";
    /// A running replica found no cluster to belong to.
    ReplicaWithoutCluster {} "replica-without-cluster" "PostgreSQL runs as a replica and the store knows no cluster: start the member whose PostgreSQL is the primary first";
    /// The store forgot the cluster that this member belongs to.
    StoreForgotCluster { mine: SystemId } "store-forgot-cluster" "the store no longer knows the cluster {mine}: only its primary may record it again";
    /// The data directory cannot be used.
    DataUnusable { what: String } "data-unusable" "{what}; it is left alone";
    /// A long task owns the server.
    TaskRunning { task: &'static str } "task-running" "{task} is running";

    // Leading a standby cluster.
    /// This member leads a standby cluster.
    StandbyLeading { source: MemberName, timeline: Timeline } "standby-leading" "leading a standby cluster that follows {source}, on timeline {timeline}";
    /// The primary of a cluster that has become a standby cluster.
    DemotingCluster { source: MemberName } "demoting-cluster" "the cluster is to follow {source}: our primary is stopped in order";
    /// Another member takes a standby cluster over, as it was asked for.
    StandbyLeaderMoved {} "standby-leader-moved" "another member is to lead the standby cluster: the leadership is given up";
    /// The server of a standby cluster's leader does not start.
    StandbyLeaderReleased { error: String } "standby-leader-released" "our standby does not start ({error}): the leadership of the standby cluster is given up";
    /// Another member leads a standby cluster and does not follow what it should yet.
    AwaitingStandbyLeader { holder: MemberName, source: MemberName } "awaiting-standby-leader" "{holder} leads the standby cluster and does not follow {source} yet";
    /// The first copy of a standby cluster.
    CopyingSource { source: MemberName } "copying-source" "making the standby cluster: copying {source}";
    /// The first start of a standby cluster.
    StartingCopy { source: MemberName } "starting-copy" "making the standby cluster: starting our copy as a standby of {source}";

    // Leading.
    /// This member leads.
    Leading { timeline: Timeline } "leading" "leading on timeline {timeline}";
    /// This member leads, and no commit is acknowledged.
    LeadingBlocked { timeline: Timeline } "leading-blocked" "leading on timeline {timeline}; commits wait, because synchronous_mode_strict is on and no standby is there that could confirm them";
    /// The leadership is won; what commits will wait for is written down first.
    SyncBeforePromotion {} "sync-before-promotion" "the leadership is ours: the sync key is made to say who has every commit once we are promoted";
    /// The leadership is won: the standby becomes primary.
    LeaseAcquired { generation: Generation } "lease-acquired" "promoting: the leadership of generation {generation} is ours";
    /// The leader's server is starting.
    LeaderStarting {} "leader-starting" "our PostgreSQL is starting, the leadership is kept meanwhile";
    /// The leader's server is going down.
    LeaderStopping {} "leader-stopping" "our PostgreSQL is stopping, the leadership is kept meanwhile";
    /// The leader's server does not answer.
    LeaderUnresponsive {} "leader-unresponsive" "our PostgreSQL runs and does not answer, the leadership is kept";
    /// A crashed primary is started where it is.
    RestartInPlace { timeout_seconds: u64 } "restart-in-place" "our primary is down: it may start again within {timeout_seconds} s before another takes over";
    /// A primary starts for too long: is there somebody else?
    StartSlow {} "start-slow" "our PostgreSQL does not come up in time: asking the others who can take over";
    /// A primary that starts for too long.
    StartOverdue {} "start-overdue" "our PostgreSQL does not come up in time and another member can take over: every process of it is killed";
    /// A crashed primary has nobody to take over.
    NoSuccessor {} "no-successor" "our primary is down and no other member can take over: it is started in place";
    /// A crashed primary asks who could take over.
    AskingSuccessors {} "asking-successors" "our primary is down: asking the others who can take over, and making sure that no process of it is left";
    /// No process of the dead server is left, but that is not proven yet.
    ProvingDeath {} "proving-death" "making sure that no process of our PostgreSQL is left";
    /// The leadership is given up after a crash.
    ReleasedAfterCrash {} "released-after-crash" "our primary is dead, no process of it is left: the leadership is given up to a member that can take over";
    /// The leadership was won but the server died before its promotion.
    ReleasedUnpromoted {} "released-unpromoted" "our server died before it was promoted: the leadership is given up";
    /// The leader lost its data directory.
    ReleasedWithoutData {} "released-without-data" "our data directory is gone or cannot be used: the leadership is given up";
    /// A promotion failed.
    ReleasedAfterFailedPromotion { error: String } "released-after-failed-promotion" "our promotion failed ({error}): the leadership is given up and we hold back for one lease time";
    /// The leadership was taken by an earlier run of this agent.
    ResumingLease { generation: Generation } "resuming-lease" "the leadership of generation {generation} is ours from an earlier run: binding it to the new session";
    /// A leadership that a primary took is continued by a standby: its promotion needs a timeline.
    ReservingTimeline {} "reserving-timeline" "the leadership is ours and our server is a standby: reserving the timeline that its promotion begins";
    /// A script of the operator's must agree to the promotion.
    AskingAboutPromotion { generation: Generation } "asking-about-promotion" "the leadership of generation {generation} is ours: asking pre_promote whether our standby may be promoted";
    /// The leadership was lost while that script ran.
    AskedInVain {} "asked-in-vain" "the leadership is not ours any more: ending pre_promote";

    /// The leadership was taken by an earlier run, and this one has promised to hold back.
    ResumeHeldBack { to: MemberName } "resume-held-back" "the leader key is in our name from an earlier run of this agent, and we have promised {to} to hold back";
    /// The store does not answer, and failsafe mode cannot help.
    FailsafeUnlisted { left_ms: u64 } "failsafe-unlisted" "the store does not confirm our leadership, which ends in {left_ms} ms: failsafe_mode is on, and we know no present failsafe key that names us";
    /// The store does not answer: the others are asked to hold back.
    FailsafeAsking { left_ms: u64 } "failsafe-asking" "the store does not confirm our leadership, which ends in {left_ms} ms: asking all members of the failsafe key to hold back";
    /// The store does not answer, and all others hold back.
    FailsafePromised { left_ms: u64 } "failsafe-promised" "the store does not confirm our leadership: leading on, because all members of the failsafe key hold back, for {left_ms} ms from now";
    /// The store does not answer, and not all others hold back.
    FailsafeRefused { unpromised: Vec<Unpromised>, left_ms: u64 } "failsafe-refused" "the store does not confirm our leadership, which ends in {left_ms} ms: not all members of the failsafe key hold back: {unpromised}", unpromised = Unpromiseds(unpromised);
    /// The store answers again and has no leader key: it is taken anew.
    FailsafeReturning {} "failsafe-returning" "the store answers again and knows no leader: the others hold back for us, taking the leadership anew";

    // Losing the lease.
    /// The lease could not be renewed and is about to end.
    LeaseEnding { left_ms: u64 } "lease-ending" "the lease was not renewed and ends in {left_ms} ms: nothing of ours may write any more";
    /// The lease has ended.
    LeaseOver {} "lease-over" "the lease has ended without renewal: every process of our PostgreSQL is killed";
    /// Somebody removed or took the leader key.
    LeadershipLost {} "leadership-lost" "the leader key is no longer ours: every process of our PostgreSQL is killed";
    /// A primary without a lease while another member leads.
    PrimaryBesideLeader { holder: MemberName } "primary-beside-leader" "our PostgreSQL runs as primary while {holder} leads: every process of it is killed";
    /// A primary without a lease and without a store to ask.
    PrimaryUnleased {} "primary-unleased" "our PostgreSQL runs as primary, the store cannot be asked and no lease is known: every process of it is killed";
    /// A standby that an earlier order makes a primary at any moment, and nobody who leads it.
    PromotionLeftOver {} "promotion-left-over" "our standby was told to become a primary under a lease that is over: every process of it is killed";
    /// The agent has just started and the store has not answered yet.
    WaitingForStore {} "waiting-for-store" "waiting for the store to answer";
    /// The store is out of reach, the lease still holds.
    StoreUnreachableLeading { left_ms: u64 } "store-unreachable-leading" "the store is unreachable, our lease holds for another {left_ms} ms";
    /// The store is out of reach.
    StoreUnreachable {} "store-unreachable" "the store is unreachable: a standby stays as it is";
    /// A server that we stopped because of the store serves reads.
    ReadOnlyWithoutStore {} "read-only-without-store" "the store is unreachable: PostgreSQL is started read-only, behind the last known leader if that is another member on our timeline";

    // No leader.
    /// A healthy standby asks the others before it races.
    LeaderMissing {} "leader-missing" "there is no leader: asking the others for their positions";
    /// The best candidate takes the leadership.
    BestCandidate { position: Position } "best-candidate" "there is no leader and nobody is ahead of {position}: taking the leadership";
    /// Not allowed to race.
    NotCandidate { vetoes: Vec<Veto> } "not-candidate" "there is no leader and this member may not lead: {vetoes}", vetoes = Vetoes(vetoes);
    /// A primary whose leadership has ended, and nobody else has led since.
    OwnLeadershipEnded {} "own-leadership-ended" "there is no leader, we were the last one and our primary still runs: taking the leadership back";
    /// A primary that cannot prove to be the newest.
    StalePrimary { vetoes: Vec<Veto> } "stale-primary" "our PostgreSQL runs as primary without a lease and may not lead ({vetoes}): stopping it", vetoes = Vetoes(vetoes);
    /// A running primary is taken over into an empty store.
    AdoptingCluster { mine: SystemId } "adopting-cluster" "the store knows no cluster and our primary runs: recording its identifier {mine}";
    /// Starting as a standby, to see where the WAL ends.
    StartWithoutLeader {} "start-without-leader" "there is no leader: starting as a standby to find the end of our WAL";
    /// The old leader gives the next one a moment.
    AwaitingSuccessor {} "awaiting-successor" "the leadership was handed over: waiting for the next leader";

    // Following.
    /// Streaming from the leader.
    FollowingLeader { holder: MemberName, timeline: Timeline } "following-leader" "following {holder} on timeline {timeline}";
    /// The leader is known but not yet primary.
    AwaitingPromotion { holder: MemberName } "awaiting-promotion" "{holder} leads and is not primary yet";
    /// Pointing at a new leader.
    FollowNewLeader { holder: MemberName } "follow-new-leader" "pointing our standby at {holder}";
    /// Nothing more is received before the histories are compared.
    DetachingFirst { holder: MemberName } "detaching-first" "{holder} leads on another timeline: our standby stops receiving until their histories are compared";
    /// A standby that should stream from another standby asks how far that one is.
    AskingRelay { relay: MemberName, holder: MemberName } "asking-relay" "{relay} is to be streamed from in place of {holder}: asking whether it has everything that we have";
    /// A standby that should stream from another standby stops receiving first.
    DetachingForRelay { relay: MemberName, holder: MemberName } "detaching-for-relay" "{relay} is to be streamed from in place of {holder}: our standby stops receiving until {relay} has everything that we have";
    /// Our data lacks logical slots of the leader's: the server is stopped for them.
    CopyingSlots { holder: MemberName, slots: String } "copying-slots" "logical slots of {holder} are missing here ({slots}): our standby is stopped for a moment to copy them";
    /// Our data lacks logical slots of the leader's, and the server is down.
    CopyingSlotsDown { holder: MemberName, slots: String } "copying-slots-down" "before our standby starts, logical slots of {holder} are copied if they are missing ({slots})";
    /// Our data lacks logical slots of the leader's, whose commits wait for our standby.
    SlotsAwaitSync { holder: MemberName, slots: String } "slots-await-sync" "logical slots of {holder} are missing here ({slots}): waiting until its commits do not wait for our standby any more, which is then stopped to copy them";
    /// Not streaming yet.
    CatchingUp { holder: MemberName, replayed: Lsn } "catching-up" "not streaming from {holder} yet, replayed up to {replayed}";
    /// Checking the history against the leader's.
    CheckingDivergence { holder: MemberName } "checking-divergence" "not streaming from {holder}: comparing our history with its own";
    /// Our data is on a later timeline than the leader's: somebody must decide.
    NewerThanLeader { holder: MemberName, mine: Position } "newer-than-leader" "our WAL ends at {mine}, a later timeline than the one that {holder} leads: it is not removed, somebody must decide which copy is kept";
    /// Our WAL has records that the leader's history lacks.
    DivergedFromLeader { holder: MemberName, mine: Position, fork: Lsn } "diverged-from-leader" "our WAL ends at {mine}, the history of {holder} left that timeline at {fork}: copying its data anew";
    /// Our WAL has records that the leader's history lacks, and they may be undone.
    RewindingToLeader { holder: MemberName, mine: Position, fork: Lsn } "rewinding-to-leader" "our WAL ends at {mine}, the history of {holder} left that timeline at {fork}: rewinding our data to it";
    /// A rewind would take the leader for what it was before its promotion.
    RewindAwaitsCheckpoint { holder: MemberName } "rewind-awaits-checkpoint" "our data diverged from {holder}, which has still to write the checkpoint that a rewind begins with";
    /// A rewind did not begin.
    RewindFailed { holder: MemberName, error: String } "rewind-failed" "our data diverged from {holder}, and rewinding it did not begin ({error}): trying again later";
    /// Our WAL has records that the leader's history lacks, and nothing may be done about it.
    DivergedBarred { holder: MemberName, mine: Position, fork: Lsn, why: String } "diverged-barred" "our WAL ends at {mine}, the history of {holder} left that timeline at {fork}, and our data is left alone: {why}";
    /// A rewind was broken off, and nothing may be done about what it left.
    WreckBarred { why: String, advice: String } "wreck-barred" "a rewind did not come to its end ({why}) and what it left is never started: {advice}";
    /// A rewind was broken off, and what it left may be replaced.
    WreckReplaced { holder: MemberName, why: String } "wreck-replaced" "a rewind did not come to its end ({why}): what it left is replaced by a copy of {holder}";
    /// A rewind was broken off, and nobody has proven to hold the good copy.
    WreckAwaitsLeader { why: String } "wreck-awaits-leader" "a rewind did not come to its end ({why}) and what it left is never started: waiting for a leader that proves to be a running primary";
    /// The leader does not have the WAL any more that our standby needs.
    MissingWal { holder: MemberName, segment: String } "missing-wal" "our standby needs WAL segment {segment}, which {holder} does not have any more, and no archive gives it: put it into pg_wal or the archive, reinitialise this member, or permit that with postgresql.remove_data_directory_on_missing_wal";
    /// The same, and the settings permit to replace our copy.
    MissingWalReplaced { holder: MemberName, segment: String } "missing-wal-replaced" "our standby needs WAL segment {segment}, which {holder} does not have any more: copying its data anew";
    /// The leader must be a live primary before data is removed for it.
    DivergedLeaderUnproven { holder: MemberName } "diverged-leader-unproven" "our data diverged from {holder}, which has not proven to be a running primary: our copy is kept";
    /// A stopped standby is started behind the leader.
    StartFollowing { holder: MemberName } "start-following" "starting as a standby of {holder}";
    /// We made a cluster, and another member is making or has made it.
    BootstrapLost {} "bootstrap-lost" "our claim to make the cluster has ended: the server that we made is killed";
    /// A release that was begun is finished, whatever has become of its reason.
    Releasing {} "releasing" "the leadership is being given up: nothing is started under it any more";
    /// Starting without an upstream, because the leader is on another timeline.
    StartToCompare { holder: MemberName } "start-to-compare" "{holder} leads on another timeline: starting as a standby of nobody, to compare their histories";
    /// Starting did not work.
    StartFailed { error: String } "start-failed" "PostgreSQL did not start ({error}): trying again later";
    /// A standby is starting.
    StandbyStarting {} "standby-starting" "our PostgreSQL is starting";
    /// A standby is stopping.
    StandbyStopping {} "standby-stopping" "our PostgreSQL is stopping";
    /// A standby does not answer.
    StandbyUnresponsive {} "standby-unresponsive" "our PostgreSQL runs and does not answer";

    // No data.
    /// Copying the leader's data.
    CloneFromLeader { holder: MemberName } "clone-from-leader" "our data directory is empty: copying from {holder}";
    /// Restoring a copy, without a leader.
    CopyFromBackup {} "copy-from-backup" "our data directory is empty and nobody has led for a while: restoring a copy from a backup";
    /// Copying did not work.
    CloneFailed { error: String } "clone-failed" "copying did not work ({error}): trying again later";
    /// Nobody to copy from.
    NoLeaderToClone {} "no-leader-to-clone" "our data directory is empty: waiting for a leader to copy from";
    /// Claiming the right to make the cluster.
    ClaimingBootstrap {} "claiming-bootstrap" "nobody made this cluster yet: claiming to make it";
    /// Making the cluster.
    Bootstrapping {} "bootstrapping" "making the cluster";
    /// The cluster is made: recording it and taking the leadership.
    BootstrapDone { mine: SystemId } "bootstrap-done" "the cluster {mine} is made: recording it and taking the leadership";
    /// Making the cluster did not work.
    BootstrapFailed { error: String } "bootstrap-failed" "making the cluster did not work: {error}";
    /// Somebody else makes the cluster.
    BootstrapElsewhere {} "bootstrap-elsewhere" "another member makes the cluster";
    /// This member may not make a cluster.
    BootstrapNotAllowed { vetoes: Vec<Veto> } "bootstrap-not-allowed" "nobody made this cluster yet and this member may not: {vetoes}", vetoes = Vetoes(vetoes);

    // Moving the leadership.
    /// A switchover asks whether the candidate can take over.
    MoveChecking {} "move-checking" "a switchover is wanted: asking who can take over";
    /// A switchover cannot be done.
    MoveImpossible { why: String } "move-impossible" "the wanted switchover cannot be done: {why}";
    /// The time of a scheduled switchover has come.
    MoveDue {} "move-due" "the time of the scheduled switchover has come: it begins now";
    /// A wanted move is done.
    MoveDone {} "move-done" "we lead as it was asked for: the request is removed";
    /// A switchover waits until somebody would receive the last records.
    MoveWaiting {} "move-waiting" "a switchover is wanted: waiting for a successor to stream from our primary";
    /// A switchover writes a checkpoint first, so that the stop is short.
    MoveCheckpoint {} "move-checkpoint" "a switchover is wanted: writing a checkpoint so that the stop is short";
    /// A switchover stops the primary.
    MoveStopping {} "move-stopping" "a switchover is wanted: stopping our primary in order";
    /// Nothing is released before the successor has everything.
    MoveConfirming { end: Lsn } "move-confirming" "our primary has stopped at {end}: asking whether the successor has received everything";
    /// The leadership is handed over.
    MoveReleased { end: Lsn } "move-released" "the successor has everything up to {end}: the leadership is handed over";
    /// The successor did not receive everything.
    MoveAbandoned { end: Lsn } "move-abandoned" "no successor has received everything up to {end}: starting our primary again";

    // Maintenance and shutdown.
    /// Pause: nothing is changed.
    Paused {} "paused" "the cluster is paused: PostgreSQL is left as it is";
    /// Pause: a leader whose server is no primary gives up the key.
    PausedRelease {} "paused-release" "the cluster is paused and our server is no primary: the leadership is given up";
    /// Pause: a running primary takes the free leadership.
    PausedAcquire {} "paused-acquire" "the cluster is paused, there is no leader and our primary runs: taking the leadership";
    /// The time of a scheduled restart has come.
    RestartDue {} "restart-due" "the time of the scheduled restart has come";
    /// The time of a scheduled restart has come, and it is not carried out.
    RestartMissed { why: String } "restart-missed" "the scheduled restart is not carried out: {why}";
    /// A restart writes a checkpoint first, so that the stop is short.
    RestartCheckpoint {} "restart-checkpoint" "a restart is wanted: writing a checkpoint so that the stop is short";
    /// The primary has larger settings than our standby was started with.
    ReplayBlocked {} "replay-blocked" "our standby was started with smaller settings than the primary has, and replays nothing more: stopping it, to start it with those";
    /// A restart is wanted while commits wait for this standby.
    RestartLeavingSync { leader: MemberName } "restart-leaving-sync" "a restart is wanted: waiting until commits of {leader} do not wait for us any more";
    /// A restart stops the server.
    RestartStopping {} "restart-stopping" "a restart is wanted: stopping our PostgreSQL in order";
    /// A restart starts the leader's server again.
    RestartStarting { timeout_seconds: u64 } "restart-starting" "starting our primary again for the restart: it may take {timeout_seconds} s before another member takes over";
    /// A new copy is wanted: the leader must prove itself first.
    ReinitChecking { holder: MemberName } "reinit-checking" "a new copy of the data is wanted: asking whether {holder} is a running primary";
    /// A new copy is made.
    Reinitializing { holder: MemberName } "reinitializing" "a new copy of the data is wanted and {holder} is a running primary: removing ours and copying anew";
    /// The agent is asked to stop while commits wait for this standby.
    LeavingSync { leader: MemberName } "leaving-sync" "the agent is asked to stop: waiting until commits of {leader} do not wait for us any more";
    /// The agent stops: its server first.
    LeavingStop {} "leaving-stop" "the agent is asked to stop: stopping PostgreSQL in order";
    /// The agent stops: is there a successor?
    LeavingConfirm { end: Lsn } "leaving-confirm" "our primary has stopped at {end}: asking who has received everything";
    /// The agent stops: the leadership is handed over.
    LeavingRelease { end: Lsn } "leaving-release" "our primary has stopped at {end}: the leadership is handed over";
    /// The agent stops: the session ends.
    LeavingSession {} "leaving-session" "PostgreSQL has stopped: ending our session";
    /// The agent stops and leaves a paused server running.
    LeavingPaused {} "leaving-paused" "the agent stops; the cluster is paused: PostgreSQL and the leader key are left as they are";
    /// The agent has nothing more to do.
    Left {} "left" "stopped in order";
}

impl Reason {
    /// What keeps the member from leading, when that is what the reason is about.
    #[must_use]
    pub fn vetoes(&self) -> &[Veto] {
        if let Self::NotCandidate { vetoes }
        | Self::StalePrimary { vetoes }
        | Self::BootstrapNotAllowed { vetoes } = self
        {
            vetoes
        } else {
            &[]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Bytes;
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in codes {
            assert!(
                code.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{code}"
            );
        }
    }

    #[test]
    fn the_json_tag_is_the_code() {
        let reason = Reason::NotCandidate {
            vetoes: alloc::vec![Veto::WalEndNotReached],
        };
        let json = serde_json::to_value(&reason).unwrap();
        assert_eq!(json["code"], reason.code().as_str());
        assert_eq!(json["vetoes"][0]["veto"], "wal-end-not-reached");
    }

    #[test]
    fn a_sentence_lists_every_veto() {
        let vetoes = alloc::vec![
            Veto::Lagging {
                by: Bytes(18 << 20),
                limit: Bytes(1 << 20)
            },
            Veto::PeerAhead {
                name: MemberName::from("b"),
                at: Position {
                    timeline: Timeline(2),
                    lsn: Lsn(0x300_0000)
                },
            },
        ];
        assert_eq!(
            Reason::NotCandidate { vetoes }.to_string(),
            "there is no leader and this member may not lead: lagging by 18 MiB, limit 1024 KiB, \
             b is ahead at 0/3000000@2"
        );
    }
}
