//! Agents begin and end, and the guardian that outlives them.

use std::collections::BTreeMap;
use std::time::Duration;

use herdsman_ha_core::{Boot, InstanceId, Now, RejoinSettings, Scripts, Settings, Tags, Wall};
use serde_json::{Value, json};

use super::World;
use super::event::{AgentEvent, Event};
use super::host::{Agent, Watch, WatchState};
use crate::checked::Checked;
use crate::fact::Fact;
use crate::ids::{At, Node};
use crate::trace::Kind;

/// The instance of a member's n-th agent.
pub(super) fn instance(node: Node, run: u32) -> InstanceId {
    InstanceId::from(format!("{node}#{run}"))
}

impl World {
    /// What a member's machine is told about itself.
    #[must_use]
    pub fn settings(&self, node: Node) -> Settings {
        let name = self.host(node).name.clone();
        // Where a member is reached has nothing to do with its name.
        let place = crate::pg::host(node);
        let mut tags = serde_json::Map::new();
        if self.options.nofailover.contains(&node.0) {
            tags.insert("nofailover".to_owned(), json!(true));
        }
        if let Some(source) = self.options.replicatefrom.get(&node.0) {
            let source = self.host(Node(*source)).name.to_string();
            tags.insert("replicatefrom".to_owned(), json!(source));
        }
        Settings {
            conn_url: format!("postgres://{place}:5432/postgres"),
            api_url: format!("http://{place}:8008/patroni"),
            name,
            tags: Tags::read(&tags),
            proxy_url: None,
            known_config: None,
            standby_start_limit: None,
            bootstrap_config: Some(self.configuration()),
            watchdog_required: false,
            rejoin: RejoinSettings {
                rewinds: Some(self.options.rewinds),
                replaces_on_failure: Some(self.options.rewinds),
                replaces_on_divergence: Some(!self.options.rewinds),
                replaces_on_missing_wal: None,
            },
            scripts: Scripts {
                pre_promote: self.options.has_pre_promote,
                replica_without_leader: false,
            },
        }
    }

    fn configuration(&self) -> Value {
        let mut config = json!({
            "ttl": self.options.ttl.as_secs(),
            "loop_wait": self.options.loop_wait.as_secs(),
            "retry_timeout": (self.options.ttl.as_secs().saturating_sub(self.options.loop_wait.as_secs()) / 2).max(1),
            "maximum_lag_on_failover": self.options.lag_limit,
            "primary_start_timeout": self.options.primary_start_timeout.as_secs(),
        });
        if self.options.has_logical_slot {
            config["slots"] = json!({"cdc": {"database": "app", "plugin": "pgoutput"}});
        }
        if self.options.checks_timeline {
            config["check_timeline"] = json!(true);
        }
        config
    }

    /// What a fresh machine of this member is made with; its run is the next.
    #[must_use]
    pub fn boot(&self, node: Node, run: u32) -> Boot {
        #[cfg_attr(
            not(feature = "mutants"),
            expect(unused_mut, reason = "set by mutants")
        )]
        let mut boot = Boot::new(instance(node, run), self.host(node).seed);
        #[cfg(feature = "mutants")]
        {
            boot.mutant = self.options.mutant.and_then(|name| name.parse().ok());
        }
        boot
    }

    /// Starts the agent of a machine that has power and none running.
    pub fn start_agent(&mut self, node: Node) {
        let host = self.host(node);
        if !host.is_up || host.agent.is_some() || host.stays_away > 0 {
            return;
        }
        let run = host.runs + 1;
        let now = Now {
            mono: host.clock.read(self.now),
            wall: Wall(0),
        };
        let subject = Checked::new(self.settings(node), self.boot(node, run), now)
            .with_a_twin_every(self.twin_every);
        let present = self.now;
        let host = self.host_mut(node);
        host.runs = run;
        host.agent_since = present;
        host.agent = Some(Agent {
            subject,
            run,
            wake: None,
            wake_serial: 0,
            wakes_for_look: false,
            jobs: BTreeMap::new(),
            askers: BTreeMap::new(),
            grant: None,
            is_looking: false,
            sees_primary: false,
            watch: Watch {
                state: WatchState::Lost,
                last_at: present,
                sent: 0,
                broken: 0,
            },
            seen: herdsman_ha_core::Revision(0),
            told: None,
            is_paused: false,
            knows_pause: false,
            has_seen_cluster: false,
            had_seen_cluster: false,
            leader_told: None,
        });
        self.line(Some(node), Kind::Server, |_| {
            ("agent starts".to_owned(), String::new())
        });
        self.look(node);
        let soon = self.draws.jitter(node);
        self.plan_agent(node, soon, AgentEvent::WatchAgain);
    }

    /// The agent is gone; what its processes were doing for it is over.
    pub(super) fn agent_ends(&mut self, node: Node) {
        let now = self.now;
        let host = self.host_mut(node);
        if host.agent.take().is_none() {
            return;
        }
        host.agent_since = now;
        host.held_back
            .retain(|event| matches!(event, Event::Server { .. }));
        self.tell(Fact::AgentGone { node });
    }

    /// The guardian hears of a lease right when the machine does.
    pub(super) fn set_guardian(&mut self, node: Node) {
        if !self.options.has_guardian {
            return;
        }
        let now = self.now;
        let host = self.host_mut(node);
        let clock = host.clock;
        let Some(agent) = &host.agent else {
            return;
        };
        if agent.is_paused {
            host.guardian = None;
            return;
        }
        // A new cluster's server rests on the claim until its first leadership, and one that a fresh
        // agent finds on nothing.
        let machine = agent.subject.machine();
        let leads_until = agent.grant.map(|(_, fence_at)| fence_at);
        let rests_until = leads_until.or_else(|| machine.claim_ends_at());
        // What a lease has left is not made longer by its end.
        let has_deadline = host.guardian.is_some_and(|at| at >= now);
        let unleased = || machine.unleased_until().filter(|_| !has_deadline);
        let Some(fence_at) = rests_until.or_else(unleased) else {
            return;
        };
        let at = clock.when(fence_at).max(now);
        if host.guardian != Some(at) {
            host.guardian = Some(at);
            self.queue.plan(at, Event::Guardian(node));
        }
    }

    /// A server whose lease ends now and was not extended is killed.
    pub(super) fn guard(&mut self, node: Node) {
        let now = self.now;
        let host = self.host_mut(node);
        if host.guardian != Some(now) || !host.is_up {
            return;
        }
        if host.server.may_write() {
            host.guardian = None;
            self.line(Some(node), Kind::Server, |_| {
                ("guardian kills the server".to_owned(), String::new())
            });
            self.kill_server(node);
        }
    }

    /// A machine that was without power comes up again, its server down.
    pub(super) fn power_on(&mut self, node: Node) {
        let host = self.host_mut(node);
        host.is_up = true;
    }

    /// The machine loses power.
    pub(super) fn power_off(&mut self, node: Node) {
        self.agent_ends(node);
        let host = self.host_mut(node);
        host.is_up = false;
        host.guardian = None;
        host.held_back.clear();
        host.epoch += 1;
        host.server.lose_power();
        self.server_changed(node);
    }

    /// Agent, server or both move again.
    pub(super) fn thaw(&mut self, node: Node, was_host: bool) {
        let now = self.now;
        let has_guardian = self.options.has_guardian;
        let host = self.host_mut(node);
        host.server.is_frozen = host.server_freezes > 0;
        // An agent alone that stood still has left its server unwatched, unless there is a guardian.
        if was_host || !has_guardian {
            host.excused_until = now.plus(super::host::RESUMING);
        }
        let held = std::mem::take(&mut host.held_back);
        // The guardian is the first to move.
        if let Some(at) = self.host(node).guardian.filter(|at| *at <= now) {
            let _ = at;
            self.host_mut(node).guardian = Some(now);
            self.guard(node);
        }
        for event in held {
            self.queue.plan(now, event);
        }
    }

    /// Every process of the server is gone at once.
    pub(super) fn kill_server(&mut self, node: Node) {
        let host = self.host_mut(node);
        host.epoch += 1;
        host.server.kill_all();
        self.server_changed(node);
    }

    /// The earliest instant at which anything about this cluster can be said to have begun.
    #[must_use]
    pub fn began(&self) -> At {
        self.zero
    }

    /// How long a session of this world lives at most.
    #[must_use]
    pub fn session_life(&self) -> Duration {
        self.options.ttl.max(Duration::from_secs(4))
    }
}
