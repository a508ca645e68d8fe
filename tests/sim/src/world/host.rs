//! One member's machine: its clock, its server, its agent, and the guardian beside the agent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::{
    ClusterView, Generation, MemberName, Mono, OpId, PeerAnswer, PeerReport, PromiseAnswer,
    RequestId, Task, Timeline,
};

use super::clock::Clock;
use super::errand::Errand;
use super::event::Event;
use super::promises::Asker;
use crate::checked::Checked;
use crate::ids::{At, Node};
use crate::pg::Server;

/// How long after a machine stood still its processes may be a little late.
pub(super) const RESUMING: Duration = Duration::from_millis(200);

/// How long a fresh agent may take to find out about a server that nobody watches over.
pub(crate) const ADOPTING: Duration = Duration::from_secs(5);

/// A member's machine.
#[derive(Clone, Debug)]
pub struct Host {
    /// Which.
    pub node: Node,
    /// Its member's name.
    pub name: MemberName,
    /// Its clock.
    pub clock: Clock,
    /// Whether it has power.
    pub is_up: bool,
    /// Its server.
    pub server: Server,
    /// Which life of the server's processes this is.
    pub(super) epoch: u32,
    /// Its agent, when it runs.
    pub agent: Option<Agent>,
    /// How many faults let the agent stand still.
    pub(super) agent_freezes: u32,
    /// How many faults let the server stand still.
    pub(super) server_freezes: u32,
    /// How many agents there were.
    pub(super) runs: u32,
    /// When the guardian kills the server.
    pub(super) guardian: Option<At>,
    /// What happens to it once it moves again.
    pub(super) held_back: Vec<Event>,
    /// Until when what it does wrong is excused: it has just moved again.
    pub(super) excused_until: At,
    /// When its agent went away or began.
    pub(super) agent_since: At,
    /// How its control file was left before its server was started last.
    pub(super) left: Option<herdsman_ha_core::ControlState>,
    /// Logical slots that were read on the leader, on their way to our disk.
    pub(super) copied_slots: Option<CopiedSlots>,
    /// Whether a `Pull` is on its way.
    pub(super) is_pulling: bool,
    /// Whether the lost connection to its upstream will be noticed.
    pub(super) is_noticing: bool,
    /// An agent that was told to stay away comes back only with its fault's end.
    pub(super) stays_away: u32,
    /// What an operator has its server go through.
    pub(super) errand: Option<Errand>,
    /// The boot seed of its agents.
    pub(super) seed: u64,
}

impl Host {
    /// Whether its agent runs and moves.
    #[must_use]
    pub fn is_agent_awake(&self) -> bool {
        self.is_up && self.agent.is_some() && self.agent_freezes == 0
    }

    /// Whether its agent was started so lately that what it tells may still be an earlier run's.
    pub(crate) fn is_agent_new(&self, now: At) -> bool {
        now.since(self.agent_since) < Duration::from_secs(2)
    }

    /// Why this machine may do what it must not: nobody who could prevent it was there.
    #[must_use]
    pub fn excuse(&self, now: At, has_guardian: bool) -> Option<&'static str> {
        if now < self.excused_until {
            return Some("machine-has-just-resumed");
        }
        if has_guardian {
            return None;
        }
        let is_new = now.since(self.agent_since) < ADOPTING;
        (!self.is_agent_awake() || is_new).then_some("agent-away-without-guardian")
    }

    /// Which run of its agent this is.
    pub(super) fn run(&self) -> Option<u32> {
        self.agent.as_ref().map(|agent| agent.run)
    }
}

/// A running agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its machine.
    pub subject: Checked,
    /// Which run this is.
    pub run: u32,
    /// When its timer is set to, and which setting this is.
    pub(super) wake: Option<Mono>,
    pub(super) wake_serial: u64,
    pub(super) wakes_for_look: bool,
    pub(super) jobs: BTreeMap<OpId, Job>,
    /// Who waits for promises of it.
    pub(super) askers: BTreeMap<RequestId, Asker>,
    /// The lease in force, for the second look at a grant.
    pub(super) grant: Option<(Generation, Mono)>,
    pub(super) is_looking: bool,
    /// Whether its last look saw a primary.
    pub(super) sees_primary: bool,
    pub(super) watch: Watch,
    /// The newest view that it was given.
    pub(super) seen: herdsman_ha_core::Revision,
    /// What that view says; none: it was given none.
    pub(super) told: Option<Arc<ClusterView>>,
    /// Whether its latest view says that the cluster is paused.
    pub(super) is_paused: bool,
    /// Whether its machine has known that pause.
    pub(super) knows_pause: bool,
    /// Whether a view has told it which cluster this is.
    pub(super) has_seen_cluster: bool,
    /// The same, of the instant at which it last began to make one.
    pub(super) had_seen_cluster: bool,
    /// The leadership of the newest view that tells of one.
    pub(super) leader_told: Option<LeaderTold>,
}

/// Logical slots as they were read on a primary.
#[derive(Clone, Debug)]
pub(super) struct CopiedSlots {
    pub(super) from: Node,
    /// The timeline that it was on.
    pub(super) timeline: Timeline,
    pub(super) slots: BTreeMap<String, herdsman_ha_core::Lsn>,
}

/// A leadership that an agent was told of.
#[derive(Clone, Debug)]
pub(super) struct LeaderTold {
    pub(super) generation: Generation,
    /// Whose it is.
    pub(super) name: MemberName,
    /// When it was told first.
    pub(super) at: At,
}

impl Agent {
    /// Whether the newest view that it was given says that the cluster is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether its machine has known of the pause that the newest view tells of.
    #[must_use]
    pub fn has_known_the_pause(&self) -> bool {
        self.is_paused && self.knows_pause
    }

    /// The newest view that it was given.
    #[must_use]
    pub fn seen(&self) -> herdsman_ha_core::Revision {
        self.seen
    }

    /// Whether the newest view that it was given tells of a member.
    #[must_use]
    pub fn was_told_of(&self, name: &MemberName) -> bool {
        let told = self.told.as_ref();
        told.is_some_and(|view| view.members.contains_key(name))
    }

    /// Who leads by the newest view that tells of anybody.
    #[must_use]
    pub fn leader(&self) -> Option<&MemberName> {
        self.leader_told.as_ref().map(|told| &told.name)
    }

    /// When it was told of the present leadership.
    #[must_use]
    pub fn leader_told_at(&self) -> Option<At> {
        self.leader_told.as_ref().map(|told| told.at)
    }

    /// Whether any view had told it the identifier of a cluster when it began to make one.
    #[must_use]
    pub fn had_seen_a_cluster(&self) -> bool {
        self.had_seen_cluster
    }
}

/// How an agent hears of changes.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) state: WatchState,
    /// When the last view that is on its way arrives: the next cannot be earlier.
    pub(super) last_at: At,
    /// The revision of the last view that is on its way.
    pub(super) sent: u64,
    /// Faults that keep it from hearing.
    pub(super) broken: u32,
}

/// Whether a watch works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchState {
    /// It does.
    Live,
    /// It does not, and the agent does not know.
    Stuck,
    /// It does not, and the agent tries again.
    Lost,
}

/// A task in flight.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) task: Arc<Task>,
    /// Peers' answers so far.
    pub(super) answers: BTreeMap<Node, PeerAnswer>,
    /// Answers to questions for promises so far.
    pub(super) promises: BTreeMap<Node, PromiseAnswer>,
    /// Peers that were asked and have not answered, by whether they are worth waiting for.
    pub(super) waits_for: usize,
    /// What the server's processes must come to for this task to end.
    pub(super) awaits: Option<Awaits>,
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// The server runs, or its start has failed.
    Up,
    /// The server is down.
    Down,
    /// The server is a primary, or down.
    Primary,
    /// Nothing more: it was cancelled, and only its end is still to be told.
    Cancelled,
}

impl Job {
    pub(super) fn new(task: Arc<Task>) -> Self {
        Self {
            task,
            answers: BTreeMap::new(),
            promises: BTreeMap::new(),
            waits_for: 0,
            awaits: None,
        }
    }

    /// The answers as the machine gets them: who did not answer is unreachable.
    pub(super) fn reports(
        &self,
        asked: &[(MemberName, String)],
        node_of: impl Fn(&MemberName) -> Option<Node>,
    ) -> Vec<PeerReport> {
        asked
            .iter()
            .map(|(name, _)| {
                let answer = node_of(name).and_then(|node| self.answers.get(&node).cloned());
                PeerReport {
                    name: name.clone(),
                    answer: answer.unwrap_or(PeerAnswer::Unreachable),
                }
            })
            .collect()
    }
}
