//! Carrying faults out, and ending them.

use std::time::Duration;

use super::World;
use super::draws::What;
use super::event::{Event, ServerEvent};
use super::host::WatchState;
use crate::fact::{Destruction, Fact};
use crate::fault::{End, Fault, Lasting};
use crate::ids::Node;
use crate::options::DriverMutant;
use crate::pg::Data;
use crate::trace::Kind;

/// How long a server of the store that is behind shows an old state to whoever connects to it.
const NEWER_AFTER: Duration = Duration::from_secs(1);

impl World {
    pub(super) fn fault(&mut self, fault: &Fault) {
        self.line(None, Kind::Fault, |_| (fault.to_string(), String::new()));
        self.trace.mix(&[self.now.0, 0xFA]);
        if let Some(duration) = lasting(fault) {
            self.plan(duration, Event::FaultEnds(Box::new(fault.clone())));
        }
        match fault {
            Fault::CrashHost(node, _) => {
                self.host_mut(*node).stays_away += 1;
                self.power_off(*node);
            }
            Fault::CrashAgent(node, _) => {
                self.host_mut(*node).stays_away += 1;
                self.agent_ends(*node);
            }
            Fault::CrashServer { node, orphans } => self.crash_server(*node, *orphans),
            Fault::CrashBackend(node) => self.crash_backend(*node),
            Fault::FreezeAgent(node, _) => self.host_mut(*node).agent_freezes += 1,
            Fault::FreezeServer(node, _) => {
                let host = self.host_mut(*node);
                host.server_freezes += 1;
                host.server.is_frozen = true;
            }
            Fault::FreezeHost(node, _) => {
                let host = self.host_mut(*node);
                host.agent_freezes += 1;
                host.server_freezes += 1;
                host.server.is_frozen = true;
            }
            Fault::Start(node) => {
                self.host_mut(*node).stays_away = 0;
                self.power_on(*node);
                self.start_agent(*node);
            }
            Fault::Quirk(node, quirk, _) => {
                self.host_mut(*node).server.quirks.insert(*quirk);
            }
            Fault::RecycleWal(node) => self.host_mut(*node).server.recycle(),
            Fault::LoseDisk(node) => self.lose_disk(*node),
            Fault::Cut { from, to, .. } => {
                self.net.cut(*from, *to);
                self.ways_changed(*from, *to);
            }
            Fault::Slow { from, to, by, .. } => self.net.slow(*from, *to, *by),
            Fault::Heal => self.heal(),
            Fault::StoreDown(_) => {
                self.store_outages += 1;
                self.all_ways_changed();
            }
            Fault::StoreUp => {
                self.store_outages = 0;
                self.store_is_back(false);
            }
            Fault::StoreElection(_) => {
                self.store_outages += 1;
            }
            Fault::LoseReply(call) => *self.mute_next.entry(*call).or_default() += 1,
            Fault::Delay(call, by) => self.delay_next.entry(*call).or_default().push(*by),
            Fault::BreakWatch(node, _) => {
                if let Some(agent) = &mut self.host_mut(*node).agent {
                    agent.watch.broken += 1;
                    if agent.watch.state == WatchState::Live {
                        // Nobody tells: it is found out when the fault ends.
                        agent.watch.state = WatchState::Stuck;
                    }
                }
            }
            Fault::StaleReads(node, _) => {
                let now = self.now;
                self.clients.stale.insert(*node, now);
            }
            Fault::OldView {
                node,
                back,
                reconnects,
            } => self.show_old_state(*node, *back, *reconnects),
            Fault::Upon { .. } => self.upon.push(fault.clone()),
            Fault::Deed(deed) => self.deed(deed),
        }
    }

    /// What waits for this work happens to whoever begins it now.
    pub(super) fn upon(&mut self, node: Node, task: &herdsman_ha_core::Task) {
        if self.upon.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.upon);
        for fault in waiting {
            if let Fault::Upon {
                work,
                after,
                mishap,
                lasting,
            } = &fault
                && work.is(task)
            {
                for hit in mishap.faults(node, self.options.nodes, *lasting) {
                    self.plan(*after, Event::Hit(Box::new(hit), self.healings));
                }
            } else {
                self.upon.push(fault);
            }
        }
    }

    pub(super) fn fault_ends(&mut self, fault: &Fault) {
        self.trace.mix(&[self.now.0, 0xFE]);
        match fault {
            Fault::CrashHost(node, _) => {
                let host = self.host_mut(*node);
                host.stays_away = host.stays_away.saturating_sub(1);
                self.power_on(*node);
                self.start_agent(*node);
            }
            Fault::CrashAgent(node, _)
            | Fault::Deed(crate::fault::Deed::Restart { at: node, .. }) => {
                let host = self.host_mut(*node);
                host.stays_away = host.stays_away.saturating_sub(1);
                self.start_agent(*node);
            }
            Fault::FreezeAgent(node, _) => self.unfreeze(*node, true, false),
            Fault::FreezeServer(node, _) => self.unfreeze(*node, false, true),
            Fault::FreezeHost(node, _) => self.unfreeze(*node, true, true),
            Fault::Quirk(node, quirk, _) => {
                self.host_mut(*node).server.quirks.remove(quirk);
                self.plan_pull(*node, Duration::ZERO);
            }
            Fault::Cut { from, to, .. } => self.net.mend(*from, *to),
            Fault::Slow { from, to, .. } => self.net.speed_up(*from, *to),
            Fault::StoreDown(_) | Fault::StoreElection(_) => {
                self.store_outages = self.store_outages.saturating_sub(1);
                if self.store_outages == 0 {
                    let is_pause = matches!(fault, Fault::StoreDown(_))
                        && self.draws.below(What::Choice, None, 2) == 0;
                    self.store_is_back(is_pause);
                }
            }
            Fault::BreakWatch(node, _) => {
                if let Some(agent) = &mut self.host_mut(*node).agent {
                    agent.watch.broken = agent.watch.broken.saturating_sub(1);
                }
                self.watch_lost(*node);
            }
            Fault::StaleReads(node, _) | Fault::OldView { node, .. } => {
                self.clients.stale.remove(node);
                self.watch_stuck_for(*node, Duration::ZERO);
            }
            Fault::CrashServer { .. }
            | Fault::CrashBackend(_)
            | Fault::Start(_)
            | Fault::RecycleWal(_)
            | Fault::LoseDisk(_)
            | Fault::Heal
            | Fault::StoreUp
            | Fault::LoseReply(_)
            | Fault::Delay(_, _)
            | Fault::Upon { .. }
            | Fault::Deed(_) => {}
        }
        self.line(None, Kind::Fault, |_| {
            (format!("over: {fault}"), String::new())
        });
    }

    fn crash_server(&mut self, node: Node, orphans: bool) {
        let host = self.host_mut(node);
        if host.server.is_down() {
            return;
        }
        host.epoch += 1;
        host.server.crash(orphans);
        self.server_changed(node);
    }

    /// A primary recovers by itself. A standby was started with the order to end instead: it may
    /// have heard of a timeline that is not its own, which it would take when it recovers.
    fn crash_backend(&mut self, node: Node) {
        let recovers =
            self.options.driver_mutant == Some(DriverMutant::CrashedStandbyRecoversByItself);
        let server = &self.host(node).server;
        if !server.is_reachable() {
            return;
        }
        if !server.is_primary() && !recovers {
            self.crash_server(node, false);
            return;
        }
        // All clients are cut off.
        self.hang_up(node);
        let host = self.host_mut(node);
        host.epoch += 1;
        host.left = None;
        host.is_pulling = false;
        host.is_noticing = false;
        host.server.reinitialize();
        let takes = self.draws.millis(What::Server, node, 100, 3_000);
        self.plan_server(node, takes, ServerEvent::Started);
        self.server_changed(node);
    }

    fn lose_disk(&mut self, node: Node) {
        let was = self.host(node).server.wal();
        self.kill_server(node);
        self.hosts[node.index()].server.lose_disk();
        self.tell(Fact::Destroyed {
            node,
            was,
            by: Destruction::DiskLost,
        });
    }

    /// The disk is lost, and another one holds this.
    pub(crate) fn change_disk(&mut self, node: Node, data: Data) {
        self.lose_disk(node);
        self.hosts[node.index()].server.data = data;
    }

    fn unfreeze(&mut self, node: Node, agent: bool, server: bool) {
        let host = self.host_mut(node);
        host.agent_freezes = host.agent_freezes.saturating_sub(u32::from(agent));
        host.server_freezes = host.server_freezes.saturating_sub(u32::from(server));
        self.thaw(node, server);
    }

    /// A store that has a leader again gives every session its full time; one that only stood still
    /// ends those whose time was up.
    fn store_is_back(&mut self, had_leader: bool) {
        if !had_leader {
            self.store.extend_all(self.now);
        }
        self.plan_expiry();
        for node in self.nodes() {
            self.watch_stuck_for(node, Duration::from_millis(100));
        }
    }

    fn ways_changed(&mut self, from: End, to: End) {
        for end in [from, to] {
            if let End::Node(node) = end {
                self.way_changed(node);
            }
        }
    }

    fn all_ways_changed(&mut self) {
        for node in self.nodes() {
            self.way_changed(node);
        }
    }

    /// Every fault ends, every machine runs.
    fn heal(&mut self) {
        self.net.heal();
        if self.store_outages > 0 {
            self.store_outages = 0;
            self.store_is_back(false);
        }
        self.mute_next.clear();
        self.delay_next.clear();
        self.upon.clear();
        self.healings += 1;
        self.clients.stale.clear();
        for node in self.nodes() {
            let host = self.host_mut(node);
            host.server.quirks.clear();
            host.stays_away = 0;
            let was_frozen = host.agent_freezes + host.server_freezes > 0;
            host.agent_freezes = 0;
            host.server_freezes = 0;
            if let Some(agent) = &mut host.agent {
                agent.watch.broken = 0;
            }
            if was_frozen {
                self.thaw(node, true);
            }
            self.power_on(node);
            self.start_agent(node);
            self.watch_lost(node);
            let soon = self.draws.millis(What::Notice, node, 10, 100);
            self.plan_server(node, soon, ServerEvent::Pull);
        }
    }
}

/// How long a fault lasts, when it ends by itself.
fn lasting(fault: &Fault) -> Lasting {
    match fault {
        Fault::CrashHost(_, lasting)
        | Fault::CrashAgent(_, lasting)
        | Fault::FreezeAgent(_, lasting)
        | Fault::FreezeServer(_, lasting)
        | Fault::FreezeHost(_, lasting)
        | Fault::Quirk(_, _, lasting)
        | Fault::Cut { lasting, .. }
        | Fault::Slow { lasting, .. }
        | Fault::StoreDown(lasting)
        | Fault::StaleReads(_, lasting) => *lasting,
        Fault::StoreElection(duration) | Fault::BreakWatch(_, duration) => Some(*duration),
        Fault::Deed(crate::fault::Deed::Restart { away, .. }) => Some(*away),
        Fault::OldView { reconnects, .. } => reconnects.then_some(NEWER_AFTER),
        Fault::CrashServer { .. }
        | Fault::CrashBackend(_)
        | Fault::Start(_)
        | Fault::RecycleWal(_)
        | Fault::LoseDisk(_)
        | Fault::Heal
        | Fault::StoreUp
        | Fault::LoseReply(_)
        | Fault::Delay(_, _)
        | Fault::Upon { .. }
        | Fault::Deed(_) => None,
    }
}
