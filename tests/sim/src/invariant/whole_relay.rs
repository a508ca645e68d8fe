//! `whole-relay`: a standby is pointed at another standby only when that one has everything that it
//! has itself.
//!
//! A standby that asks a server for WAL takes what that one knows of later timelines before it is
//! refused (`docs/model-facts.md`): when the other one is promoted with less, ours hears of a
//! timeline that its own WAL does not fit. A start by pgctl removes what was heard; this says that
//! nothing is to be removed.

use super::remarks::Remarks;
use super::truth::Truth;
use super::{Verdict, broken};
use crate::ids::Node;
use crate::world::World;

pub(super) const NAME: &str = "whole-relay";

/// A standby was told to stream from this member.
pub(super) fn check(
    world: &World,
    node: Node,
    upstream: Node,
    truth: &Truth,
    remarks: &mut Remarks,
) -> Verdict {
    let (server, relay) = (&world.host(node).server, &world.host(upstream).server);
    let agent = world.host(node).agent.as_ref();
    let leader = agent.and_then(|agent| agent.leader());
    let is_leader = leader == Some(&world.host(upstream).name);
    // Whoever is named by no tag was taken for the leader.
    let is_named = world.options.replicatefrom.get(&node.0) == Some(&upstream.0);
    if is_leader || !is_named || !relay.is_standby() || !server.is_standby() {
        return Ok(());
    }
    let (Some(mine), Some(theirs)) = (server.wal(), relay.wal()) else {
        return Ok(());
    };
    if world.tree.contains(theirs, mine) {
        return Ok(());
    }
    if let Some(why @ "machine-has-just-resumed") = world.host(node).excuse(world.now, true) {
        remarks.add(why, world.now);
        return Ok(());
    }
    if truth.is_timeline_shared {
        remarks.add("relay-of-a-shared-timeline", world.now);
        return Ok(());
    }
    broken(
        NAME,
        format!("the standby on {node} is pointed at {upstream}, which lacks some of its WAL"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;
    use crate::options::Options;
    use crate::run::Run;

    fn pointed(node: Node, upstream: Node) -> Fact {
        Fact::Pointed { node, upstream }
    }

    fn cascading() -> Run {
        settled_with(Options {
            replicatefrom: [(1, 2), (2, 1)].into(),
            ..Options::default()
        })
    }

    #[test]
    fn a_relay_has_all_that_its_taker_has() {
        let mut run = cascading();
        run.world.facts.push(pointed(C, B));
        assert_eq!(violated(&mut run), None);
        deafen(&mut run, B);
        write(&mut run);
        run.world.facts.push(pointed(B, C));
        assert_eq!(violated(&mut run), None);
        run.world.facts.push(pointed(C, B));
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn what_the_leader_has_was_compared_before() {
        let mut run = settled();
        run.world.facts.push(pointed(B, A));
        assert_eq!(violated(&mut run), None);
    }
}
