//! Work on servers, part by part, and what their own processes do.
//!
//! What makes a server writable, or deletes data, checks its proof once more right here, as the
//! agent does.

use std::collections::BTreeSet;
use std::sync::Arc;

use herdsman_ha_core::{
    Failure, Grant, Lane, LeaderElsewhere, Outcome, Report, StartAs, StopMode, SystemId, Task,
    Timeline, Upstream,
};

use super::super::minds::Ask;
use super::super::promise;
use super::super::small::{Awaits, Job, Small, Stage};
use super::Scene;
use crate::ids::Node;
use crate::pg::Refused;

/// So many minor tasks are done in one step at most.
const AT_ONCE: usize = 100;

impl Small {
    /// The next part of a task.
    pub(super) fn work(&mut self, node: Node, job: usize, scene: &mut Scene<'_>) {
        let ask = Arc::clone(&self.member(node).jobs[job].ask);
        if self.member(node).jobs[job].is_call() {
            let told = self.call(node, &ask, scene);
            scene.note(|| format!("the store answers: {:?}", told.outcome));
            self.member_mut(node).jobs[job].stage = Stage::Ended(told);
            return;
        }
        let stage = self.work_on_server(node, &ask, job, scene);
        if let Some(job) = self.member_mut(node).jobs.get_mut(job) {
            job.stage = stage;
        }
        self.settle(node);
    }

    /// Does what is minor at once, unless the member is cut off.
    pub(super) fn do_what_is_minor(&mut self, scene: &mut Scene<'_>) {
        if scene.bounds.is_fine {
            return;
        }
        // Far more than a healthy machine asks for at once.
        for _ in 0..AT_ONCE {
            let mut minor = self.members.iter().filter_map(|member| {
                let is_able = member.is_awake() && !member.is_cut;
                let job = member.jobs.iter().position(is_minor)?;
                is_able.then_some((member.node, job))
            });
            let Some((node, job)) = minor.next() else {
                return;
            };
            self.work(node, job, scene);
            self.ended(node, job, scene);
        }
    }

    fn work_on_server(
        &mut self,
        node: Node,
        ask: &Ask,
        job: usize,
        scene: &mut Scene<'_>,
    ) -> Stage {
        let is_first = matches!(self.member(node).jobs[job].stage, Stage::Sent);
        let is_second = matches!(self.member(node).jobs[job].stage, Stage::Second);
        match &ask.task {
            Task::Start { role, .. } => self.begin_start(node, role),
            Task::Stop { mode } => self.begin_stop(node, *mode == StopMode::Fast),
            Task::Promote {
                grant, timeline, ..
            } if is_first => self.begin_promote(node, *grant, *timeline),
            Task::Promote { slots, .. } => {
                let _ = self.make_slots(node, slots, &BTreeSet::new());
                done()
            }
            Task::Follow { upstream } => {
                let to = upstream
                    .as_ref()
                    .and_then(|up| self.named(up.name.as_str()));
                let slot = upstream.as_ref().and_then(|up| up.slot.clone());
                ended(self.with_disks(|disks| disks.servers[node.index()].follow(to, slot)))
            }
            Task::ProveGone | Task::Fence => {
                self.kill(node);
                over(Outcome::Done(Report::Gone))
            }
            Task::Checkpoint => ended(self.with_disks(|disks| {
                let (server, tree) = disks.server_mut(node);
                server.checkpoint(tree)
            })),
            Task::SyncSlots(work) => ended(self.make_slots(node, &work.wanted, &work.dropped).and_then(
                |()| self.with_disks(|disks| disks.servers[node.index()].advance_slots(&work.advanced)),
            )),
            // Small worlds have no logical slots.
            Task::CopySlots { .. } => failed("there are no such slots"),
            Task::Identify { upstream, .. } => self.identify(upstream),
            Task::Bootstrap => self.bootstrap(node),
            Task::Clone { from: None } | Task::PrePromote { .. } => failed("there is no script"),
            Task::Clone { from: Some(from) } if is_first => self.begin_copy(node, from, Stage::Second, scene),
            Task::Clone { from: Some(from) } => self.finish_copy(node, from),
            Task::Replace { witness, from } if is_first || is_second => {
                self.replace(node, witness, from, is_first, scene)
            }
            Task::Reinitialize {
                witness, leader, ..
            } if is_first || is_second => self.replace(node, witness, leader, is_first, scene),
            Task::Replace { from, .. } | Task::Reinitialize { from, .. } => {
                self.finish_copy(node, from)
            }
            Task::Rewind { witness, from } if is_first || is_second => {
                self.begin_rewind(node, witness, from, is_first, scene)
            }
            Task::Rewind { from, .. } => self.finish_rewind(node, from),
            // Small worlds are asynchronous: there is nothing to wait for.
            Task::WaitFor { .. }
            | Task::OpenSession { .. }
            | Task::Renew { .. }
            | Task::CloseSession { .. }
            | Task::Commit(_)
            | Task::PublishHistory { .. }
            | Task::AskPeers { .. }
            // Failsafe mode is off in small worlds.
            | Task::AskPromises { .. } => done(),
        }
    }

    /// What a server's own processes do.
    pub(super) fn process(&mut self, node: Node, scene: &mut Scene<'_>) {
        let became_primary = self.with_disks(|disks| disks.go_on(node));
        if became_primary {
            self.check_promotion(node, scene);
        }
        self.settle(node);
        if self.disks.server(node).is_down() {
            self.look(node);
        }
    }

    /// Tasks that wait for a state of the server come to their end when it is there.
    pub(super) fn settle(&mut self, node: Node) {
        let server = self.disks.server(node);
        let (is_up, is_down, is_primary) = (server.is_up(), server.is_down(), server.is_primary());
        for job in &mut self.member_mut(node).jobs {
            let Stage::Awaits(awaits) = job.stage else {
                continue;
            };
            job.stage = match awaits {
                Awaits::Up if is_up => done(),
                Awaits::Down if is_down => done(),
                // The others' slots are made before anybody is told.
                Awaits::Primary if is_primary => Stage::Second,
                Awaits::Up | Awaits::Primary if is_down => failed("the server went down"),
                Awaits::Up | Awaits::Down | Awaits::Primary => continue,
            };
        }
    }

    /// Every process of a server is gone at once.
    pub(super) fn kill(&mut self, node: Node) {
        self.with_disks(|disks| disks.servers[node.index()].kill_all());
        self.settle(node);
        self.look(node);
    }

    fn still_holds(&self, node: Node, grant: Grant) -> bool {
        let lease = self.member(node).mind.as_ref().and_then(|mind| mind.lease);
        lease.is_some_and(|lease| {
            lease.generation == grant.generation() && self.clock() < lease.fence_at
        })
    }

    fn begin_start(&mut self, node: Node, role: &StartAs) -> Stage {
        let from = match role {
            StartAs::Primary(grant) if !self.still_holds(node, *grant) => {
                return failed("the lease ended before the task began");
            }
            StartAs::Primary(_) => None,
            StartAs::Standby(from) => from.as_ref(),
        };
        let as_primary = matches!(role, StartAs::Primary(_));
        let to = from.and_then(|from| self.named(from.name.as_str()));
        let slot = from.and_then(|from| from.slot.clone());
        let begun = self.with_disks(|disks| {
            let server = &mut disks.servers[node.index()];
            if server.is_orphaned() {
                server.kill_all();
            }
            if !as_primary {
                server.forget_hearsay();
            }
            server.begin_start(as_primary, to, slot)
        });
        begun.map_or_else(refused, |()| Stage::Awaits(Awaits::Up))
    }

    fn begin_stop(&mut self, node: Node, is_fast: bool) -> Stage {
        let server = self.disks.server(node);
        if server.is_down() && !server.is_orphaned() {
            return done();
        }
        if server.is_frozen && is_fast {
            // It does not hear it; a kill has to come.
            return Stage::Awaits(Awaits::Down);
        }
        let begun = self.with_disks(|disks| disks.servers[node.index()].begin_stop(is_fast));
        if begun.is_err() {
            self.kill(node);
        }
        Stage::Awaits(Awaits::Down)
    }

    fn begin_promote(&mut self, node: Node, grant: Grant, timeline: Timeline) -> Stage {
        if !self.still_holds(node, grant) {
            return failed("the lease ended before the task began");
        }
        let begun = self.with_disks(|disks| {
            let (server, tree) = disks.server_mut(node);
            server.begin_promote_to(timeline, tree)
        });
        begun.map_or_else(refused, |()| Stage::Awaits(Awaits::Primary))
    }

    fn make_slots(
        &mut self,
        node: Node,
        wanted: &BTreeSet<String>,
        dropped: &BTreeSet<String>,
    ) -> Result<(), Refused> {
        let used = self.used_slots(node);
        let dropped = dropped.difference(&used).cloned().collect();
        self.with_disks(|disks| disks.servers[node.index()].sync_slots(wanted, &dropped))
    }

    /// The server behind an upstream, when it answers.
    fn reach(&self, upstream: &Upstream) -> Option<Node> {
        let there = self.named(upstream.name.as_str())?;
        self.disks.server(there).is_reachable().then_some(there)
    }

    fn identify(&self, upstream: &Upstream) -> Stage {
        let there = self.reach(upstream);
        let identity = there.and_then(|there| self.disks.server(there).identity(&self.disks.tree));
        match identity {
            Some(identity) => over(Outcome::Done(Report::Identity(identity))),
            None => failed("the server does not answer"),
        }
    }

    fn bootstrap(&mut self, node: Node) -> Stage {
        ended(self.with_disks(|disks| {
            let (server, tree) = disks.server_mut(node);
            server.begin_bootstrap()?;
            server.finish_bootstrap(tree, SystemId(7_000_000_000 + u64::from(node.0)))
        }))
    }

    fn begin_copy(
        &mut self,
        node: Node,
        from: &Upstream,
        next: Stage,
        scene: &mut Scene<'_>,
    ) -> Stage {
        if self.reach(from).is_none() {
            return failed("the source does not answer");
        }
        let was = self.disks.server(node).wal();
        let begun = self.with_disks(|disks| disks.servers[node.index()].begin_copy());
        if begun.is_ok() {
            self.check_removal(node, was, scene);
        }
        begun.map_or_else(refused, |()| next)
    }

    fn finish_copy(&mut self, node: Node, from: &Upstream) -> Stage {
        let Some(there) = self.reach(from) else {
            return failed("the source does not answer");
        };
        ended(self.with_disks(|disks| {
            let source = disks.server(there).clone();
            let (server, tree) = disks.server_mut(node);
            server.finish_copy(&source, tree)
        }))
    }

    /// The witness is asked before the server is stopped, and again before the data goes.
    fn replace(
        &mut self,
        node: Node,
        witness: &LeaderElsewhere,
        from: &Upstream,
        is_first: bool,
        scene: &mut Scene<'_>,
    ) -> Stage {
        if !self.confirms(witness, from) {
            return failed("the leader is not a running primary");
        }
        self.kill(node);
        if is_first {
            return Stage::Second;
        }
        let was = self.disks.server(node).wal();
        if let Err(why) = self.with_disks(|disks| disks.servers[node.index()].wipe()) {
            return refused(why);
        }
        self.check_removal(node, was, scene);
        self.begin_copy(node, from, Stage::Third, scene)
    }

    fn confirms(&self, witness: &LeaderElsewhere, from: &Upstream) -> bool {
        let there = self.reach(from);
        let identity = there.and_then(|there| self.disks.server(there).identity(&self.disks.tree));
        identity.is_some_and(|identity| {
            identity.is_primary && identity.system_id == witness.system_id()
        })
    }

    fn begin_rewind(
        &mut self,
        node: Node,
        witness: &LeaderElsewhere,
        from: &Upstream,
        is_first: bool,
        scene: &mut Scene<'_>,
    ) -> Stage {
        let there = self.reach(from).filter(|_| self.confirms(witness, from));
        let Some(there) = there else {
            return failed("the leader is not a running primary");
        };
        self.kill(node);
        if is_first {
            return Stage::Second;
        }
        let was = self.disks.server(node).wal();
        let begun = self.with_disks(|disks| {
            let source = disks.server(there).clone();
            let tree = disks.tree.clone();
            let server = &mut disks.servers[node.index()];
            let is_needed = server.can_rewind_to(&source, &tree)?;
            if is_needed {
                server.begin_rewind()?;
            }
            Ok(is_needed)
        });
        match begun {
            Ok(true) => {
                self.check_removal(node, was, scene);
                Stage::Third
            }
            Ok(false) => done(),
            Err(why) => refused(why),
        }
    }

    fn finish_rewind(&mut self, node: Node, from: &Upstream) -> Stage {
        let Some(there) = self.reach(from) else {
            return failed("the source does not answer");
        };
        let rewound = self.with_disks(|disks| {
            let source = disks.server(there).clone();
            let tree = disks.tree.clone();
            disks.servers[node.index()].finish_rewind(&source, &tree)
        });
        match rewound {
            Ok(()) => done(),
            Err(why) => refused(why),
        }
    }

    fn check_promotion(&mut self, node: Node, scene: &mut Scene<'_>) {
        if let Some(row) = self.row
            && !self.disks.holds(node, row.place)
        {
            // It had not been shipped: what could be known of it was checked at the takeover.
            self.row = Some(super::Row {
                is_forsaken: true,
                ..row
            });
        }
        if self.kept.holder() != Some(node) {
            scene.breaks(promise::PROMOTION, || {
                format!("{node} became a primary while the leader key was not its own")
            });
        }
        self.check_timelines(scene);
    }
}

/// Whether a task neither gives nor takes the right to write, and asks nobody.
fn is_minor(job: &Job) -> bool {
    matches!(
        job.ask.task.lane(),
        Lane::Store | Lane::Slots | Lane::Checkpoint
    )
}

fn done() -> Stage {
    over(Outcome::Done(Report::Nothing))
}

fn over(outcome: Outcome) -> Stage {
    Stage::Ended(super::Told::new(outcome))
}

fn failed(message: &str) -> Stage {
    over(Outcome::Failed(Failure {
        is_transient: true,
        message: message.to_owned(),
    }))
}

fn refused(why: Refused) -> Stage {
    failed(why.as_str())
}

fn ended<T>(result: Result<T, Refused>) -> Stage {
    result.map_or_else(refused, |_| done())
}
