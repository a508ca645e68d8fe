//! `quiescent`: a healthy cluster in which nobody writes rows is silent: for ten loops nothing
//! flaps, no task about a server runs, and the store sees renewals only (oracle O8).
//!
//! Each member may tell its last position once more, and the leader its own with those of its
//! slots: they stood still when the loops began, but a look may be as old as a loop, and a reply
//! may have been lost before. Whoever writes in every loop writes at least ten times.
//!
//! It is not asked where a single message may take longer than a lease has time for: a leader that
//! steps down there for want of a renewal does what it should.

use std::time::Duration;

use herdsman_ha_core::schema::key;

use super::converges::{converged, what_is_missing};
use crate::options::Latency;
use crate::world::World;

/// Keys that may still change, beside one of each member.
const STRAGGLERS: u64 = 4;

/// Two slow messages fit into what a renewal may take of a lease of this length.
const PATIENT: Duration = Duration::from_secs(16);

/// After ten loops without clients, in which so many keys changed.
///
/// # Errors
///
/// What was not quiet.
pub fn quiet(world: &World, writes: u64) -> Result<(), String> {
    if !is_quick_enough(world) {
        return Ok(());
    }
    let permitted = u64::from(world.options.nodes) + STRAGGLERS;
    if writes > permitted {
        return Err(format!(
            "{writes} keys changed in ten loops in which nothing happened, and {permitted} may"
        ));
    }
    if !converged(world) {
        return Err(format!(
            "the calm was not lasting: {}",
            what_is_missing(world)
        ));
    }
    Ok(())
}

/// Whether the network is fast enough for the leases that there are.
fn is_quick_enough(world: &World) -> bool {
    let config = world.store.json(key::CONFIG);
    let ttl = config["ttl"].as_u64().map(Duration::from_secs);
    let ttl = ttl.unwrap_or(world.options.ttl);
    let granted = world.options.max_ttl.map_or(ttl, |most| ttl.min(most));
    world.options.latency != Latency::Far || granted >= PATIENT
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    #[test]
    fn a_settled_cluster_is_quiet() {
        let mut run = settled();
        run.pass(run.world.options.loop_wait * 10);
        assert_eq!(quiet(&run.world, 0), Ok(()));
    }

    #[test]
    fn a_key_that_changes_in_each_loop_is_noise() {
        let run = settled();
        assert!(quiet(&run.world, 7).is_ok());
        assert!(quiet(&run.world, 10).is_err());
    }

    #[test]
    fn where_a_message_outlasts_a_lease_nothing_is_asked() {
        let mut run = settled();
        kill(&mut run, B);
        run.world.options.latency = Latency::Far;
        assert!(quiet(&run.world, 10).is_err());
        run.world.options.max_ttl = Some(Duration::from_secs(4));
        assert!(quiet(&run.world, 10).is_ok());
    }

    #[test]
    fn a_calm_that_did_not_last_is_none() {
        let mut run = settled();
        kill(&mut run, B);
        assert!(quiet(&run.world, 0).is_err());
    }
}
