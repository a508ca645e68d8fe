//! What the server's own processes do, and who notices.

use std::time::Duration;

use herdsman_ha_core::{OpId, Outcome, Report, Task};

use super::World;
use super::draws::What;
use super::driver::transient;
use super::event::{AgentEvent, ServerEvent};
use super::host::Awaits;
use crate::fact::Fact;
use crate::fault::{End, Quirk};
use crate::ids::Node;
use crate::trace::Kind;

impl World {
    pub(super) fn server_event(&mut self, node: Node, event: ServerEvent) {
        match event {
            ServerEvent::Started => self.started(node),
            ServerEvent::Replayed => {
                self.host_mut(node).server.replay_to_end();
                self.plan_pull(node, Duration::ZERO);
            }
            ServerEvent::Stopped => self.stopped(node),
            ServerEvent::Promoted => self.promoted(node),
            ServerEvent::Pull => self.pull(node),
            ServerEvent::ConnectionLost => self.connection_lost(node),
        }
    }

    fn started(&mut self, node: Node) {
        let host = &mut self.hosts[node.index()];
        let was = host.left;
        let was_corrupt = host.server.is_corrupt();
        if host.server.finish_start(&mut self.tree).is_err() {
            self.server_changed(node);
            return;
        }
        let is_primary = host.server.is_primary();
        let wal = host.server.wal();
        if host.server.is_corrupt() && !was_corrupt {
            self.tell(Fact::Corrupted { node });
        }
        self.line(Some(node), Kind::Server, |_| {
            let what = if is_primary { "primary" } else { "standby" };
            (format!("server is up as a {what}"), String::new())
        });
        if let (true, Some(wal), Some(was)) = (is_primary, wal, was) {
            self.tell(Fact::StartedAsPrimary { node, was, wal });
        }
        if !is_primary {
            let takes = self.draws.millis(What::Replay, node, 10, 2_000);
            self.plan_server(node, takes, ServerEvent::Replayed);
        }
        self.server_changed(node);
    }

    fn stopped(&mut self, node: Node) {
        self.ship_everything(node);
        let host = &mut self.hosts[node.index()];
        host.epoch += 1;
        if host.server.finish_stop(&mut self.tree).is_err() {
            host.server.kill_all();
        }
        self.line(Some(node), Kind::Server, |_| {
            ("server has stopped".to_owned(), String::new())
        });
        self.server_changed(node);
    }

    /// A server that stops in order waits for the standbys that stream from it.
    fn ship_everything(&mut self, from: Node) {
        if self.hosts[from.index()]
            .server
            .pending_shutdown_record(&mut self.tree)
            .is_none()
        {
            return;
        }
        let receivers: Vec<Node> = self
            .nodes()
            .filter(|node| {
                let host = self.host(*node);
                host.server.connected() == Some(from)
                    && host.server_freezes == 0
                    && self.net.connects(End::Node(*node), End::Node(from))
            })
            .collect();
        for node in receivers {
            self.receive(node, from);
        }
    }

    fn promoted(&mut self, node: Node) {
        let host = &mut self.hosts[node.index()];
        if host.server.quirks.contains(&Quirk::HangsInPromotion) {
            self.plan_server(node, Duration::from_secs(1), ServerEvent::Promoted);
            return;
        }
        let Some(from) = host.server.wal() else {
            return;
        };
        if host.server.finish_promote(&mut self.tree).is_err() {
            self.server_changed(node);
            return;
        }
        let Some(to) = host.server.wal() else {
            return;
        };
        let timeline = self.tree.branch(to.branch).timeline;
        self.line(Some(node), Kind::Server, |_| {
            (format!("promoted to timeline {timeline}"), String::new())
        });
        self.tell(Fact::Promoted { node, from, to });
        self.server_changed(node);
    }

    /// Tells everybody whom it concerns that a server came to another state.
    pub(super) fn server_changed(&mut self, node: Node) {
        self.wake_receivers(node);
        self.follow_errand(node);
        let server = &self.host(node).server;
        let is_down = server.is_down();
        let is_up = server.is_up();
        let is_primary = server.is_primary();
        let is_promoting = server.is_promoting();
        let takes = self.draws.jitter(node);
        let Some(agent) = &self.host(node).agent else {
            return;
        };
        let ends: Vec<(OpId, Outcome)> = agent
            .jobs
            .iter()
            .filter_map(|(op, job)| {
                let done = || Outcome::Done(Report::Nothing);
                let outcome = match job.awaits? {
                    Awaits::Up if is_up => done(),
                    Awaits::Up if is_down => transient("the server did not start"),
                    Awaits::Primary if is_primary => done(),
                    Awaits::Primary if is_down => transient("the server went down"),
                    Awaits::Primary if !is_promoting => transient("the session has ended"),
                    Awaits::Down if is_down => done(),
                    Awaits::Up | Awaits::Down | Awaits::Primary | Awaits::Cancelled => return None,
                };
                Some((*op, outcome))
            })
            .collect();
        for (op, outcome) in ends {
            let is_promoted = is_primary
                && self
                    .task_of(node, op)
                    .is_some_and(|task| matches!(*task, Task::Promote { .. }));
            let event = if is_promoted {
                // The others' slots are made before anybody is told.
                AgentEvent::Stage { op, stage: 1 }
            } else {
                let outcome = Box::new(outcome);
                AgentEvent::End { op, outcome }
            };
            self.plan_agent(node, takes, event);
        }
        if is_down {
            // The kernel tells of the end of a process.
            self.look(node);
        }
    }
}
