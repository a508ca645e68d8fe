//! Whether the rules and what is left on the disks allow a healed world to converge: asked before
//! liveness is demanded.
//!
//! Each obstacle is something that herdsman leaves to people on purpose, or has no remedy for, and
//! becomes a remark; a world without one must converge. They are judged on the world as it is when
//! it has just been healed:
//!
//! | obstacle | why nobody takes over, or somebody never follows |
//! |---|---|
//! | `all-data-lost` | a cluster that existed is never made anew |
//! | `corrupt-data` | no machine can see it, and no copy is replaced for it |
//! | `other-system` | a member never touches data of another cluster than the store names |
//! | `store-forgot-the-cluster` | only a former primary may tell a wiped store which cluster it is |
//! | `leader-without-data` | the leader key names, bound to nothing, a member that has no data |
//! | `leader-left-out` | the leader key names, bound to nothing, a member that the failsafe key does not name: others may go on without the store |
//! | `no-synchronous-member` | nobody whom the sync key names has data and may lead |
//! | `no-failsafe-member` | nobody whom the failsafe key names has data and may lead |
//! | `nobody-may-lead` | all data is with members that must not lead |
//! | `newest-copy-gone` | whoever may lead lags more than the limit behind the published position |
//! | `newest-copy-may-not-lead` | the same, and a member that must not lead has more |
//! | `newest-copy-passed-over` | whoever lags less, and is on no earlier timeline than a cluster that minds that, is on a timeline that the last leader passed over, as one that was named by hand does; that it was never promoted only people can tell |
//! | `newest-timeline-gone` | whoever may lead is on an earlier timeline than the cluster, and the cluster is told to mind that |
//! | `newer-than-leader` | a store that was put back is or was led from an earlier timeline, or by whom a tool made the leader; the later copy is kept |
//! | `recycled-wal` | a standby needs WAL that its leader has removed, and is not copied anew |

use herdsman_ha_core::ControlState;
use herdsman_ha_core::schema::key;

use super::lag;
use super::rightful_leader::published_timeline;
use super::same_system::known;
use crate::ids::Node;
use crate::pg::{Files, Process};
use crate::world::{Host, World};

/// Why the world need not converge, as the name of a remark.
pub(super) fn obstacle(world: &World) -> Option<&'static str> {
    let with_data = || {
        world
            .hosts
            .iter()
            .filter(|host| host.server.files().is_some())
    };
    if with_data().next().is_none() {
        let was_made = world.tree.branches().next().is_some();
        let is_led = matches!(world.store.leader(), Some((_, None)));
        return match was_made {
            true => Some("cannot-converge-all-data-lost"),
            false => is_led.then_some("cannot-converge-leader-without-data"),
        };
    }
    if with_data().any(|host| host.server.is_corrupt()) {
        return Some("cannot-converge-corrupt-data");
    }
    identity(world).or_else(|| leadership(world))
}

/// Whether the store and all disks mean one cluster.
fn identity(world: &World) -> Option<&'static str> {
    let files = || world.hosts.iter().filter_map(|host| host.server.files());
    let first = files().next()?.system;
    let known = known(world);
    if files().any(|files| files.system != known.unwrap_or(first)) {
        return Some("cannot-converge-other-system");
    }
    let was_primary = |host: &Host| {
        let control = host.server.control();
        let by_file = matches!(
            control,
            Some(ControlState::ShutDown | ControlState::InProduction)
        );
        host.server.process == Process::Primary || (host.server.is_down() && by_file)
    };
    if known.is_none() && !world.hosts.iter().any(was_primary) {
        return Some("cannot-converge-store-forgot-the-cluster");
    }
    None
}

/// Whether there is a failsafe key that does not name a member.
fn is_left_out(world: &World, name: &str) -> bool {
    let listed = world.store.failsafe_key();
    listed.is_some_and(|listed| !listed.contains_key(name))
}

/// Whether somebody leads or may lead, and the others can follow.
fn leadership(world: &World) -> Option<&'static str> {
    if let Some((name, session)) = world.store.leader() {
        let node = world.node_named(name)?;
        let files = world.host(node).server.files();
        match (files, session) {
            (None, None) => return Some("cannot-converge-leader-without-data"),
            (Some(_), None) if is_left_out(world, name) => {
                return Some("cannot-converge-leader-left-out");
            }
            // Its data is enough as long as it leads, which it may cease to do.
            (Some(files), _) if world.host(node).server.is_primary() => {
                if is_left_behind(world, files) {
                    return Some("cannot-converge-newer-than-leader");
                }
                return recycled(world, &[(node, files)]);
            }
            (Some(_) | None, _) => {}
        }
    }
    if is_newer_than_told(world) || is_newer_than_the_last(world) {
        return Some("cannot-converge-newer-than-leader");
    }
    let listed = world.store.sync_key().map(|(leader, mut standbys)| {
        standbys.push(leader);
        standbys
    });
    let willing: Vec<(Node, &Files)> = world
        .hosts
        .iter()
        .filter(|host| !world.options.nofailover.contains(&host.node.0))
        .filter(|host| {
            let name = host.name.as_str();
            listed.is_none() || listed.iter().flatten().any(|one| one == name)
        })
        .filter_map(|host| Some((host.node, host.server.files()?)))
        .collect();
    let failsafe = world.store.failsafe_key();
    let is_known = |node: Node| {
        let name = world.host(node).name.as_str();
        failsafe.as_ref().is_none_or(|list| list.contains_key(name))
    };
    if !willing.is_empty() && !willing.iter().any(|(node, _)| is_known(*node)) {
        return Some("cannot-converge-no-failsafe-member");
    }
    let willing: Vec<(Node, &Files)> = willing
        .into_iter()
        .filter(|(node, _)| is_known(*node))
        .collect();
    if willing.is_empty() && listed.is_some() {
        return Some("cannot-converge-no-synchronous-member");
    }
    if willing.is_empty() {
        return Some("cannot-converge-nobody-may-lead");
    }
    let told = published_timeline(world).filter(|_| world.options.checks_timeline);
    let is_there = |files: &Files| Some(world.tree.timeline(files.wal)) >= told;
    let willing: Vec<(Node, &Files)> = willing
        .into_iter()
        .filter(|(_, files)| is_there(files))
        .collect();
    if willing.is_empty() {
        return Some("cannot-converge-newest-timeline-gone");
    }
    let is_near = |files: &Files| lag::behind(world, files) <= world.lag_limit();
    let fit: Vec<(Node, &Files)> = willing.into_iter().filter(|(_, it)| is_near(it)).collect();
    if fit.is_empty() {
        let files = world.hosts.iter().filter_map(|host| host.server.files());
        let is_unwilling = files.into_iter().any(is_near);
        return Some(if is_unwilling {
            "cannot-converge-newest-copy-may-not-lead"
        } else {
            "cannot-converge-newest-copy-gone"
        });
    }
    if fit
        .iter()
        .all(|(node, files)| is_passed_over(world, *node, files))
    {
        return Some("cannot-converge-newest-copy-passed-over");
    }
    recycled(world, &fit)
}

/// Whether the last leader went on from an earlier timeline than this copy is on, and to a later one.
fn is_passed_over(world: &World, node: Node, files: &Files) -> bool {
    let record = world.store.json(key::LEADERSHIP);
    let number = |field: &str| record[field].as_u64();
    let (Some(from), Some(to)) = (number("from_timeline"), number("timeline")) else {
        return false;
    };
    let timeline = world.tree.timeline(files.wal);
    let own = u64::from(timeline.0);
    let is_above = from < own && own <= to;
    let is_reserved = record["promotion"].as_bool() == Some(true) && own == to;
    let is_told = published_timeline(world) >= Some(timeline);
    let is_of_another = record["owner"].as_str() != Some(world.host(node).name.as_str());
    is_above && is_of_another && !is_reserved && !is_told
}

/// Whether some member is on a later timeline than the store has ever heard of, as far as it
/// remembers: whoever has compared itself with a leader of before holds back, and the others do so
/// because of it.
fn is_newer_than_told(world: &World) -> bool {
    let record = world.store.json(key::LEADERSHIP);
    let Some(told) = record["timeline"].as_u64() else {
        return false;
    };
    let mut files = world.hosts.iter().filter_map(|host| host.server.files());
    files.any(|files| u64::from(world.tree.timeline(files.wal).0) > told)
}

/// Whether some member is on a later timeline than whoever led last, as far as it was told: a tool
/// can make a leader of one that the cluster has gone on without.
fn is_newer_than_the_last(world: &World) -> bool {
    let timeline = |host: &Host| {
        let files = host.server.files();
        files.map(|files| world.tree.timeline(files.wal))
    };
    world.hosts.iter().any(|host| {
        let told = host.agent.as_ref().and_then(|agent| agent.leader());
        let last = told.and_then(|name| world.node_named(name.as_str()));
        let last = last.and_then(|node| timeline(world.host(node)));
        last.is_some() && last < timeline(host)
    })
}

/// Whether some member is on a later timeline than this primary.
fn is_left_behind(world: &World, leader: &Files) -> bool {
    let timeline = world.tree.timeline(leader.wal);
    let mut files = world.hosts.iter().filter_map(|host| host.server.files());
    files.any(|files| world.tree.timeline(files.wal) > timeline)
}

/// Whether a member that could lead has removed what another one needs to follow it.
fn recycled(world: &World, leaders: &[(Node, &Files)]) -> Option<&'static str> {
    let needs = |leader: &(Node, &Files)| {
        let (node, theirs) = *leader;
        let mut others = world.hosts.iter().filter(|host| host.node != node);
        others.any(|host| {
            let files = host.server.files();
            files.is_some_and(|mine| {
                let is_ancestor = world.tree.contains(theirs.wal, mine.wal);
                is_ancestor && mine.wal.end < theirs.kept_from
            })
        })
    };
    let is_recycled = leaders.iter().any(needs);
    is_recycled.then_some("cannot-converge-recycled-wal")
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::Timeline;
    use serde_json::json;

    use super::super::fixture::*;
    use super::*;
    use crate::fault::{Deed, Fault};
    use crate::options::Options;
    use crate::run::Run;

    fn check(run: &Run, expected: Option<&str>) {
        let obstacle = obstacle(&run.world);
        let obstacle = obstacle.map(|name| name.trim_start_matches("cannot-converge-"));
        assert_eq!(obstacle, expected);
    }

    #[test]
    fn a_healthy_cluster_must_converge_also_without_its_leader() {
        let mut run = settled();
        check(&run, None);
        run.world.inflict(&Fault::LoseDisk(A));
        check(&run, None);
    }

    #[test]
    fn a_cluster_without_data_stays_dead() {
        let mut run = settled();
        for node in [A, B, C] {
            run.world.inflict(&Fault::LoseDisk(node));
        }
        check(&run, Some("all-data-lost"));
    }

    #[test]
    fn a_synchronous_cluster_needs_a_member_that_its_key_names() {
        let options = Options {
            is_synchronous: true,
            ..Options::default()
        };
        let mut run = settled_with(options);
        let now = run.world.now;
        let text = r#"{"leader":"x","quorum":0,"sync_standby":null}"#;
        run.world.store.put_unguarded(key::SYNC, text, None, now);
        run.world.store.delete_unguarded(key::LEADER, now);
        check(&run, Some("no-synchronous-member"));
    }

    #[test]
    fn only_a_former_primary_tells_a_wiped_store_which_cluster_it_is() {
        let mut run = settled();
        run.world.inflict(&Fault::Deed(Deed::WipeStore));
        check(&run, None);
        run.world.inflict(&Fault::LoseDisk(A));
        check(&run, Some("store-forgot-the-cluster"));
    }

    #[test]
    fn a_leader_key_that_is_bound_to_nothing_waits_for_its_member() {
        let mut run = settled();
        run.world.inflict(&Fault::LoseDisk(B));
        run.world.inflict(&Fault::Deed(Deed::OverwriteLeaderKey(B)));
        check(&run, Some("leader-without-data"));
    }

    #[test]
    fn a_leader_key_by_hand_for_a_member_that_failsafe_leaves_out_is_left_to_people() {
        let mut run = settled();
        let now = run.world.now;
        run.world.inflict(&Fault::Deed(Deed::OverwriteLeaderKey(B)));
        for (listed, obstacle) in [
            (r#"{"a":"x","b":"y"}"#, None),
            (r#"{"a":"x"}"#, Some("leader-left-out")),
        ] {
            run.world
                .store
                .put_unguarded(key::FAILSAFE, listed, None, now);
            check(&run, obstacle);
        }
    }

    #[test]
    fn members_that_must_not_lead_do_not() {
        let options = Options {
            nofailover: [1, 2].into(),
            ..Options::default()
        };
        let mut run = settled_with(options);
        check(&run, None);
        run.world.inflict(&Fault::LoseDisk(A));
        check(&run, Some("nobody-may-lead"));
    }

    #[test]
    fn whoever_lags_more_than_the_limit_does_not_lead() {
        let mut run = lagging(Options::default().nofailover);
        check(&run, None);
        run.world.inflict(&Fault::LoseDisk(A));
        check(&run, Some("newest-copy-gone"));
        let mut run = lagging([2].into());
        run.world.inflict(&Fault::LoseDisk(A));
        check(&run, Some("newest-copy-may-not-lead"));
    }

    /// `b` lags more than the limit, and so does `c` unless it must not lead.
    fn lagging(nofailover: std::collections::BTreeSet<u8>) -> Run {
        let is_c_willing = nofailover.is_empty();
        let mut run = settled_with(Options {
            lag_limit: 1 << 10,
            nofailover,
            ..Options::default()
        });
        deafen(&mut run, B);
        if is_c_willing {
            deafen(&mut run, C);
        }
        for _ in 0..10 {
            write(&mut run);
        }
        publish_end_of(&mut run, A);
        run
    }

    #[test]
    fn a_copy_that_the_last_leader_passed_over_waits_for_people() {
        let mut run = settled();
        run.world.inflict(&Fault::LoseDisk(B));
        run.world.inflict(&Fault::LoseDisk(C));
        let now = run.world.now;
        run.world.store.delete_unguarded(key::LEADER, now);
        check(&run, None);
        for (owner, expected) in [("a", None), ("b", Some("newest-copy-passed-over"))] {
            let passed =
                json!({"owner": owner, "from_timeline": 0, "timeline": 3, "promotion": true});
            let store = &mut run.world.store;
            store.put_unguarded(key::LEADERSHIP, &passed.to_string(), None, now);
            check(&run, expected);
        }
    }

    #[test]
    fn a_cluster_that_minds_timelines_waits_for_the_newest() {
        for (checks_timeline, expected) in [(false, None), (true, Some("newest-timeline-gone"))] {
            let mut run = settled_with(Options {
                checks_timeline,
                ..Options::default()
            });
            let now = run.world.now;
            let text = r#"[[1,50331648,"no recovery target specified"]]"#;
            run.world.store.put_unguarded(key::HISTORY, text, None, now);
            run.world.inflict(&Fault::LoseDisk(A));
            check(&run, expected);
        }
    }

    /// A member that is near enough, on a timeline that the cluster has left, is no substitute for
    /// the one that was passed over, as long as the cluster minds that.
    #[test]
    fn a_copy_on_an_earlier_timeline_replaces_none_that_was_passed_over() {
        let obstacle_beside = |checks_timeline, owner: &str| {
            let mut run = settled_with(Options {
                checks_timeline,
                ..Options::default()
            });
            kill(&mut run, B);
            promote_to(&mut run, C, Timeline(3));
            // It was told of no leader since.
            run.world.hosts[C.index()].agent = None;
            let now = run.world.now;
            let store = &mut run.world.store;
            store.delete_unguarded(key::LEADER, now);
            store.put_unguarded(key::HISTORY, r#"[[1,50331648,"no"]]"#, None, now);
            let passed =
                json!({"owner": owner, "from_timeline": 1, "timeline": 4, "promotion": true});
            store.put_unguarded(key::LEADERSHIP, &passed.to_string(), None, now);
            obstacle(&run.world)
        };
        assert_eq!(obstacle_beside(false, "b"), None);
        assert_eq!(obstacle_beside(true, "c"), None);
        let passed_over = Some("cannot-converge-newest-copy-passed-over");
        assert_eq!(obstacle_beside(true, "b"), passed_over);
    }

    fn promote_to(run: &mut Run, node: Node, timeline: Timeline) {
        let World { hosts, tree, .. } = &mut run.world;
        let server = &mut hosts[node.index()].server;
        let begun = server.begin_promote_to(timeline, tree);
        begun.expect("it is a standby");
        server.finish_promote(tree).expect("it can be promoted");
    }

    #[test]
    fn a_standby_that_needs_removed_wal_stays_behind() {
        let mut run = settled();
        deafen(&mut run, B);
        write(&mut run);
        let end = run.world.host(A).server.wal().expect("data").end;
        let files = run.world.hosts[A.index()].server.files_mut();
        files.expect("data").kept_from = end;
        check(&run, Some("recycled-wal"));
    }

    #[test]
    fn a_later_copy_than_that_of_the_last_leader_is_left_to_people() {
        let mut run = settled();
        make_primary(&mut run, B);
        kill(&mut run, B);
        kill(&mut run, A);
        let now = run.world.now;
        let record = json!({"owner": "b", "from_timeline": 1, "timeline": 2, "promotion": true});
        let store = &mut run.world.store;
        store.put_unguarded(key::LEADERSHIP, &record.to_string(), None, now);
        store.delete_unguarded(key::LEADER, now);
        // It was told that `a` leads, and that is on timeline 1.
        check(&run, Some("newer-than-leader"));
        run.world.hosts[B.index()].agent = None;
        check(&run, None);
    }

    #[test]
    fn data_of_another_cluster_is_left_alone() {
        let mut run = settled();
        let files = run.world.hosts[B.index()].server.files_mut();
        files.expect("data").system = herdsman_ha_core::SystemId(7_999_999_999);
        check(&run, Some("other-system"));
    }
}
