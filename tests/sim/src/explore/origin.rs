//! The world that a search begins with: a cluster that made itself, healthy and at rest.
//!
//! It is reached by the same steps as everything else, always the first that is possible and time
//! only when nothing else is, so that its machines remember what machines remember.

use std::sync::Arc;

use herdsman_ha_core::{Boot, InstanceId, RejoinSettings, Scripts, Settings, Tags};
use serde_json::{Value, json};

use super::disks::Disks;
use super::go::Scene;
use super::kept::Stores;
use super::small::{Left, Member, Small};
use super::way::{Mended, Price, Way, Ways};
use super::{Bounds, TTL};
use crate::ids::{At, Node};

/// A cluster that is not at rest after so many steps never will be.
const PATIENCE: usize = 2_000;

/// The instance of a member's n-th agent.
pub(super) fn instance(node: Node, run: u8) -> InstanceId {
    InstanceId::from(format!("{node}#{run}"))
}

/// What a member's machine is told about itself.
pub(super) fn settings(node: Node) -> Settings {
    Settings {
        name: herdsman_ha_core::MemberName::from(node.to_string()),
        conn_url: format!("postgres://{node}:5432/postgres"),
        api_url: format!("http://{node}:8008/patroni"),
        tags: Tags::default(),
        proxy_url: None,
        known_config: None,
        standby_start_limit: None,
        bootstrap_config: Some(configuration()),
        watchdog_required: false,
        rejoin: RejoinSettings {
            replaces_on_divergence: Some(true),
            ..RejoinSettings::default()
        },
        scripts: Scripts::default(),
    }
}

/// Looks and publications of routine are rare, so that what is on its way is what matters; the
/// server of a crashed primary is not started again in place.
fn configuration() -> Value {
    json!({
        "ttl": TTL.as_secs(),
        "loop_wait": 10,
        "retry_timeout": 1,
        "maximum_lag_on_failover": 1 << 20,
        "primary_start_timeout": 0,
    })
}

/// What a fresh machine is made with.
pub(super) fn boot(node: Node, run: u8, bounds: &Bounds) -> Boot {
    #[cfg(feature = "mutants")]
    {
        let mut boot = Boot::new(instance(node, run), u64::from(node.0));
        boot.mutant = bounds.mutant;
        boot
    }
    #[cfg(not(feature = "mutants"))]
    {
        let _ = bounds;
        Boot::new(instance(node, run), u64::from(node.0))
    }
}

/// The healthy cluster; none: it does not come to rest.
pub(super) fn begin(bounds: &Bounds) -> Option<Small> {
    let mut scene = Scene::new(bounds);
    let mut small = Small {
        now: At(0),
        kept: Stores::empty(),
        disks: Arc::new(Disks::new(bounds.members)),
        members: (0..bounds.members)
            .map(|index| Member::new(Node(index)))
            .collect(),
        row: None,
        left: Left {
            faults: 0,
            rows: 0,
            delays: Some(0),
            swaps: None,
        },
    };
    for node in small.nodes() {
        small.go(Way::Mend(node, Mended::Crash), Price::Nothing, &mut scene);
    }
    let mut ways = Ways::default();
    for _ in 0..PATIENCE {
        small.ways(bounds, &mut ways);
        let is_at_rest = matches!(ways.list(), [Way::Pass(_)]);
        if is_at_rest && small.leads_whole().is_some() {
            small.left = bounds.left();
            return Some(small);
        }
        // The beginning of a cluster has its own rules: only what follows is judged.
        small.go(*ways.list().first()?, Price::Nothing, &mut scene);
    }
    None
}
