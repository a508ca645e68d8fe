//! What is still to happen, and who must be there for it.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use herdsman_ha_core::{
    ClusterView, DataView, Mono, OpId, Outcome, PeerAnswer, PromiseAnswer, PromiseRequest,
    ServerView, Task,
};

use crate::fault::Fault;
use crate::ids::{At, Node};

/// What the server's own processes do by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerEvent {
    /// The start has come to its end.
    Started,
    /// The WAL on disk is replayed.
    Replayed,
    /// The stop has come to its end.
    Stopped,
    /// The promotion has come to its end.
    Promoted,
    /// The standby looks for WAL.
    Pull,
    /// The standby has noticed that its connection is dead.
    ConnectionLost,
}

/// One thing that will happen.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// For an agent; nothing when it is another run by then.
    Agent {
        node: Node,
        run: u32,
        event: AgentEvent,
    },
    /// For the processes of a server; nothing when they are others by then.
    Server {
        node: Node,
        epoch: u32,
        event: ServerEvent,
    },
    /// A call reaches the store.
    StoreCall {
        node: Node,
        run: u32,
        op: OpId,
        task: Arc<Task>,
        /// Nobody hears of it.
        is_mute: bool,
    },
    /// A question reaches a member.
    Asked {
        by: Node,
        run: u32,
        op: OpId,
        whom: Node,
    },
    /// A question for a promise reaches a member.
    PromiseAsked {
        by: Node,
        run: u32,
        op: OpId,
        whom: Node,
        request: Box<PromiseRequest>,
    },
    /// The asked member has looked at its server.
    Answers {
        by: Node,
        run: u32,
        op: OpId,
        whom: Node,
        whom_run: u32,
    },
    /// Sessions of the store may end.
    Expiry,
    /// The guardian beside an agent looks at its deadline.
    Guardian(Node),
    /// A row of the client reaches a server.
    Row { node: Node },
    /// The client writes.
    ClientTick,
    /// The balancer asks every member who is primary.
    HealthCheck,
    /// An agent that has ended is started again by what watches over services.
    Supervise(Node),
    /// A fault of the schedule.
    Fault(Box<Fault>),
    /// A fault that waited for some work and has been set off, after so many healings.
    Hit(Box<Fault>, u32),
    /// A fault of the schedule ends.
    FaultEnds(Box<Fault>),
}

/// What reaches an agent.
#[derive(Clone, Debug)]
pub(super) enum AgentEvent {
    /// The timer; nothing when it was set anew.
    Wake { serial: u64 },
    /// A look has come to its end; what it saw, when it saw early.
    Looked {
        seen_at: Mono,
        early: Option<Box<(DataView, ServerView)>>,
    },
    /// A view of the store.
    View(Arc<ClusterView>),
    /// The watch is given up.
    WatchLost,
    /// The watch is tried again.
    WatchAgain,
    /// An answer of the store.
    Reply { op: OpId, outcome: Box<Outcome> },
    /// An answer of another member.
    PeerAnswer {
        op: OpId,
        from: Node,
        answer: Box<PeerAnswer>,
    },
    /// What another member says to a question for a promise.
    PromiseAnswer {
        op: OpId,
        from: Node,
        answer: PromiseAnswer,
    },
    /// A call has taken too long.
    Timeout { op: OpId },
    /// The next stage of a task.
    Stage { op: OpId, stage: u8 },
    /// The end of a task, after another look when it was about the server.
    End { op: OpId, outcome: Box<Outcome> },
    /// The operator asks for something.
    Operator(Box<herdsman_ha_core::Command>),
}

/// Everything that is still to happen, in order; equal times in the order of their planning.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    planned: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    at: At,
    number: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl Queue {
    pub(super) fn plan(&mut self, at: At, event: Event) {
        self.planned += 1;
        self.heap.push(Reverse(Entry {
            at,
            number: self.planned,
            event,
        }));
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Option<At> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    pub(super) fn pop(&mut self) -> Option<(At, Event)> {
        self.heap
            .pop()
            .map(|Reverse(entry)| (entry.at, entry.event))
    }
}
