//! Whether the cluster is paused, and whether a member can have heard of the end of it.
//!
//! A pause keeps a primary whatever happens to its lease: that is what it is for. Who has not
//! heard that it is over keeps to it, and whoever has needs a moment: a running primary without a
//! lease first asks the others whether it may take the leadership back.

use std::time::Duration;

use herdsman_ha_core::schema::key;

use crate::ids::{At, Node};
use crate::store::Change;
use crate::world::World;

/// How long a member may take to put things in order after a pause.
const ORDERING: Duration = Duration::from_secs(15);

/// What each member may still believe.
#[derive(Clone, Debug)]
pub(super) struct Pauses(Vec<Pause>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// There is none that it could believe in.
    Never,
    /// The cluster is paused.
    InForce,
    /// It is not paused any more, and this member has not been seen to know.
    Unheard,
    /// The member knows since then at the latest.
    Heard(At),
}

fn is_paused(config: &str) -> bool {
    config.contains("\"pause\":true")
}

impl Pauses {
    pub(super) fn new(world: &World) -> Self {
        let config = world.store.value(key::CONFIG).unwrap_or_default();
        let pause = if is_paused(config) {
            Pause::InForce
        } else {
            Pause::Never
        };
        Self(world.nodes().map(|_| pause).collect())
    }

    /// Takes a change of the configuration in.
    pub(super) fn changed(&mut self, change: &Change) {
        let after = change.after.as_ref();
        let is_paused = after.is_some_and(|entry| is_paused(&entry.value));
        for pause in &mut self.0 {
            match (is_paused, *pause) {
                (true, _) => *pause = Pause::InForce,
                (false, Pause::InForce) => *pause = Pause::Unheard,
                (false, Pause::Never | Pause::Unheard | Pause::Heard(_)) => {}
            }
        }
    }

    /// Why a pause allows this member what it otherwise must not do.
    pub(super) fn excuse(&mut self, node: Node, world: &World) -> Option<&'static str> {
        let pause = &mut self.0[node.index()];
        match *pause {
            Pause::Never => None,
            Pause::InForce => Some("paused"),
            Pause::Unheard => {
                let host = world.host(node);
                let Some(agent) = host.agent.as_ref().filter(|_| host.is_agent_awake()) else {
                    return Some("agent-away-since-the-pause");
                };
                if agent.subject.machine().status().rules.pause {
                    return Some("end-of-pause-not-heard-of");
                }
                *pause = Pause::Heard(world.now);
                Some("pause-has-just-ended")
            }
            Pause::Heard(at) if world.now.since(at) < ORDERING => Some("pause-has-just-ended"),
            Pause::Heard(_) => {
                *pause = Pause::Never;
                None
            }
        }
    }
}
