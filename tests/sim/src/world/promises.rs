//! A leader that the store does not confirm asks others to hold back: each machine answers for
//! itself, when the question reaches it and its agent moves.

use std::time::Duration;

use herdsman_ha_core::{
    Answer, AnswerKind, Command, Input, MemberName, OpId, Outcome, PromiseAnswer, PromiseReport,
    PromiseRequest, Report, RequestId, Task,
};

use super::World;
use super::event::{AgentEvent, Event};
use crate::fault::End;
use crate::ids::{At, Node};

/// Who waits for the answer of a machine to a question.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    by: Node,
    run: u32,
    op: OpId,
    ttl: Duration,
}

/// A promise that was given, as judges see it.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// By whom.
    pub by: Node,
    /// To whom.
    pub to: Node,
    /// It lasts at least so long, whatever the clocks of members do.
    pub until: At,
}

impl World {
    pub(super) fn ask_promises(
        &mut self,
        by: Node,
        op: OpId,
        request: &PromiseRequest,
        peers: &[(MemberName, String)],
        limit: Duration,
    ) {
        let run = self.host(by).run().unwrap_or_default();
        if peers.is_empty() {
            self.end_soon(by, op, Outcome::Done(Report::Promises(Vec::new())));
            return;
        }
        self.plan_agent(by, limit, AgentEvent::Timeout { op });
        for (name, _) in peers {
            let Some(whom) = self.node_named(name.as_str()) else {
                continue;
            };
            let Some(travel) = self.travel(by, whom) else {
                continue;
            };
            let request = Box::new(request.clone());
            self.plan(
                travel,
                Event::PromiseAsked {
                    by,
                    run,
                    op,
                    whom,
                    request,
                },
            );
        }
    }

    /// The question has arrived.
    pub(super) fn promise_asked(
        &mut self,
        by: Node,
        run: u32,
        op: OpId,
        whom: Node,
        request: Box<PromiseRequest>,
    ) {
        if !self.host(whom).is_up || !self.net.passes(End::Node(by), End::Node(whom)) {
            return;
        }
        if self.host(whom).run().is_none() {
            // Nobody listens there: the host says so at once.
            self.promise_answer(by, run, op, whom, PromiseAnswer::Unreachable);
            return;
        }
        let host = self.host_mut(whom);
        if host.agent_freezes > 0 {
            host.held_back.push(Event::PromiseAsked {
                by,
                run,
                op,
                whom,
                request,
            });
            return;
        }
        self.questions += 1;
        let number = RequestId(1000 + self.questions);
        let ttl = request.ttl.unwrap_or_default();
        let asker = Asker { by, run, op, ttl };
        if let Some(agent) = &mut self.host_mut(whom).agent {
            agent.askers.insert(number, asker);
        }
        let command = Command::Promise(*request);
        self.feed(
            whom,
            Input::Operator {
                request: number,
                command,
            },
        );
    }

    /// A machine has answered; tells whether it was asked for a promise.
    pub(super) fn promise_replied(
        &mut self,
        whom: Node,
        request: RequestId,
        answer: &Answer,
    ) -> bool {
        let Some(agent) = &mut self.host_mut(whom).agent else {
            return false;
        };
        let Some(Asker { by, run, op, ttl }) = agent.askers.remove(&request) else {
            return false;
        };
        let told = if answer.kind == AnswerKind::Done {
            // Clocks go wrong by less than half a thousandth.
            let until = self.now.plus(ttl - ttl / 2000);
            self.promises
                .retain(|promise| promise.by != whom || promise.to != by);
            self.promises.push(Promise {
                by: whom,
                to: by,
                until,
            });
            PromiseAnswer::Promised
        } else {
            PromiseAnswer::Refused(answer.text.clone())
        };
        self.promise_answer(by, run, op, whom, told);
        true
    }

    fn promise_answer(&mut self, by: Node, run: u32, op: OpId, whom: Node, answer: PromiseAnswer) {
        let Some(travel) = self.travel(whom, by) else {
            return;
        };
        let from = whom;
        let event = AgentEvent::PromiseAnswer { op, from, answer };
        let node = by;
        self.plan(travel, Event::Agent { node, run, event });
    }

    pub(super) fn promise_answered(
        &mut self,
        node: Node,
        op: OpId,
        from: Node,
        answer: PromiseAnswer,
    ) {
        let Some(agent) = &mut self.host_mut(node).agent else {
            return;
        };
        let Some(job) = agent.jobs.get_mut(&op) else {
            return;
        };
        job.promises.insert(from, answer);
        let Task::AskPromises { peers, .. } = &*job.task else {
            return;
        };
        if job.promises.len() >= peers.len() {
            self.promises_are_in(node, op);
        }
    }

    /// The round is over.
    pub(super) fn promises_are_in(&mut self, node: Node, op: OpId) {
        let Some(task) = self.task_of(node, op) else {
            return;
        };
        let Task::AskPromises { peers, .. } = &*task else {
            return;
        };
        let agent = self.host(node).agent.as_ref();
        let Some(job) = agent.and_then(|agent| agent.jobs.get(&op)) else {
            return;
        };
        let reports = peers.iter().map(|(name, _)| {
            let told = self.node_named(name.as_str());
            let told = told.and_then(|node| job.promises.get(&node).cloned());
            PromiseReport {
                name: name.clone(),
                answer: told.unwrap_or(PromiseAnswer::Unreachable),
            }
        });
        let reports = reports.collect();
        self.finish(node, op, Outcome::Done(Report::Promises(reports)));
    }

    /// Whether every other member that may lead by the store holds back for this one.
    #[must_use]
    pub fn is_promised(&self, to: Node) -> bool {
        let Some(listed) = self.store.failsafe_key() else {
            return false;
        };
        let holds_back = |by: Node| {
            let given = |promise: &&Promise| promise.by == by && promise.to == to;
            self.promises
                .iter()
                .find(given)
                .is_some_and(|promise| self.now <= promise.until)
        };
        listed.contains_key(self.name_of(to))
            && listed
                .keys()
                .filter_map(|name| self.node_named(name))
                .all(|by| by == to || holds_back(by))
    }
}
