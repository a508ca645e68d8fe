//! Work on servers, stage by stage: what the driver does for each task, and how long it takes.
//!
//! What makes a server writable, or deletes data, checks its proof once more right here.

use std::collections::BTreeSet;
use std::time::Duration;

use herdsman_ha_core::{
    Failure, Grant, Lane, OpId, Outcome, Report, StartAs, StopMode, SystemId, Task, Timeline,
    Upstream,
};

use super::World;
use super::draws::What;
use super::driver::transient;
use super::event::{AgentEvent, ServerEvent};
use super::host::Awaits;
use crate::fact::{Destruction, Fact};
use crate::fault::End;
use crate::ids::Node;
use crate::options::DriverMutant;
use crate::pg::Refused;

/// How long a stop in order may take before everything is dropped.
pub(super) const FAST_STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long another server may take to say who it is.
const IDENTIFY_LIMIT: Duration = Duration::from_secs(3);

impl World {
    pub(super) fn stage(&mut self, node: Node, op: OpId, stage: u8) {
        let Some(task) = self.task_of(node, op) else {
            return;
        };
        if task.lane() == Lane::Server {
            self.tell(Fact::Touched { node, op });
        }
        match &*task {
            Task::Identify { upstream, .. } => self.identify(node, op, upstream, stage),
            Task::Bootstrap => self.bootstrap(node, op, stage),
            Task::Clone { from: Some(from) } => self.copy(node, op, from, stage),
            Task::Clone { from: None } => self.end_soon(node, op, transient("there is no backup")),
            Task::Replace { witness, from } => {
                self.replace(node, op, (witness, from), from, stage);
            }
            Task::Reinitialize {
                witness,
                leader,
                from,
                ..
            } => self.replace(node, op, (witness, leader), from, stage),
            Task::Rewind { witness, from } => self.rewind(node, op, witness, from, stage),
            Task::Start { role, limit } => self.start_server(node, op, role, *limit, stage),
            Task::Stop { mode } => self.stop(node, op, *mode, stage),
            Task::PrePromote { .. } => self.ask_script(node, op, stage),
            Task::Promote {
                grant,
                slots,
                timeline,
                sync,
            } => {
                if stage == 0 {
                    self.set_names(node, sync);
                    self.promote(node, op, *grant, *timeline);
                } else {
                    self.make_slots(node, slots, &BTreeSet::new());
                    self.end_soon(node, op, Outcome::Done(Report::Nothing));
                }
            }
            Task::Follow { upstream } => {
                let to = upstream
                    .as_ref()
                    .and_then(|up| self.node_named(up.name.as_str()));
                let slot = upstream.as_ref().and_then(|up| up.slot.clone());
                let outcome = ended(self.hosts[node.index()].server.follow(to, slot));
                if let (Some(upstream), Outcome::Done(_)) = (to, &outcome) {
                    self.tell(Fact::Pointed { node, upstream });
                }
                self.plan_pull(node, Duration::from_millis(20));
                self.end_soon(node, op, outcome);
            }
            Task::ProveGone | Task::Fence => self.kill(node, op, stage),
            Task::Checkpoint => self.checkpoint(node, op, stage),
            Task::SyncSlots(work) => {
                let mut outcome = self.make_slots(node, &work.wanted, &work.dropped);
                if matches!(outcome, Outcome::Done(_)) {
                    let server = &mut self.hosts[node.index()].server;
                    let done = server
                        .make_logical(work.logical.keys())
                        .and_then(|()| server.advance_slots(&work.advanced))
                        .and_then(|()| server.follow_logical(&work.followed));
                    outcome = ended(done);
                }
                self.end_soon(node, op, outcome);
            }
            Task::CopySlots { from, slots } => self.copy_slots(node, op, from, slots, stage),
            Task::WaitFor { names } => self.wait_for(node, op, names, stage),
            Task::OpenSession { .. }
            | Task::Renew { .. }
            | Task::CloseSession { .. }
            | Task::Commit(_)
            | Task::PublishHistory { .. }
            | Task::AskPromises { .. }
            | Task::AskPeers { .. } => {}
        }
    }

    /// A script that takes its time and does not always agree.
    fn ask_script(&mut self, node: Node, op: OpId, stage: u8) {
        if stage == 0 {
            let takes = self.draws.millis(What::Script, node, 50, 5_000);
            self.next_stage(node, op, 1, takes);
            return;
        }
        let outcome = if self.draws.below(What::Script, Some(node), 8) == 0 {
            Outcome::Failed(Failure {
                is_transient: false,
                message: "the script does not agree".to_owned(),
            })
        } else {
            Outcome::Done(Report::Nothing)
        };
        self.end_soon(node, op, outcome);
    }

    pub(super) fn next_stage(&mut self, node: Node, op: OpId, stage: u8, after: Duration) {
        self.plan_agent(node, after, AgentEvent::Stage { op, stage });
    }

    /// Makes and drops slots; one that is in use stays.
    fn make_slots(
        &mut self,
        node: Node,
        wanted: &BTreeSet<String>,
        dropped: &BTreeSet<String>,
    ) -> Outcome {
        let used = self.hosts.iter().filter_map(|host| {
            let is_user = host.server.connected() == Some(node);
            host.server
                .files()
                .filter(|_| is_user)?
                .upstream_slot
                .clone()
        });
        let used: BTreeSet<String> = used.collect();
        let dropped: BTreeSet<String> = dropped.difference(&used).cloned().collect();
        ended(self.hosts[node.index()].server.sync_slots(wanted, &dropped))
    }

    fn await_server(&mut self, node: Node, op: OpId, awaits: Awaits) {
        if let Some(agent) = &mut self.host_mut(node).agent
            && let Some(job) = agent.jobs.get_mut(&op)
        {
            job.awaits = Some(awaits);
        }
    }

    /// The second look at a grant, in the moment of execution.
    fn still_holds(&self, node: Node, grant: Grant) -> bool {
        if self.options.driver_mutant == Some(DriverMutant::NoSecondLookAtTheGrant) {
            return true;
        }
        let now = self.clock(node);
        let held = self.host(node).agent.as_ref().and_then(|agent| agent.grant);
        held.is_some_and(|(generation, fence_at)| {
            generation == grant.generation() && now < fence_at
        })
    }

    /// The second look at a claim to make the cluster, right before the new server takes writes.
    fn claim_holds(&self, node: Node) -> bool {
        if self.options.driver_mutant == Some(DriverMutant::NoSecondLookAtTheClaim) {
            return true;
        }
        let now = self.clock(node);
        let agent = self.host(node).agent.as_ref();
        let ends_at = agent.and_then(|agent| agent.subject.machine().claim_ends_at());
        ends_at.is_some_and(|ends_at| now < ends_at)
    }

    fn start_server(&mut self, node: Node, op: OpId, role: &StartAs, limit: Duration, stage: u8) {
        if stage == 1 {
            self.end_soon(node, op, transient("the server did not start in time"));
            return;
        }
        if stage == 2 {
            self.launch(node, op, role, limit);
            return;
        }
        match role {
            StartAs::Primary(grant) => {
                if !self.still_holds(node, *grant) {
                    self.end_soon(node, op, transient("the lease ended before the task began"));
                    return;
                }
                self.tell(Fact::ToldToWrite { node });
            }
            StartAs::Standby(_) => {}
        }
        // What is left of a crashed server goes first, and may take its time to die.
        let longest = if self.hosts[node.index()].server.is_orphaned() {
            6_000
        } else {
            60
        };
        let takes = self.draws.millis(What::Prepare, node, 2, longest);
        self.next_stage(node, op, 2, takes);
    }

    /// The configuration is written, the postmaster is started.
    fn launch(&mut self, node: Node, op: OpId, role: &StartAs, limit: Duration) {
        let upstream = match role {
            StartAs::Primary(_) => None,
            StartAs::Standby(from) => from.clone(),
        };
        let is_primary = matches!(role, StartAs::Primary(_));
        let to = upstream
            .as_ref()
            .and_then(|up| self.node_named(up.name.as_str()));
        let slot = upstream.and_then(|up| up.slot);
        let server = &mut self.hosts[node.index()].server;
        if server.is_orphaned() {
            server.kill_all();
        }
        let left = server.control();
        if !is_primary {
            server.forget_hearsay();
        }
        if let Err(refused) = server.begin_start(is_primary, to, slot) {
            self.end_soon(node, op, transient(refused.as_str()));
            return;
        }
        self.hang_up(node);
        let host = self.host_mut(node);
        host.left = left;
        host.epoch += 1;
        host.is_pulling = false;
        host.is_noticing = false;
        self.await_server(node, op, Awaits::Up);
        let takes = self.draws.millis(What::Server, node, 100, 3_000);
        self.plan_server(node, takes, ServerEvent::Started);
        self.next_stage(node, op, 1, limit);
    }

    fn stop(&mut self, node: Node, op: OpId, mode: StopMode, stage: u8) {
        let is_fast = mode == StopMode::Fast && stage == 0;
        let server = &mut self.hosts[node.index()].server;
        if server.is_down() && !server.is_orphaned() {
            self.end_soon(node, op, Outcome::Done(Report::Nothing));
            return;
        }
        self.await_server(node, op, Awaits::Down);
        if self.stop_processes(node, is_fast) || !is_fast {
            return;
        }
        self.next_stage(node, op, 1, FAST_STOP_LIMIT);
    }

    /// Tells whether the server hears of it.
    pub(super) fn stop_processes(&mut self, node: Node, is_fast: bool) -> bool {
        let server = &mut self.hosts[node.index()].server;
        if is_fast && (server.is_frozen || server.has(crate::fault::Quirk::IgnoresFastStop)) {
            return false;
        }
        if server.is_frozen || server.is_orphaned() || server.begin_stop(is_fast).is_err() {
            // What does not hear an order is killed.
            self.kill_server(node);
            return true;
        }
        self.hosts[node.index()].epoch += 1;
        let takes = if is_fast {
            self.draws.millis(What::Stop, node, 20, 1_500)
        } else {
            self.draws.millis(What::Stop, node, 5, 100)
        };
        self.plan_server(node, takes, ServerEvent::Stopped);
        true
    }

    fn promote(&mut self, node: Node, op: OpId, grant: Grant, timeline: Timeline) {
        if !self.still_holds(node, grant) {
            self.end_soon(node, op, transient("the lease ended before the task began"));
            return;
        }
        self.tell(Fact::ToldToWrite { node });
        let server = &mut self.hosts[node.index()].server;
        if let Err(refused) = server.begin_promote_to(timeline, &self.tree) {
            self.end_soon(node, op, transient(refused.as_str()));
            return;
        }
        self.await_server(node, op, Awaits::Primary);
        let takes = self.draws.millis(What::Promote, node, 20, 1_500);
        self.plan_server(node, takes, ServerEvent::Promoted);
    }

    fn kill(&mut self, node: Node, op: OpId, stage: u8) {
        if stage == 0 {
            if self.options.driver_mutant == Some(DriverMutant::KillToldBeforeItIsDone) {
                let late = Duration::from_secs(20);
                self.next_stage(node, op, 1, late);
                self.end_soon(node, op, Outcome::Done(Report::Gone));
                return;
            }
            let takes = self.draws.millis(What::Kill, node, 1, 50);
            self.next_stage(node, op, 1, takes);
            return;
        }
        self.kill_server(node);
        self.end_soon(node, op, Outcome::Done(Report::Gone));
    }

    fn checkpoint(&mut self, node: Node, op: OpId, stage: u8) {
        if stage == 0 {
            let takes = self.draws.millis(What::Server, node, 20, 2_000);
            self.next_stage(node, op, 1, takes);
            return;
        }
        let is_done = self.hosts[node.index()]
            .server
            .checkpoint(&mut self.tree)
            .is_ok();
        if is_done {
            self.wake_receivers(node);
        }
        let outcome = if is_done {
            Outcome::Done(Report::Nothing)
        } else {
            transient("the server does not answer")
        };
        self.end_soon(node, op, outcome);
    }

    /// The server behind an upstream, when it can be reached from here.
    pub(super) fn reach(&self, node: Node, upstream: &Upstream) -> Option<Node> {
        let there = self.node_named(upstream.name.as_str())?;
        let host = self.host(there);
        let is_there = host.is_up
            && self.net.connects(End::Node(node), End::Node(there))
            && host.server.is_reachable();
        is_there.then_some(there)
    }

    fn identify(&mut self, node: Node, op: OpId, upstream: &Upstream, stage: u8) {
        if stage == 0 {
            let takes = self.draws.message(What::Message, node) * 2;
            self.next_stage(node, op, 1, takes);
            return;
        }
        let there = self.reach(node, upstream);
        match there.and_then(|there| self.host(there).server.identity(&self.tree)) {
            Some(identity) => {
                let is_primary = identity.is_primary;
                self.tell(Fact::Identified { node, is_primary });
                self.end_soon(node, op, Outcome::Done(Report::Identity(identity)));
            }
            None => {
                let outcome = Box::new(transient("the server does not answer"));
                self.plan_agent(node, IDENTIFY_LIMIT, AgentEvent::End { op, outcome });
            }
        }
    }

    fn bootstrap(&mut self, node: Node, op: OpId, stage: u8) {
        if stage == 0 {
            if self.hosts[node.index()].server.begin_bootstrap().is_err() {
                self.end_soon(node, op, transient("the directory is not empty"));
                return;
            }
            if let Some(agent) = &mut self.hosts[node.index()].agent {
                agent.had_seen_cluster = agent.has_seen_cluster;
            }
            let takes = self.draws.millis(What::Copy, node, 500, 4_000);
            self.next_stage(node, op, 1, takes);
            return;
        }
        if !self.claim_holds(node) {
            self.end_soon(node, op, transient("the session of the claim has ended"));
            return;
        }
        self.systems += 1;
        let system = SystemId(7_000_000_000 + self.systems);
        let host = &mut self.hosts[node.index()];
        if let Err(refused) = host.server.finish_bootstrap(&mut self.tree, system) {
            self.end_soon(node, op, transient(refused.as_str()));
            return;
        }
        host.epoch += 1;
        self.tell(Fact::Bootstrapped { node, system });
        self.end_soon(node, op, Outcome::Done(Report::Nothing));
    }

    pub(super) fn copy(&mut self, node: Node, op: OpId, from: &Upstream, stage: u8) {
        let there = self.reach(node, from);
        let Some(there) = there else {
            self.end_soon(node, op, transient("the source does not answer"));
            return;
        };
        if stage == 0 {
            let was = self.host(node).server.wal();
            if self.hosts[node.index()].server.begin_copy().is_err() {
                self.end_soon(node, op, transient("the directory is not empty"));
                return;
            }
            self.tell(Fact::Destroyed {
                node,
                was,
                by: Destruction::CopiedOver,
            });
            let takes = self.draws.millis(What::Copy, node, 500, 10_000);
            self.next_stage(node, op, 1, takes);
            return;
        }
        let source = self.host(there).server.clone();
        let copied = self.hosts[node.index()]
            .server
            .finish_copy(&source, &self.tree);
        if let Err(refused) = copied {
            self.end_soon(node, op, transient(refused.as_str()));
            return;
        }
        self.tell(Fact::Copied { node, from: there });
        self.end_soon(node, op, Outcome::Done(Report::Nothing));
    }
}

/// The end of an order to a server.
fn ended<T>(result: Result<T, Refused>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done(Report::Nothing),
        Err(refused) => transient(refused.as_str()),
    }
}
