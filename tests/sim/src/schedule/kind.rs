//! Kinds of faults: what a swarm switches on and off.

use std::fmt;

macro_rules! kinds {
    ($( $(#[$doc:meta])+ $name:ident $word:literal weight $weight:literal odds $odds:literal; )*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $( $(#[$doc])+ $name, )* }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// Its word.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$name => $word, )* }
            }

            /// How often it is drawn among those that are enabled.
            pub(crate) const fn weight(self) -> u64 {
                match self { $( Self::$name => $weight, )* }
            }

            /// It is enabled in one of so many worlds.
            pub(crate) const fn odds(self) -> u64 {
                match self { $( Self::$name => $odds, )* }
            }
        }
    };
}

kinds! {
    /// A machine loses power.
    CrashHost "crash-host" weight 10 odds 2;
    /// An agent is killed.
    CrashAgent "crash-agent" weight 8 odds 2;
    /// A postmaster is killed.
    CrashServer "crash-server" weight 8 odds 2;
    /// An agent stands still.
    FreezeAgent "freeze-agent" weight 8 odds 2;
    /// A server stands still.
    FreezeServer "freeze-server" weight 5 odds 2;
    /// A machine stands still.
    FreezeHost "freeze-host" weight 8 odds 2;
    /// A server does not do as it is told.
    Quirk "quirk" weight 8 odds 2;
    /// A member and the store do not hear each other.
    CutStore "cut-store" weight 12 odds 2;
    /// A member and others do not hear each other.
    CutMembers "cut-members" weight 8 odds 2;
    /// Clients do not reach a member.
    CutClients "cut-clients" weight 2 odds 2;
    /// Messages take long.
    Slow "slow" weight 8 odds 2;
    /// The store answers nobody.
    StoreDown "store-down" weight 4 odds 2;
    /// The store elects a leader.
    StoreElection "store-election" weight 4 odds 2;
    /// A reply of the store is lost.
    LoseReply "lose-reply" weight 10 odds 2;
    /// A call to the store arrives late.
    Delay "delay" weight 8 odds 2;
    /// Watches break.
    BreakWatch "break-watch" weight 4 odds 2;
    /// The store shows an old state.
    StaleReads "stale-reads" weight 5 odds 2;
    /// A switchover is asked for.
    Switchover "switchover" weight 10 odds 2;
    /// A failover is written by hand.
    Failover "failover" weight 4 odds 2;
    /// An agent is asked to end.
    Restart "restart" weight 6 odds 2;
    /// The cluster is paused for a while.
    Pause "pause" weight 2 odds 4;
    /// The time to live is changed.
    SetTtl "set-ttl" weight 2 odds 4;
    /// A member is shown what the store was.
    OldView "old-view" weight 4 odds 2;
    /// Something happens to whoever begins some work.
    Upon "upon" weight 8 odds 2;
    /// WAL is removed early.
    RecycleWal "recycle-wal" weight 3 odds 3;
    /// A disk is lost.
    LoseDisk "lose-disk" weight 1 odds 4;
    /// The leader key is deleted.
    DeleteLeaderKey "delete-leader-key" weight 1 odds 4;
    /// The leader key is overwritten.
    OverwriteLeaderKey "overwrite-leader-key" weight 1 odds 8;
    /// The store loses everything.
    WipeStore "wipe-store" weight 1 odds 8;
    /// The store goes back in time.
    RestoreStore "restore-store" weight 1 odds 8;
    /// A server is restarted on demand.
    RestartServer "restart-server" weight 6 odds 2;
    /// A copy is made anew on demand.
    Reinit "reinit" weight 4 odds 2;
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
