//! One member asks others for their positions; each looks at its server when it is asked.

use std::collections::BTreeSet;
use std::time::Duration;

use herdsman_ha_core::{
    MemberName, OpId, Outcome, PeerAnswer, PeerServer, Report, ServerView, Task,
};

use super::World;
use super::draws::What;
use super::event::{AgentEvent, Event};
use crate::fact::Fact;
use crate::fault::End;
use crate::ids::Node;

/// How much longer than the registered members the others are waited for.
const COURTESY: Duration = Duration::from_millis(150);

impl World {
    pub(super) fn ask(
        &mut self,
        by: Node,
        op: OpId,
        peers: &[(MemberName, String)],
        expected: &BTreeSet<MemberName>,
        limit: Duration,
    ) {
        let run = self.host(by).run().unwrap_or_default();
        let limit = if expected.is_empty() {
            COURTESY.min(limit)
        } else {
            limit
        };
        self.plan_agent(by, limit, AgentEvent::Timeout { op });
        if let Some(agent) = &mut self.host_mut(by).agent
            && let Some(job) = agent.jobs.get_mut(&op)
        {
            job.waits_for = expected.len();
        }
        for (name, _) in peers {
            let Some(whom) = self.node_named(name.as_str()) else {
                continue;
            };
            if let Some(travel) = self.travel(by, whom) {
                self.plan(travel, Event::Asked { by, run, op, whom });
            }
        }
    }

    /// How long a message takes from one member to another; none: it does not arrive.
    pub(super) fn travel(&mut self, from: Node, to: Node) -> Option<Duration> {
        let (from_end, to_end) = (End::Node(from), End::Node(to));
        if !self.net.passes(from_end, to_end) {
            return None;
        }
        Some(self.draws.message(What::Message, from) + self.net.delay(from_end, to_end))
    }

    /// The question has arrived.
    pub(super) fn asked(&mut self, by: Node, run: u32, op: OpId, whom: Node) {
        let host = self.host(whom);
        if !host.is_up || !self.net.passes(End::Node(by), End::Node(whom)) {
            return;
        }
        let Some(whom_run) = host.run() else {
            // Nobody listens there: the host says so at once.
            self.answer(by, run, op, whom, PeerAnswer::Unreachable);
            return;
        };
        let takes = self.draws.look(whom);
        self.plan(
            takes,
            Event::Answers {
                by,
                run,
                op,
                whom,
                whom_run,
            },
        );
    }

    pub(super) fn answers(&mut self, by: Node, run: u32, op: OpId, whom: Node, whom_run: u32) {
        let host = self.host_mut(whom);
        if host.run() != Some(whom_run) {
            return;
        }
        if host.agent_freezes > 0 {
            host.held_back.push(Event::Answers {
                by,
                run,
                op,
                whom,
                whom_run,
            });
            return;
        }
        let (_, server) = self.host(whom).server.look(&self.tree);
        let instance = Some(super::start::instance(whom, whom_run));
        let agent = self.host(whom).agent.as_ref();
        let has_parted = agent.is_some_and(|agent| agent.subject.machine().status().has_parted);
        let may_lead = !has_parted && !self.options.nofailover.contains(&whom.0);
        let position = server.position();
        let answer = match (&server, position) {
            (ServerView::Primary(_), Some(position)) => PeerAnswer::Running(PeerServer {
                instance,
                is_primary: true,
                position,
                wal_end_reached: Some(true),
                may_lead,
                failover_priority: 1,
            }),
            (ServerView::Standby(standby), Some(position)) => PeerAnswer::Running(PeerServer {
                instance,
                is_primary: false,
                position,
                wal_end_reached: Some(standby.wal_end_reached),
                may_lead,
                failover_priority: 1,
            }),
            (_, _) => PeerAnswer::NotRunning { instance },
        };
        self.answer(by, run, op, whom, answer);
    }

    fn answer(&mut self, by: Node, run: u32, op: OpId, whom: Node, answer: PeerAnswer) {
        let Some(travel) = self.travel(whom, by) else {
            return;
        };
        self.plan(
            travel,
            Event::Agent {
                node: by,
                run,
                event: AgentEvent::PeerAnswer {
                    op,
                    from: whom,
                    answer: Box::new(answer),
                },
            },
        );
    }

    pub(super) fn peer_answered(&mut self, node: Node, op: OpId, from: Node, answer: PeerAnswer) {
        let Some(task) = self.task_of(node, op) else {
            return;
        };
        let Task::AskPeers {
            peers, expected, ..
        } = &*task
        else {
            return;
        };
        let is_expected = expected.contains(&self.host(from).name);
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        let Some(job) = agent.jobs.get_mut(&op) else {
            return;
        };
        let is_first = job.answers.insert(from, answer).is_none();
        if is_expected && is_first {
            job.waits_for = job.waits_for.saturating_sub(1);
            if job.waits_for == 0 {
                self.plan_agent(node, COURTESY, AgentEvent::Timeout { op });
            }
        }
        let everybody = peers.len();
        let is_complete = self
            .host(node)
            .agent
            .as_ref()
            .and_then(|agent| agent.jobs.get(&op))
            .is_some_and(|job| job.answers.len() >= everybody);
        if is_complete {
            self.peers_are_in(node, op);
        }
    }

    /// The round is over.
    pub(super) fn peers_are_in(&mut self, node: Node, op: OpId) {
        let Some(task) = self.task_of(node, op) else {
            return;
        };
        let Task::AskPeers { peers, .. } = &*task else {
            return;
        };
        let reports = {
            let Some(job) = self
                .host(node)
                .agent
                .as_ref()
                .and_then(|agent| agent.jobs.get(&op))
            else {
                return;
            };
            job.reports(peers, |name| self.node_named(name.as_str()))
        };
        self.finish(node, op, Outcome::Done(Report::Peers(reports)));
    }

    /// A machine is about to hear the answers.
    pub(super) fn tell_answers(&mut self, node: Node, outcome: &Outcome) {
        let Outcome::Done(Report::Peers(reports)) = outcome else {
            return;
        };
        let answers = reports.iter().filter_map(|report| match &report.answer {
            PeerAnswer::Running(server) => {
                let peer = self.node_named(report.name.as_str())?;
                Some((peer, server.clone()))
            }
            PeerAnswer::Unreachable | PeerAnswer::NotRunning { .. } => None,
        });
        let answers = answers.collect();
        self.tell(Fact::PeersHeard { node, answers });
    }
}
