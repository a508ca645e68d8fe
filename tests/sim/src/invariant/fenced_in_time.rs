//! `fenced-in-time`: a member whose lease has ended at the store is not writable any more, from
//! that instant on (I1; margins, drift and pauses of clocks included).
//!
//! The lease ends when the session that the leader key was bound to may be revoked, whether the
//! store has done it or not, and when its owner's own commit or the end of that session removed
//! the key. A key that a tool took away leaves its holder the rest of the session; that it takes
//! more than a second is a remark, because a working watch tells sooner.
//!
//! In failsafe mode a member may go on for as long as everybody else who may lead by the store has
//! promised to hold back for it.
//!
//! Exempt, each as a remark: a leader in failsafe mode while a store that was put back may name
//! others than it did, a member whose agent hangs or is away while no guardian watches, one that has
//! just resumed, and a paused cluster. A new cluster's first primary has no lease before
//! it is recorded, and neither has the primary of one that a tool removed from the store: nobody
//! can be promoted there, and whoever runs records it anew and takes the lead a moment later.

use std::time::Duration;

use super::remarks::Remarks;
use super::truth::{Standing, Truth};
use super::{Verdict, broken};
use crate::world::World;

pub(super) const NAME: &str = "fenced-in-time";

/// After this it is worth a remark that a leader goes on whose key a tool took away.
const SOON: Duration = Duration::from_secs(1);

pub(super) fn check(world: &World, truth: &mut Truth, remarks: &mut Remarks) -> Verdict {
    for host in &world.hosts {
        if !host.server.is_writable() {
            continue;
        }
        match truth.standing(host.node, world) {
            Standing::Never | Standing::Holds | Standing::Promised => {}
            Standing::Unheard { since } => {
                if world.now.since(since) > SOON {
                    remarks.add("late-to-hear-that-a-tool-took-the-key", world.now);
                }
            }
            Standing::Over => {
                let excuse = truth.excuse(host.node, world);
                // Whoever is promoted meanwhile is the business of `one-writable-primary`.
                let Some(kind) = excuse.or_else(|| truth.doubt_by_a_tool(world)) else {
                    let node = host.node;
                    return broken(
                        NAME,
                        format!("{node} accepts writes although its lease has ended at the store"),
                    );
                };
                remarks.add(kind, world.now);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fault::{Deed, Fault};
    use crate::ids::At;
    use herdsman_ha_core::schema::key;

    #[test]
    fn a_server_that_writes_after_its_key_has_expired_is_late() {
        let mut run = settled();
        let session = leading_session(&run);
        let end = run.world.store.expires_at(&session).expect("it lives");
        run.world.now = end.plus(Duration::from_secs(1));
        let now = run.world.now;
        run.world.store.expire(now);
        tell_changes(&mut run);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn a_lease_is_good_until_the_session_may_be_revoked() {
        let mut run = settled();
        let session = leading_session(&run);
        let end = run.world.store.expires_at(&session).expect("it lives");
        run.world.now = end;
        assert_eq!(violated(&mut run), None);
        run.world.now = end.plus(Duration::from_millis(1));
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn a_key_that_a_tool_took_leaves_its_holder_the_rest_of_the_session() {
        let mut run = settled();
        let session = leading_session(&run);
        let end = run.world.store.expires_at(&session).expect("it lives");
        run.world.inflict(&Fault::Deed(Deed::DeleteLeaderKey));
        run.world.now = end;
        assert_eq!(violated(&mut run), None);
        run.world.now = end.plus(Duration::from_millis(1));
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn nobody_can_be_promoted_where_the_store_knows_no_cluster() {
        let mut run = settled();
        let session = leading_session(&run);
        let end = run.world.store.expires_at(&session).expect("it lives");
        run.world.inflict(&Fault::Deed(Deed::WipeStore));
        run.world.now = end.plus(Duration::from_secs(1));
        assert_eq!(violated(&mut run), None);
    }

    #[test]
    fn a_store_that_was_put_back_may_name_others_than_the_leader_did() {
        let mut run = settled();
        let now = run.world.now;
        run.world
            .store
            .put_unguarded(key::FAILSAFE, r#"{"a":"x","b":"y"}"#, None, now);
        let session = leading_session(&run);
        let end = run.world.store.expires_at(&session).expect("it lives");
        run.world.put_back_at = run.world.now;
        run.world.now = end.plus(Duration::from_secs(1));
        assert_eq!(violated(&mut run), None);
        run.world.put_back_at = At(0);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn in_a_pause_a_primary_goes_on_without_a_lease() {
        let mut run = settled();
        run.world.inflict(&Fault::Deed(Deed::Pause(true)));
        run.pass(Duration::from_secs(2));
        run.world.now = run.world.now.plus(Duration::from_secs(60));
        assert_eq!(violated(&mut run), None);
    }
}
