//! The words that the decision tables are written in.
//!
//! A word says one thing; each enumeration is complete, so that the tables can be too.

macro_rules! words {
    ($( $(#[$doc:meta])+ $name:ident { $( $(#[$variant_doc:meta])+ $variant:ident, )+ } )+) => {
        $(
            $(#[$doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $name { $( $(#[$variant_doc])+ $variant, )+ }

            impl $name {
                /// All words, for the enumeration of the tables.
                pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];
            }
        )+
    };
}

words! {
    /// Who holds the leadership.
    Lock {
        /// This member, by its present session.
        Mine,
        /// This member, by the session of an earlier run.
        Stale,
        /// Another member.
        Other,
        /// Nobody.
        Free,
        /// The store cannot be seen.
        Unseen,
    }
    /// What the local server is.
    Server {
        /// No data.
        Empty,
        /// Remains of an unfinished copy or initialisation.
        Leftover,
        /// Data that a rewind left unfinished.
        Wreck,
        /// Data that cannot be used.
        Unusable,
        /// Not running.
        Down,
        /// Not accepting connections yet.
        Starting,
        /// Going down.
        Stopping,
        /// Running, not answering.
        Unresponsive,
        /// A primary.
        Primary,
        /// A standby.
        Standby,
    }
    /// What the member is about.
    Mode {
        /// Everyday life.
        Normal,
        /// The cluster is paused.
        Paused,
        /// The agent is asked to stop.
        Leaving,
    }
    /// Whether the server accepts writes, or may begin to at any moment.
    Writable {
        /// It does, or may.
        Yes,
        /// It cannot.
        No,
    }
    /// Whether a primary, or what becomes one, has gone on for too long without anybody leading it.
    Unleased {
        /// It has not.
        No,
        /// It is that of a new cluster, and the claim to make that has ended.
        ClaimOver,
        /// It has.
        Overdue,
        /// It is a standby yet, and was told to become a primary under a lease that is over.
        LeftOver,
    }
    /// What runs on the server's lane.
    Busy {
        /// Nothing.
        No,
        /// A stop or a kill.
        Stopping,
        /// A copy or an initialisation.
        Copying,
        /// A script that must agree to our promotion.
        Asking,
        /// A start, a promotion or another short task.
        Working,
    }
    /// Whether a standby may race.
    Race {
        /// It may.
        Fit,
        /// The others must be asked first.
        NeedsPeers,
        /// It may not.
        Unfit,
        /// It may not now, and the others should be asked again.
        AskAgain,
    }
    /// What the store says about the making of the cluster.
    Made {
        /// It is made, and our data belongs to it or is not there.
        Known,
        /// It is made, and our data belongs elsewhere.
        Mismatch,
        /// Nobody made it, as far as this member ever knew.
        Absent,
        /// The store knew it before and does not any more.
        Forgotten,
        /// We are making it.
        ByUs,
        /// Somebody else is making it.
        ByOther,
    }
    /// What a stopped server was.
    Origin {
        /// A primary.
        Primary,
        /// A standby.
        Standby,
    }
    /// Whether this member may make a cluster.
    MayMake {
        /// Yes.
        Yes,
        /// No.
        No,
    }
    /// Whether a copy of the data can be made without a leader now.
    Backup {
        /// It can: a command of the operator's makes it, and nobody has led for a while.
        Usable,
        /// It cannot.
        None,
    }
    /// A wanted move, as the leader sees it while its primary runs.
    Move {
        /// None is wanted.
        None,
        /// One is wanted; the others have not been asked.
        Unchecked,
        /// The time of a scheduled one has come.
        Due,
        /// It is done: this member leads because of it.
        Done,
        /// It cannot be done.
        Impossible,
        /// It could be done, but nobody who could take over streams from this member.
        Unconnected,
        /// It can be done; the checkpoint is still to be written.
        NeedsCheckpoint,
        /// It can be done now.
        Ready,
    }
    /// A restart that somebody asked for.
    Restart {
        /// None.
        None,
        /// The time of a scheduled one has come.
        Due,
        /// The time of a scheduled one has come, and it cannot or must not be done.
        Missed,
        /// Nobody asked for one: our standby replays nothing more before it.
        Blocked,
        /// One is wanted; the leader's commits wait for our standby still.
        Listed,
        /// One is wanted; the checkpoint is still to be written.
        NeedsCheckpoint,
        /// The server is to be stopped now.
        Wanted,
        /// The server was stopped for it.
        Down,
        /// The server was stopped for it or died, and was a standby. What brings it up depends on
        /// who leads by now.
        DownAsStandby,
    }
    /// A new copy that somebody asked for.
    Reinit {
        /// None.
        None,
        /// One is wanted; the leader has not proven itself since.
        Unproven,
        /// One is wanted, and the leader is a running primary.
        Proven,
    }
    /// Whether the start of a leader's server takes longer than it may.
    Overdue {
        /// It does not, or nobody could take over.
        No,
        /// It does; whether somebody could take over is to be asked.
        Unasked,
        /// It does, and somebody can take over.
        Replaceable,
    }
    /// How a leadership stands that the store does not confirm.
    Refuge {
        /// It is confirmed, or failsafe mode is off.
        None,
        /// Nobody knows who would have to promise, or it is not us who may ask.
        Unlisted,
        /// The others are being asked.
        Asking,
        /// All of them hold back.
        Promised,
        /// Not all of them hold back.
        Refused,
        /// The store answers, and there is no leader key.
        KeyGone,
        /// The store answers, and the key lives with a session that we do not have any more.
        KeyUnbound,
    }
    /// Whether somebody has asked, by name and for now, that this member leads.
    Asked {
        /// It was asked for.
        Yes,
        /// It was not.
        No,
    }
    /// Whether a standby that has won the leadership can be promoted.
    Promotion {
        /// It can, as far as anybody knows.
        Possible,
        /// No timeline is reserved for it: this leadership was not taken by a standby, or the timeline
        /// is begun already.
        Unreserved,
        /// A script of the operator's must agree to it first.
        Unagreed,
        /// It failed for good a moment ago.
        Failed,
    }
    /// How the server of a leader went down.
    Downfall {
        /// In order, because the leadership moves.
        HandedOver,
        /// It may start again where it is.
        InPlace,
        /// Another member should take over if it can.
        Elsewhere,
        /// As a standby, before it was promoted.
        Unpromoted,
    }
    /// Logical slots that the leader has and our data lacks.
    Carry {
        /// None, or an attempt to copy them was made not long ago.
        None,
        /// There are some; the running server is not stopped for them now.
        AtNextStart,
        /// There are some, and the server may be stopped once the leader's commits do not wait for it.
        Listed,
        /// There are some, and they may be copied.
        Due,
    }
    /// What synchronous mode means to a leader's next decision.
    Synchrony {
        /// Nothing.
        Clear,
        /// The primary's commits wait for a standby that is not there, as the rules ask for.
        Blocked,
        /// The store does not say yet what holds once our standby is promoted.
        Unprepared,
    }
    /// Whether a leader keeps the `sync` key.
    Keeping {
        /// It does: synchronous mode is on.
        On,
        /// There should be none.
        Off,
    }
    /// What the `sync` key says.
    Listing {
        /// Nothing, or there is none.
        Absent,
        /// It was written by another leader.
        OfAnother,
        /// An earlier request to change it has an unknown outcome.
        Doubtful,
        /// It lists somebody whom commits do not wait for, or shall not wait for.
        TooMany,
        /// Somebody has everything and is not listed.
        Short,
        /// Whom it should.
        Right,
    }
    /// Whom the server makes commits wait for.
    Waiting {
        /// Whom they shall wait for.
        AsWanted,
        /// The setting is the wanted one, and whether every commit goes by it is not proven.
        Unproven,
        /// Somebody else.
        Otherwise,
    }
    /// Whether it is proven that no process of a server is left.
    Gone {
        /// It is.
        Proven,
        /// Not yet.
        Unproven,
    }
    /// The leader that a follower sees.
    Leader {
        /// It runs as a primary.
        Primary,
        /// It is not primary yet, or its address is unknown.
        NotYet,
    }
    /// How a standby stands to its leader.
    Link {
        /// Pointed elsewhere, and may follow.
        Astray,
        /// Pointed elsewhere, while the leader is on another timeline: what it has must be compared
        /// first, and must not grow meanwhile.
        Attached,
        /// Another standby offers itself in the leader's place: it must be asked how far it is.
        Offered,
        /// That one is near enough: what it must have should not grow meanwhile.
        Rerouted,
        /// WAL streams in.
        Streaming,
        /// It does not, and that is young.
        Quiet,
        /// It does not, and the histories should be compared.
        Suspect,
        /// Our data has diverged, the leader is proven.
        Diverged,
        /// Our data has diverged, the leader is not proven.
        DivergedUnproven,
        /// Our data has diverged, and is on a later timeline than the leader's.
        Newer,
        /// The leader does not have the WAL any more that we need next.
        Starved,
    }
    /// How data that cannot follow the leader as it is may come back.
    Way {
        /// By a rewind.
        Rewind,
        /// By a rewind, once the leader has written the checkpoint that it begins with.
        Soon,
        /// By a rewind, a moment after the last attempt.
        Again,
        /// As a new copy.
        Copy,
        /// Not by itself.
        Barred,
    }
    /// Whether a running primary may be the cluster's latest.
    Standing {
        /// It may.
        Latest,
        /// Somebody has led since, or the cluster has left its timeline.
        Outdated,
    }
    /// Whether a stopped server is on the leader's timeline.
    Kin {
        /// It is.
        Same,
        /// It is not, or nobody knows.
        Other,
    }
    /// Whether the last attempt of this kind failed a moment ago.
    Backoff {
        /// It did not.
        None,
        /// It did.
        Waiting,
    }
    /// How long a member has been without its store.
    Blind {
        /// The store has never been seen, and that is young.
        NeverYoung,
        /// The store has never been seen.
        Never,
        /// The store was seen before.
        Lost,
    }
    /// Whether the member has just handed its leadership over.
    Handover {
        /// It has.
        Recent,
        /// It has not.
        None,
    }
}
