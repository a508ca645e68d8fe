//! What goes wrong, and what people ask for: the data of a schedule.
//!
//! A fault carries its own end, so that a schedule from which one is removed is still whole. One
//! without an end lasts until another fault ends it; only scripts use those.

use std::time::Duration;

use crate::ids::{At, Node};

mod names;
mod parts;
pub mod text;
mod upon;

/// A fault and when it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: At,
    /// What.
    pub fault: Fault,
}

/// How long a fault lasts; none: until another one ends it.
pub type Lasting = Option<Duration>;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A member's host.
    Node(Node),
    /// The store.
    Store,
    /// Clients and their balancer.
    Clients,
}

/// A way in which one server does not do what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quirk {
    /// Starts fail.
    RefusesToStart,
    /// A promotion begins and does not end.
    HangsInPromotion,
    /// A stop in order is not heard; an immediate one is.
    IgnoresFastStop,
    /// Writes fail with an error.
    DiskFull,
    /// Copies of other servers' data break off.
    CopyFails,
    /// What was received is replayed late.
    ReplaysSlowly,
    /// The standby receives nothing although it is connected.
    ReceivesNothing,
}

/// A call to the store whose reply gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Opening a session.
    Open,
    /// Renewing it.
    Renew,
    /// Taking the leadership.
    Acquire,
    /// Giving it up.
    Release,
    /// Any other change.
    Commit,
}

/// What a member begins, for faults that hit whoever begins it in that very moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// The leader renews its session.
    Renew,
    /// The leadership is asked for.
    Acquire,
    /// It is given up.
    Release,
    /// A standby is to become a primary.
    Promote,
    /// A server is started as a primary.
    StartPrimary,
    /// A server is stopped.
    Stop,
    /// Others are asked for their positions.
    AskPeers,
    /// The leader's server is asked who it is.
    Identify,
    /// Data is replaced.
    Replace,
    /// Data is copied into an empty directory.
    Clone,
    /// A cluster is made.
    Bootstrap,
}

/// What happens to a member whose number is known only when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mishap {
    /// Its agent stands still.
    FreezeAgent,
    /// Its server stands still.
    FreezeServer,
    /// Its machine stands still.
    FreezeHost,
    /// Its agent is killed.
    CrashAgent,
    /// Its machine loses power.
    CrashHost,
    /// Its postmaster is killed.
    CrashServer,
    /// Its postmaster is killed, and its backends live on.
    Orphan,
    /// It and the store do not hear each other.
    CutStore,
    /// It and the others do not hear each other.
    CutMembers,
    /// Its server does not hear a stop in order.
    IgnoreStops,
    /// It is shown once more what the store was so long ago.
    OldView,
    /// It connects anew and is first shown what the store was so long ago.
    OldServer,
    /// Somebody deletes the leader key.
    KeyDeleted,
}

/// What somebody does to the cluster on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Asks a member for a switchover.
    Switchover {
        /// Who is asked.
        at: Node,
        /// Who shall lead; none: the best.
        to: Option<Node>,
    },
    /// Writes the request for a failover by hand.
    Failover {
        /// Who shall lead.
        to: Node,
    },
    /// Asks a member's agent to end; it is started again after this time.
    Restart {
        /// Whose.
        at: Node,
        /// How long it stays away.
        away: Duration,
    },
    /// Asks a member to restart its server.
    RestartServer {
        /// Whose.
        at: Node,
    },
    /// Asks a member for a new copy of its data.
    Reinit {
        /// Whose.
        at: Node,
    },
    /// Pauses the cluster, or ends the pause.
    Pause(bool),
    /// Changes the time to live.
    SetTtl(Duration),
    /// Deletes the leader key behind everybody's back.
    DeleteLeaderKey,
    /// Overwrites the leader key with a name, bound to nothing.
    OverwriteLeaderKey(Node),
    /// Deletes every key.
    WipeStore,
    /// Puts the store back to what it was this long ago.
    RestoreStore(Duration),
}

/// One thing that happens to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine loses power: agent and server are gone, the disk stays.
    CrashHost(Node, Lasting),
    /// The agent is killed, the server lives on.
    CrashAgent(Node, Lasting),
    /// The postmaster is killed.
    CrashServer {
        /// Whose.
        node: Node,
        /// Its backends live on and go on writing until somebody kills them.
        orphans: bool,
    },
    /// One of the server's processes crashes: the postmaster ends all others and recovers by
    /// itself, or ends as well where it was told to.
    CrashBackend(Node),
    /// The agent stands still; what happens meanwhile reaches it afterwards.
    FreezeAgent(Node, Lasting),
    /// The server's processes stand still.
    FreezeServer(Node, Lasting),
    /// The whole machine stands still; its clock goes on.
    FreezeHost(Node, Lasting),
    /// The machine, its agent or its server runs again.
    Start(Node),
    /// A server does not do as it is told.
    Quirk(Node, Quirk, Lasting),
    /// WAL that no slot holds is removed from a server.
    RecycleWal(Node),
    /// The disk is lost: the data directory is empty.
    LoseDisk(Node),
    /// Nothing goes from the first to the second.
    Cut {
        /// Where it would come from.
        from: End,
        /// Where it would go.
        to: End,
        /// How long.
        lasting: Lasting,
    },
    /// Everything from the first to the second takes so much longer.
    Slow {
        /// Where it comes from.
        from: End,
        /// Where it goes.
        to: End,
        /// The delay.
        by: Duration,
        /// How long.
        lasting: Lasting,
    },
    /// Every cut, delay and quirk ends, every machine runs.
    Heal,
    /// The store answers nobody.
    StoreDown(Lasting),
    /// The store answers again.
    StoreUp,
    /// The store elects its own leader: nobody is answered, and every session is extended.
    StoreElection(Duration),
    /// The next call of this kind is carried out, and nobody hears of it.
    LoseReply(Call),
    /// The next call of this kind arrives so much later, also after its sender has given up.
    Delay(Call, Duration),
    /// The watches of a member break without a word, and are noticed after this time.
    BreakWatch(Node, Duration),
    /// The store shows a member an old state.
    StaleReads(Node, Lasting),
    /// A member is shown once more what the store was so long ago.
    OldView {
        /// Who.
        node: Node,
        /// How long ago.
        back: Duration,
        /// It has lost its connection before, and sees newer states a second later.
        reconnects: bool,
    },
    /// Something happens to the next member that begins this.
    Upon {
        /// What it begins.
        work: Work,
        /// How long after it has begun.
        after: Duration,
        /// What happens.
        mishap: Mishap,
        /// How long it lasts, or how old what it is shown is.
        lasting: Duration,
    },
    /// Somebody does something.
    Deed(Deed),
}
