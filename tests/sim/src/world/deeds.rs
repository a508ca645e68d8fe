//! What people and other tools do to a cluster.

use std::time::Duration;

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{Command, RestartOrder};
use serde_json::{Value, json};

use super::World;
use super::draws::What;
use super::event::AgentEvent;
use crate::fault::Deed;
use crate::ids::At;

impl World {
    pub(super) fn deed(&mut self, deed: &Deed) {
        let now = self.now;
        self.note_errand(deed);
        match deed {
            Deed::Switchover { at, to } => {
                let leader = self.store.leader().map(|(name, _)| name.into());
                let candidate = to.map(|to| self.host(to).name.clone());
                let command = Command::Switchover {
                    leader,
                    candidate,
                    scheduled_at: None,
                };
                let command = Box::new(command);
                self.plan_agent(*at, Duration::ZERO, AgentEvent::Operator(command));
            }
            Deed::Failover { to } => {
                let value = json!({ "member": self.name_of(*to) });
                self.store
                    .put_unguarded(key::FAILOVER, &value.to_string(), None, now);
                self.by_hand_at = Some(now);
            }
            Deed::Restart { at, .. } => {
                self.host_mut(*at).stays_away += 1;
                let command = Box::new(Command::Leave);
                self.plan_agent(*at, Duration::ZERO, AgentEvent::Operator(command));
            }
            Deed::RestartServer { at } => {
                let command = Box::new(Command::Restart(RestartOrder::default()));
                self.plan_agent(*at, Duration::ZERO, AgentEvent::Operator(command));
            }
            Deed::Reinit { at } => {
                let command = Box::new(Command::Reinitialize {
                    force: self.draws.below(What::Choice, None, 2) == 0,
                    from_leader: self.draws.below(What::Choice, None, 2) == 0,
                });
                self.plan_agent(*at, Duration::ZERO, AgentEvent::Operator(command));
            }
            Deed::Pause(is_paused) => self.configure("pause", json!(is_paused)),
            // Nobody changes the configuration of a cluster that there is not yet.
            Deed::SetTtl(_) if self.store.value(key::CONFIG).is_none() => {}
            Deed::SetTtl(ttl) => self.configure("ttl", json!(ttl.as_secs())),
            Deed::DeleteLeaderKey => self.store.delete_unguarded(key::LEADER, now),
            Deed::OverwriteLeaderKey(node) => {
                let name = self.name_of(*node).to_owned();
                self.store.put_unguarded(key::LEADER, &name, None, now);
            }
            Deed::WipeStore => self.store.wipe(now),
            Deed::RestoreStore(back) => {
                let back = u64::try_from(back.as_nanos()).unwrap_or(u64::MAX);
                self.store.restore(At(now.0.saturating_sub(back)), now);
                self.put_back_at = now;
                for node in self.nodes() {
                    self.store_was_replaced(node);
                }
            }
        }
        self.plan_expiry();
    }

    /// The lag in bytes up to which a standby may take over, as the store says: somebody may have
    /// written a configuration before there was a cluster.
    #[must_use]
    pub fn lag_limit(&self) -> u64 {
        let config = self.store.value(key::CONFIG);
        let config = config.and_then(|text| serde_json::from_str::<Value>(text).ok());
        config.map_or(self.options.lag_limit, |config| {
            config["maximum_lag_on_failover"]
                .as_u64()
                .unwrap_or(1 << 20)
        })
    }

    /// Ends a pause that somebody left behind.
    pub fn resume_if_paused(&mut self) {
        let text = self.store.value(key::CONFIG).unwrap_or_default();
        if text.contains("\"pause\":true") {
            self.configure("pause", json!(false));
            self.broadcast();
        }
    }

    /// Synchronous mode is switched on, when the options say so.
    pub fn begin_synchronous(&mut self) {
        if !self.options.is_synchronous {
            return;
        }
        self.configure("synchronous_node_count", json!(self.options.sync_nodes));
        self.configure("synchronous_mode_strict", json!(self.options.is_strict));
        self.configure("synchronous_mode", json!(true));
        self.broadcast();
    }

    /// Failsafe mode is switched on, when the options say so.
    pub fn begin_failsafe(&mut self) {
        if self.options.is_failsafe {
            self.configure("failsafe_mode", json!(true));
            self.broadcast();
        }
    }

    fn configure(&mut self, name: &str, value: Value) {
        let text = self.store.value(key::CONFIG).unwrap_or("{}");
        let mut config: Value = serde_json::from_str(text).unwrap_or_else(|_| json!({}));
        if let Value::Object(map) = &mut config {
            map.insert(name.to_owned(), value);
        }
        let now = self.now;
        self.store
            .put_unguarded(key::CONFIG, &config.to_string(), None, now);
    }

    /// A watch notices that the store's history went backwards.
    fn store_was_replaced(&mut self, node: crate::ids::Node) {
        if let Some(agent) = &mut self.host_mut(node).agent {
            // Its revisions say nothing about what was sent before.
            agent.watch.sent = 0;
            agent.seen = herdsman_ha_core::Revision(0);
            agent.knows_pause = false;
            self.feed(
                node,
                herdsman_ha_core::Input::Cluster(Err(herdsman_ha_core::Fault::StoreReplaced)),
            );
            self.watch_stuck_for(node, Duration::from_millis(500));
        }
    }
}
