//! Rules that can be broken at run time, one at a time, to show that each break is noticed.
//!
//! **Never for a machine that people trust.** A [`Mutant`] is chosen by `Boot::mutant`, which
//! exists only under the cargo feature `mutants`. Without it every question whether a rule is
//! broken is the constant `false`: what is shipped holds no branch of this.

#[cfg(feature = "mutants")]
mod choice;
#[cfg(feature = "mutants")]
mod commit;
#[cfg(all(test, feature = "mutants"))]
mod tests;

use crate::memory::Memory;
use crate::rejoin::Relation;
use crate::task::{Boot, Task};
use crate::value::{Lsn, Position};

/// A row for each mutant: its name, the invariant that should notice it, and the rule it breaks.
macro_rules! mutants {
    ($( $variant:ident $name:literal $expected:literal $breaks:literal; )+) => {
        /// A rule of the machine that can be broken. Never for a machine that people trust.
        #[cfg(feature = "mutants")]
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum Mutant {
            $( #[doc = $breaks] $variant, )+
        }

        #[cfg(not(feature = "mutants"))]
        #[expect(dead_code, reason = "some are only used where a rule can be broken")]
        #[derive(Clone, Copy)]
        pub(crate) enum Mutant { $( $variant, )+ }

        #[cfg(feature = "mutants")]
        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// Its name in options and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// What it does wrong, in a sentence.
            #[must_use]
            pub const fn breaks(self) -> &'static str {
                match self { $( Self::$variant => $breaks, )+ }
            }

            /// The invariant that should notice it.
            #[must_use]
            pub const fn expected(self) -> &'static str {
                match self { $( Self::$variant => $expected, )+ }
            }
        }
    };
}

mutants! {
    // What a standby cluster follows.
    StandbyLeaderPromotes "standby-leader-promotes" "machine-rule"
        "The leader of a standby cluster is promoted like any other.";

    // What the lease counts from, and until when.
    NoLeaseMargin "no-lease-margin" "fenced-in-time"
        "The kill begins at the end of the lease, not early enough to be done by then.";
    LeaseMarginAdded "lease-margin-added" "fenced-in-time"
        "The time for a kill is added to the lease instead of being taken off it.";
    RenewalCountsFromTheAnswer "renewal-counts-from-the-answer" "fenced-in-time"
        "A renewal counts from the moment its answer came, not from when it was sent.";
    SessionCountsFromTheAnswer "session-counts-from-the-answer" "fenced-in-time"
        "A new session counts from the moment its answer came, not from when it was asked for.";
    AskedTtlCounts "asked-ttl-counts" "fenced-in-time"
        "The time to live that was asked for counts, not the one that was granted.";
    UnknownRenewalCounts "unknown-renewal-counts" "fenced-in-time"
        "A renewal that nobody answered counts as one that worked.";
    RenewsTooLate "renews-too-late" "converges"
        "The session is renewed only after a leader has begun to step down for want of it.";
    RefusedProofIgnored "refused-proof-ignored" "one-writable-primary"
        "A renewal that found the leader key gone counts as one that worked.";
    SessionLossIgnored "session-loss-ignored" "converges"
        "A session that the store does not know any more is kept, and no other is opened.";
    LeadershipOutlivesSession "leadership-outlives-session" "one-writable-primary"
        "The leadership does not end with the session that held its key.";
    LossHasNoConsequence "loss-has-no-consequence" "one-writable-primary"
        "That the leadership was taken away is forgotten at once, although the server can write.";
    EndedLeadershipRevived "ended-leadership-revived" "promotion-under-grant"
        "A leadership that is known to have ended is taken up again when an old view shows it.";
    OldViewEndsLeadership "old-view-ends-leadership" "converges"
        "A view from before the leadership was taken ends it.";

    // Whether a server must stop, and who does it.
    NoDeadline "no-deadline" "fenced-in-time"
        "The lease has no end of its own: it is held until the store says that it is lost.";
    NoKill "no-kill" "fenced-in-time"
        "A server whose lease is over is asked to stop, and never killed.";
    FenceWaitsForTasks "fence-waits-for-tasks" "fenced-in-time"
        "A kill waits until the server's lane is free.";
    WakeForgetsFence "wake-forgets-fence" "fenced-in-time"
        "The machine does not ask to be woken when a server must be stopped or killed.";
    PromotingCountsAsHarmless "promoting-counts-as-harmless" "promotion-under-grant"
        "A server that is being made writable does not count as one that may write.";
    OrphansCountAsHarmless "orphans-count-as-harmless" "fenced-in-time"
        "Processes that outlived their postmaster do not count as a server that may write.";
    SilenceCountsAsHarmless "silence-counts-as-harmless" "fenced-in-time"
        "A primary that does not answer does not count as a server that may write.";
    UnknownSilenceIsLeftAlone "unknown-silence-is-left-alone" "one-writable-primary"
        "A server that does not answer and is in production is left alone beside another leader.";
    UnknownServerCountsAsStandby "unknown-server-counts-as-standby" "fenced-in-time"
        "A server that does not answer and that its agent has never seen counts as a standby.";
    LeftOrderIsForgotten "left-order-is-forgotten" "promotion-under-grant"
        "A standby that was told to become a primary counts as any other once that task has ended.";
    BlindAgentWaits "blind-agent-waits" "fenced-in-time"
        "An agent that has never seen the store lets a running primary be for as long as it takes.";
    ReleaseBeforeProof "release-before-proof" "one-writable-primary"
        "The leadership is given up before it is proven that no process of the server is left.";
    LanesAreShared "lanes-are-shared" "one-task-per-lane"
        "A task is started although another one runs on its lane.";
    DecisionsGoUntold "decisions-go-untold" "explained"
        "A decision that differs from the one before is not told.";

    // What is promised without the store.
    PromisesCountFromTheAnswer "promises-count-from-the-answer" "fenced-in-time"
        "A promise counts from the moment its answer came, not from when it was asked for.";
    OnePromiseIsEnough "one-promise-is-enough" "fenced-in-time"
        "A leader goes on without the store as long as anybody holds back.";
    PromisesAreBroken "promises-are-broken" "fenced-in-time"
        "A member takes the leadership although it has promised to hold back.";
    ForgottenPromisesAreBroken "forgotten-promises-are-broken" "fenced-in-time"
        "An agent that was started anew takes the leadership at once, whatever it promised before.";
    PromisesWhileTaking "promises-while-taking" "one-writable-primary"
        "A member promises to hold back although its own request for the leadership is on its way.";
    UnlistedMemberRaces "unlisted-member-races" "fenced-in-time"
        "A member that the failsafe key does not name takes the leadership.";
    RefusedListTrusted "refused-list-trusted" "fenced-in-time"
        "A leader that was refused to change the list goes on by the one that it sees.";
    DoubtfulListIgnored "doubtful-list-ignored" "fenced-in-time"
        "Members of a list that was written with an unknown outcome need not promise.";
    FailsafeListUnguarded "failsafe-list-unguarded" "store-discipline"
        "The leadership is taken whatever the failsafe key says meanwhile.";
    MissingListNamesNobody "missing-list-names-nobody" "fenced-in-time"
        "A leader that the failsafe key does not name, or without such a key, goes on all the same.";
    LatePromisesCount "late-promises-count" "fenced-in-time"
        "Promises that come after the leadership has run out bring it back.";
    RetakingKeepsPromises "retaking-keeps-promises" "fenced-in-time"
        "Promises count in full although their givers may have seen the key taken anew.";
    ShownLeadershipFrees "shown-leadership-frees" "fenced-in-time"
        "Any leadership that the store shows frees from a promise, also the one that was promised.";
    UnknownTakingForgotten "unknown-taking-forgotten" "one-writable-primary"
        "A request for the leadership whose outcome is unknown keeps nobody from promising.";

    // What the store and its operator say.
    NameProvesLeadership "name-proves-leadership" "converges"
        "A leader key with our name counts as ours, whatever session it lives with.";
    PauseIgnored "pause-ignored" "pause-means-pause"
        "A paused cluster is treated like any other.";
    PauseNeverEnds "pause-never-ends" "restart-equivalent"
        "Rules that are read while the cluster is paused are not taken over.";
    OlderViewsAccepted "older-views-accepted" "pause-means-pause"
        "A view that is older than the one already known replaces it.";
    SystemMismatchIgnored "system-mismatch-ignored" "same-system"
        "Data of another cluster counts as belonging to this one.";
    ForgottenClusterCountsAsAbsent "forgotten-cluster-counts-as-absent" "same-system"
        "A store that lost the cluster counts as one that never knew it.";
    ClaimOfAnotherCounts "claim-of-another-counts" "one-writable-primary"
        "Another member's claim to make the cluster counts as ours.";
    ClaimOutlivesItsSession "claim-outlives-its-session" "one-writable-primary"
        "A new cluster's server goes on although the claim to make it has ended with its session.";
    HandoverNeverEnds "handover-never-ends" "converges"
        "A leader that handed over waits for its successor for ever.";
    HandsOverWithoutProof "hands-over-without-proof" "bounded-loss-async"
        "A stopped leader hands over to a member that need not have its shutdown record.";

    // Who may lead.
    LagLimitIgnored "lag-limit-ignored" "bounded-loss-async"
        "A standby takes over however far it is behind.";
    OwnHistoryIgnored "own-history-ignored" "bounded-loss-async"
        "A standby that has begun a timeline elsewhere counts its bytes as those of the cluster's line.";
    UnrecordedTimelineIgnored "unrecorded-timeline-ignored" "bounded-loss-async"
        "A standby on an earlier timeline than the last leader came from counts all that it has.";
    OlderLineMeasures "older-line-measures" "converges"
        "What was published before our timeline was begun tells how far we are behind.";
    PeerAheadIgnored "peer-ahead-ignored" "rightful-leader"
        "A standby takes over although another one has more.";
    PeerTimelineIgnored "peer-timeline-ignored" "rightful-leader"
        "Positions of peers are compared without their timelines.";
    PeerPrimaryIgnored "peer-primary-ignored" "rightful-leader"
        "A member takes over although another one says that it is a primary.";
    ClusterTimelineIgnored "cluster-timeline-ignored" "rightful-leader"
        "A member takes over on a timeline that the cluster has left.";
    LastLeadershipIgnored "last-leadership-ignored" "rightful-leader"
        "A former primary takes the leadership back although somebody has led since.";
    PartedLineIgnored "parted-line-ignored" "bounded-loss-async"
        "A standby whose line has parted from the last leader's earlier one takes over.";
    ReplayingStandbyRaces "replaying-standby-races" "rightful-leader"
        "A standby takes over before it has seen the end of its own WAL.";
    SuccessorTimelineIgnored "successor-timeline-ignored" "bounded-loss-async"
        "A leader hands over to a member on another timeline, because its position is ahead.";
    OldAnswersCount "old-answers-count" "converges"
        "Answers from before the leader key was seen absent, or long ago, decide who leads.";
    OwnLookMayBeLater "own-look-may-be-later" "rightful-leader"
        "What our server has received since the others told where they are is compared with that.";
    SynchronousModeIgnored "synchronous-mode-ignored" "no-acked-loss-sync"
        "A member takes over in a synchronous cluster without being known to have everything.";
    CommitsStopWaitingFirst "commits-stop-waiting-first" "no-acked-loss-sync"
        "Commits cease to wait for a standby before it is taken off the sync key.";
    ListedBeforeWaitedFor "listed-before-waited-for" "no-acked-loss-sync"
        "A standby is put on the sync key before commits wait for it.";
    BarrierIgnored "barrier-ignored" "no-acked-loss-sync"
        "A standby is put on the sync key as soon as commits wait for it, whatever it has.";
    PromotesUnprepared "promotes-unprepared" "no-acked-loss-sync"
        "A standby is promoted while the sync key still lists who will not have its commits.";
    PromotesWithoutAgreement "promotes-without-agreement" "machine-rule"
        "A standby is promoted although the operator's script has not agreed.";
    SyncUnguarded "sync-unguarded" "store-discipline"
        "The sync key is changed without demanding that the leader key and it are as they were seen.";
    NamedCandidateNotMeasured "named-candidate-not-measured" "bounded-loss-async"
        "The candidate of a switchover takes over whatever it has, also when its leader died.";
    DefersForEver "defers-for-ever" "converges"
        "A member waits without end for the candidate that a request names.";
    WaitsForAnEqual "waits-for-an-equal" "converges"
        "A standby waits for another one that has no more than it has itself.";
    WaitsForTheUnwilling "waits-for-the-unwilling" "converges"
        "A standby waits for another one that has more and may not lead.";
    StartsWhileReleasing "starts-while-releasing" "release-after-death"
        "A server is started under a leadership whose release is on its way.";
    NumbersUnreserved "numbers-unreserved" "one-owner-per-timeline"
        "A promotion takes the next number after its own, whatever others may have taken.";
    FollowsUncompared "follows-uncompared" "no-corruption"
        "A standby is pointed at a leader on a newer timeline before their histories are compared.";
    UnknownAcquireCounts "unknown-acquire-counts" "promotion-under-grant"
        "A leadership that was perhaps taken counts as taken.";

    // What commits rest on.
    AcquireOverwrites "acquire-overwrites" "store-discipline"
        "Taking the leadership does not demand that nobody holds it.";
    AcquireRestsOnNothing "acquire-rests-on-nothing" "store-discipline"
        "Taking the leadership demands only that nobody holds it, nothing else that was judged.";
    LeadershipRecordUnguarded "leadership-record-unguarded" "store-discipline"
        "Taking the leadership does not demand that nobody has led since we looked.";
    ResumeUnguarded "resume-unguarded" "store-discipline"
        "A leadership of an earlier run is taken up without demanding that it is still there.";
    ReleaseUnguarded "release-unguarded" "store-discipline"
        "The leader key is removed without demanding that it is ours.";
    ClaimUnguarded "claim-unguarded" "store-discipline"
        "Claiming to make the cluster does not demand that nobody else does.";
    ClaimNotBound "claim-not-bound" "converges"
        "A claim to make the cluster does not end with the session of its member.";
    RecordUnguarded "record-unguarded" "store-discipline"
        "A new cluster is recorded without demanding that the claim is still ours.";
    AdoptUnguarded "adopt-unguarded" "store-discipline"
        "The identifier of running data is recorded without demanding that there is no other.";
    StatusUnguarded "status-unguarded" "store-discipline"
        "The leader's position is written without demanding that the leader key is ours.";
    ClearMoveUnguarded "clear-move-unguarded" "store-discipline"
        "A move is removed without demanding that it is the one that was judged.";
    PublishesInALoop "publishes-in-a-loop" "quiescent"
        "The member's key is written in every round although nothing has changed.";
    StatusInALoop "status-in-a-loop" "quiescent"
        "The leader's position is written in every round although it has not moved.";

    // Whose data is replaced.
    ForkIgnored "fork-ignored" "converges"
        "A standby that went on past the point where its leader forked counts as able to follow.";
    NeverDiverged "never-diverged" "converges"
        "No standby ever counts as diverged.";
    EverythingDiverges "everything-diverges" "last-copy"
        "A standby that does not stream counts as diverged although all it has is the leader's.";
    IdentityOfEarlierLeadership "identity-of-earlier-leadership" "proven-witness"
        "What a leader's server said under an earlier leadership decides about our data.";
    StandbyAsWitness "standby-as-witness" "proven-witness"
        "A leader's server that is no primary counts as the proof that it holds the good copy.";

    // Who streams from another standby.
    RelayUnmeasured "relay-unmeasured" "whole-relay"
        "A standby is pointed at another one that need not have all that it has itself.";
    MovesWhileReceiving "moves-while-receiving" "whole-relay"
        "A standby goes over to another one before its own end stands still.";
    RelayOfAnotherTimeline "relay-of-another-timeline" "whole-relay"
        "A standby is pointed at another one whatever timelines the two are on.";
    RelayNeedNotStream "relay-need-not-stream" "fed-in-time"
        "A standby takes its WAL from another one that gets none itself.";
    RelayNeverLeft "relay-never-left" "fed-in-time"
        "A standby waits for another one that gives nothing, although the leader would.";
    RingOfRelays "ring-of-relays" "converges"
        "A standby takes its WAL from one that takes its own from it.";

    // Who goes down to get logical slots.
    SyncStandbyGoesDown "sync-standby-goes-down" "down-for-slots"
        "A standby goes down for slots while commits wait for it.";
    SlotsWithoutASubstitute "slots-without-a-substitute" "down-for-slots"
        "A standby that commits wait for goes down for slots although nobody can take its place.";
    SyncStandbyNeverAsks "sync-standby-never-asks" "slots-carried"
        "A standby that commits wait for does not tell the leader that it is to go down for slots.";
    SlotsMissedOnlyWithNews "slots-missed-only-with-news" "slots-carried"
        "A standby notices that slots are to be copied only when something changes in the store.";
    SlotsOutOfTurn "slots-out-of-turn" "down-for-slots"
        "All standbys that lack slots go down for them at once.";
    SlotsWithNobodyLeft "slots-with-nobody-left" "down-for-slots"
        "A standby goes down for slots while no other one streams that could take over.";
    SlotsDuringAMove "slots-during-a-move" "down-for-slots"
        "A standby goes down for slots while a move of the leadership waits.";
    SlotsOfAnotherLine "slots-of-another-line" "down-for-slots"
        "Slots are copied into data that may have gone another way than the leader's.";
    SlotsCopiedInALoop "slots-copied-in-a-loop" "converges"
        "Slots that were copied are copied again before the server is started.";
}

/// Which rule is broken, if any can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Broken {
    #[cfg(feature = "mutants")]
    mutant: Option<Mutant>,
}

impl Broken {
    #[cfg(feature = "mutants")]
    pub(crate) const fn of(boot: &Boot) -> Self {
        Self {
            mutant: boot.mutant,
        }
    }

    #[cfg(not(feature = "mutants"))]
    pub(crate) const fn of(_: &Boot) -> Self {
        Self {}
    }

    /// Whether this is the broken rule.
    #[cfg(feature = "mutants")]
    pub(crate) fn breaks(self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether this is the broken rule: none is.
    #[cfg(not(feature = "mutants"))]
    pub(crate) const fn breaks(self, _: Mutant) -> bool {
        false
    }

    /// The task with what this machine demands of the store.
    #[cfg(feature = "mutants")]
    pub(crate) fn weakened(self, mut task: Task) -> Task {
        if let (Some(mutant), Task::Commit(commit)) = (self.mutant, &mut task) {
            commit::weaken(commit, mutant);
        }
        task
    }

    /// The task as it is.
    #[cfg(not(feature = "mutants"))]
    pub(crate) const fn weakened(self, task: Task) -> Task {
        task
    }
}

impl Memory {
    /// Whether this rule is broken; never without the feature `mutants`.
    pub(crate) fn breaks(&self, mutant: Mutant) -> bool {
        Broken::of(&self.boot).breaks(mutant)
    }

    /// How a standby stands to its leader, as this machine judges it.
    pub(crate) fn judged(&self, mine: Position, relation: Relation) -> Relation {
        match relation {
            Relation::Diverged { .. } if self.breaks(Mutant::NeverDiverged) => Relation::Ancestor,
            // The end of a timeline that the leader was on; zero: it never was.
            Relation::Diverged { fork } if fork > Lsn(0) && self.breaks(Mutant::ForkIgnored) => {
                Relation::Ancestor
            }
            Relation::Ancestor if self.breaks(Mutant::EverythingDiverges) => {
                Relation::Diverged { fork: mine.lsn }
            }
            Relation::Ancestor | Relation::Unknown | Relation::Diverged { .. } => relation,
        }
    }
}
