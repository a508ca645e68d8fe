//! Stepping a machine, and starting what it asks for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use herdsman_ha_core::{
    Deadline, Failure, Lane, LocalView, OpId, Outcome, PeerAnswer, PeerReport, PeerServer, Report,
    ServerView, Task,
};

use super::super::minds::{Ask, Deed, Minds, Stimulus, Told};
use super::super::small::{Job, Look, Small, Stage, Watch};
use super::super::way::kill_budget;
use super::super::{TTL, origin};
use super::Scene;
use crate::ids::Node;

/// How long a call to the store may take that brings no limit of its own.
const CALL_LIMIT: Duration = Duration::from_secs(1);

impl Small {
    pub(super) fn feed(&mut self, node: Node, stimulus: Stimulus, scene: &mut Scene<'_>) {
        let now = self.clock();
        let Some(mind) = self.member(node).mind.clone() else {
            return;
        };
        let stepped = scene.minds.step(&mind, now, stimulus);
        let is_harmless = self.disks.is_harmless(node);
        let member = self.member_mut(node);
        member.mind = Some(Arc::clone(&stepped.mind));
        match stepped.mind.lease {
            Some(lease) => member.guardian = Some((lease.fence_at, member.run)),
            // Its work is done.
            None if is_harmless => member.guardian = None,
            None => {}
        }
        for deed in &stepped.deeds {
            match deed {
                Deed::Start(op, ask) => self.start(node, *op, ask, scene),
                Deed::Cancel(op) => self.cancel(node, *op),
                Deed::Quit => self.agent_ends(node),
                Deed::Decided(decision) => {
                    scene.note(|| {
                        format!(
                            "{node} decides {}: {}",
                            decision.reason.code().as_str(),
                            decision.reason
                        )
                    });
                }
            }
        }
    }

    fn start(&mut self, node: Node, op: OpId, ask: &Arc<Ask>, scene: &mut Scene<'_>) {
        scene.note(|| format!("{node} starts {} ({op})", ask.task.name()));
        if ask.task == Task::Fence {
            self.pre_empt(node);
        }
        let limit = match &ask.task {
            Task::Renew { limit, .. }
            | Task::AskPeers { limit, .. }
            | Task::AskPromises { limit, .. } => Some(*limit),
            Task::OpenSession { .. }
            | Task::CloseSession { .. }
            | Task::Commit(_)
            | Task::PublishHistory { .. } => Some(CALL_LIMIT),
            // Nothing is ever late by a minute here.
            Task::Identify { .. }
            | Task::Bootstrap
            | Task::Clone { .. }
            | Task::Replace { .. }
            | Task::Reinitialize { .. }
            | Task::Rewind { .. }
            | Task::Start { .. }
            | Task::Stop { .. }
            | Task::PrePromote { .. }
            | Task::Promote { .. }
            | Task::Follow { .. }
            | Task::ProveGone
            | Task::Fence
            | Task::Checkpoint
            | Task::SyncSlots { .. }
            | Task::CopySlots { .. }
            | Task::WaitFor { .. } => None,
        };
        let now = self.now;
        let must_by = (ask.task == Task::Fence).then(|| now.plus(kill_budget(TTL)));
        self.member_mut(node).jobs.push(Job {
            op,
            ask: Arc::clone(ask),
            stage: Stage::Sent,
            until: limit.map(|limit| now.plus(limit)),
            must_by,
            answers: Vec::new(),
            tells_of_row: false,
        });
    }

    /// A kill waits for nothing on its lane.
    fn pre_empt(&mut self, node: Node) {
        let jobs = self.member(node).jobs.iter();
        let ops: Vec<OpId> = jobs
            .filter(|job| job.ask.task.lane() == Lane::Server)
            .map(|job| job.op)
            .collect();
        ops.into_iter().for_each(|op| self.cancel(node, op));
    }

    fn cancel(&mut self, node: Node, op: OpId) {
        let mut jobs = self.member(node).jobs.iter();
        if let Some(job) = jobs.position(|job| job.op == op) {
            self.end_job(node, job, Outcome::Cancelled);
        }
    }

    pub(super) fn start_agent(&mut self, node: Node, scene: &mut Scene<'_>) {
        let now = self.clock();
        let run = self.member(node).run + 1;
        let settings = origin::settings(node);
        let mind = Minds::fresh(settings, origin::boot(node, run, scene.bounds), now);
        let member = self.member_mut(node);
        member.run = run;
        member.mind = Some(mind);
        member.watch = Watch {
            is_lost: false,
            sent: 0,
            flight: None,
        };
        self.look(node);
    }

    /// The agent is gone; calls that it sent are still on their way.
    pub(super) fn agent_ends(&mut self, node: Node) {
        let member = self.member_mut(node);
        member.mind = None;
        member.is_frozen = false;
        member.look = None;
        member.watch.flight = None;
        let jobs = std::mem::take(&mut member.jobs);
        let on_their_way = jobs
            .into_iter()
            .filter(|job| job.is_call() && matches!(job.stage, Stage::Sent));
        member.late.extend(on_their_way.map(|job| job.ask));
    }

    pub(super) fn woken(&mut self, node: Node, scene: &mut Scene<'_>) {
        let wake = self.member(node).mind.as_ref().and_then(|mind| mind.wake);
        if wake.is_some_and(|(_, deadline)| deadline == Deadline::Look) {
            self.look(node);
        }
        self.feed(node, Stimulus::Wake, scene);
    }

    /// Begins a look at the server, unless one is on its way.
    pub(super) fn look(&mut self, node: Node) {
        let seen_at = self.clock();
        let early = self.disks.look(node);
        let member = self.member_mut(node);
        if member.mind.is_some() && member.look.is_none() {
            member.look = Some(Look::new(seen_at, early));
        }
    }

    /// The end of a task is told, after a fresh look when the server was concerned.
    pub(super) fn ended(&mut self, node: Node, job: usize, scene: &mut Scene<'_>) {
        let job = self.member_mut(node).jobs.remove(job);
        let Stage::Ended(told) = job.stage else {
            return;
        };
        if matches!(job.ask.task, Task::AskPeers { .. }) {
            self.member_mut(node).has_heard_of_row = job.tells_of_row;
        }
        if matches!(
            job.ask.task.lane(),
            Lane::Server | Lane::Peers | Lane::Slots
        ) {
            let (data, server) = self.disks.look(node);
            let local = LocalView {
                seen_at: self.clock(),
                data,
                server,
                about: None,
            };
            self.feed(node, Stimulus::Local(local), scene);
        }
        self.feed(node, Stimulus::Done(job.op, told), scene);
    }

    pub(super) fn timed_out(&mut self, node: Node, job: usize, scene: &mut Scene<'_>) {
        let task = &self.member(node).jobs[job].ask.task;
        if matches!(task, Task::AskPeers { .. }) {
            self.peers_are_in(node, job);
            self.ended(node, job, scene);
            return;
        }
        let outcome = if matches!(task, Task::OpenSession { .. }) {
            Outcome::Failed(Failure {
                is_transient: true,
                message: "no answer in time".to_owned(),
            })
        } else {
            Outcome::Unknown
        };
        let op = self.member_mut(node).jobs.remove(job).op;
        self.feed(node, Stimulus::Done(op, Told::new(outcome)), scene);
    }

    /// A peer looks at its server and says what it sees.
    pub(super) fn answer(&mut self, node: Node, job: usize, whom: Node, scene: &mut Scene<'_>) {
        let peer = self.member(whom);
        let instance = (peer.mind.is_some()).then(|| origin::instance(whom, peer.run));
        let (_, server) = self.disks.look(whom);
        let answer = match instance {
            None => PeerAnswer::Unreachable,
            Some(instance) => match running(&server) {
                None => PeerAnswer::NotRunning {
                    instance: Some(instance),
                },
                Some(running) => PeerAnswer::Running(PeerServer {
                    instance: Some(instance),
                    ..running
                }),
            },
        };
        let row = self.row.filter(|row| !row.is_forsaken);
        let tells = matches!(answer, PeerAnswer::Running(_))
            && whom != node
            && row.is_some_and(|row| self.disks.holds(whom, row.place));
        scene.note(|| format!("{whom} answers {node}: {answer:?}"));
        let asked = &mut self.member_mut(node).jobs[job];
        asked.tells_of_row |= tells;
        asked.answers.push((whom, answer));
        asked.answers.sort_by_key(|(from, _)| *from);
        let Task::AskPeers { peers, .. } = &asked.ask.task else {
            return;
        };
        if asked.answers.len() >= peers.len() {
            self.peers_are_in(node, job);
        }
    }

    fn peers_are_in(&mut self, node: Node, job: usize) {
        let asked = &self.member(node).jobs[job];
        let Task::AskPeers { peers, .. } = &asked.ask.task else {
            return;
        };
        let reports = peers.iter().map(|(name, _)| {
            let from = self.named(name.as_str());
            let answer = asked
                .answers
                .iter()
                .find(|(whom, _)| Some(*whom) == from)
                .map(|(_, answer)| answer.clone());
            PeerReport {
                name: name.clone(),
                answer: answer.unwrap_or(PeerAnswer::Unreachable),
            }
        });
        let reports = reports.collect();
        self.end_job(node, job, Outcome::Done(Report::Peers(reports)));
    }

    /// The names of the slots that are in use on a server.
    pub(super) fn used_slots(&self, node: Node) -> BTreeSet<String> {
        let servers = self.disks.servers.iter();
        servers
            .filter(|server| server.connected() == Some(node))
            .filter_map(|server| server.files()?.upstream_slot.clone())
            .collect()
    }
}

fn running(server: &ServerView) -> Option<PeerServer> {
    let wal_end_reached = match server {
        ServerView::Primary(_) => true,
        ServerView::Standby(standby) => standby.wal_end_reached,
        ServerView::Down { .. }
        | ServerView::Starting
        | ServerView::Stopping
        | ServerView::Unresponsive => return None,
    };
    Some(PeerServer {
        instance: None,
        is_primary: matches!(server, ServerView::Primary(_)),
        position: server.position()?,
        wal_end_reached: Some(wal_end_reached),
        may_lead: true,
        failover_priority: 1,
    })
}
