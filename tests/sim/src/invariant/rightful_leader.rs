//! `rightful-leader`: nobody takes a free leadership against what it was told (invariants I3 and
//! I6; holes 2, 18, 26).
//!
//! When the request is sent: no answer of the last round of questions says that its member is a
//! primary, or that it may lead and has more than the asker had when it heard so: what has come in
//! since may have come in everywhere. A standby knows the end of its own WAL by then. When the store
//! carries it out: a running primary has
//! not been elected over since, by the record of leaderships, and is not on a timeline that the
//! published history has left; neither is a standby where the configuration asks for that.
//!
//! It looks at what the network delivered and at what the store contained, not at a machine. What
//! another rule would still prevent is noticed here: a leadership that is only by luck a good one.
//!
//! What a standby has that the `sync` key does not list was acknowledged to nobody, so having less than
//! such a one speaks against nobody.
//!
//! Exempt, as remarks: a member that an operator chose by hand, whatever others have; records that
//! a tool has changed. A paused cluster's primary asks nobody.

use std::time::Duration;

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{PeerServer, Position, Purpose, Timeline};
use serde_json::Value;

use super::remarks::Remarks;
use super::truth::Truth;
use super::{Verdict, broken};
use crate::ids::{At, Node};
use crate::pg::{Process, Server};
use crate::store::{Change, Writer};
use crate::world::World;

pub(super) const NAME: &str = "rightful-leader";

/// Answers that are older are not what a decision rests on; those of somebody who asks nobody are.
const FRESH: Duration = Duration::from_millis(1200);

/// What each member was told, and what it did in spite of it.
#[derive(Clone, Debug)]
pub(super) struct Rightful {
    members: Vec<Member>,
    /// Who has taken the leadership in this instant, and the record of leaderships before.
    taken: Vec<(Node, Option<String>)>,
}

#[derive(Clone, Debug, Default)]
struct Member {
    /// What it had when it was answered.
    had: Option<Position>,
    heard_at: At,
    heard: Vec<(Node, PeerServer)>,
    /// What speaks against the request that it has sent.
    suspicion: Option<Suspicion>,
}

#[derive(Clone, Debug)]
struct Suspicion {
    text: String,
    /// An operator who names the member takes it on himself.
    yields_to_a_hand: bool,
}

impl Member {
    /// What speaks against taking the leadership now.
    fn suspicion_of(&self, world: &World, node: Node) -> Option<Suspicion> {
        let had = self.had?;
        let host = world.host(node);
        let is_paused = host.agent.as_ref().is_some_and(|agent| agent.is_paused());
        let is_fresh = world.now.since(self.heard_at) <= FRESH;
        if is_paused || !is_fresh {
            return None;
        }
        if is_replaying(&host.server) {
            return Some(Suspicion {
                text: format!(
                    "{node} took the leadership before it had read its own WAL to its end"
                ),
                yields_to_a_hand: false,
            });
        }
        let is_primary = host.server.is_primary();
        // An acquisition that has not seen the key as it is now is refused by the store.
        let listed = world.store.sync_key().map(|(_, standbys)| standbys);
        let was_waited_for = |peer: Node| {
            let name = world.host(peer).name.as_str();
            let named = |names: &Vec<String>| names.iter().any(|listed| listed == name);
            listed.as_ref().is_none_or(named)
        };
        // Whom the failsafe key does not name may not lead.
        let failsafe = world.store.failsafe_key();
        let may_take = |peer: Node| {
            let name = world.host(peer).name.as_str();
            failsafe.as_ref().is_none_or(|list| list.contains_key(name))
        };
        self.heard.iter().find_map(|(peer, answer)| {
            let theirs = answer.position;
            let is_more = if is_primary {
                theirs.timeline > had.timeline
            } else {
                answer.may_lead && theirs > had && was_waited_for(*peer) && may_take(*peer)
            };
            let what = if answer.is_primary {
                "that it is a primary".to_owned()
            } else if is_more {
                format!(
                    "that it is at {} of timeline {}",
                    theirs.lsn, theirs.timeline
                )
            } else {
                return None;
            };
            Some(Suspicion {
                text: format!(
                    "{node}, at {} of timeline {} when it heard so, took the leadership although \
                     {peer} had answered {what}",
                    had.lsn, had.timeline
                ),
                yields_to_a_hand: !answer.is_primary,
            })
        })
    }
}

/// Whose taking of the leadership changes this.
pub(super) fn taker(change: &Change, world: &World) -> Option<Node> {
    let Writer::Commit {
        purpose: Some(Purpose::Acquire),
        session: Some(session),
        ..
    } = &change.by
    else {
        return None;
    };
    world.store.owner(session)
}

/// How far a member's WAL goes.
fn position(world: &World, node: Node) -> Option<Position> {
    let wal = world.host(node).server.wal()?;
    Some(Position {
        timeline: world.tree.timeline(wal),
        lsn: wal.end,
    })
}

/// Whether a standby has yet to find the end of its WAL.
fn is_replaying(server: &Server) -> bool {
    matches!(server.process, Process::Standby(receiver) if !receiver.wal_end_reached)
}

impl Rightful {
    pub(super) fn new(world: &World) -> Self {
        Self {
            members: world.nodes().map(|_| Member::default()).collect(),
            taken: Vec::new(),
        }
    }

    /// A round of questions is over.
    pub(super) fn heard(&mut self, world: &World, node: Node, answers: &[(Node, PeerServer)]) {
        let member = &mut self.members[node.index()];
        member.had = position(world, node);
        member.heard_at = world.now;
        member.heard = answers.to_vec();
        // Whoever asks for its own name hears itself.
        member.heard.retain(|(peer, _)| *peer != node);
    }

    /// A machine has started a task.
    pub(super) fn started(&mut self, world: &World, node: Node, name: &str) {
        if name == Purpose::Acquire.name() {
            let member = &mut self.members[node.index()];
            member.suspicion = member.suspicion_of(world, node);
        }
    }

    pub(super) fn gone(&mut self, node: Node) {
        self.members[node.index()] = Member::default();
    }

    /// A key has changed.
    pub(super) fn changed(&mut self, change: &Change, world: &World) {
        let Some(node) = taker(change, world) else {
            return;
        };
        let before = change.before.as_ref();
        let record = match &*change.key {
            key::LEADER => None,
            key::LEADERSHIP => before.map(|entry| entry.value.to_string()),
            _ => return,
        };
        match self.taken.iter_mut().find(|(taker, _)| *taker == node) {
            Some((_, known)) => *known = known.take().or(record),
            None => self.taken.push((node, record)),
        }
    }

    /// Judges whoever has taken the leadership in this instant.
    pub(super) fn compare(
        &mut self,
        world: &World,
        truth: &Truth,
        remarks: &mut Remarks,
    ) -> Verdict {
        while let Some((node, record)) = self.taken.pop() {
            let suspicion = self.members[node.index()].suspicion.take();
            if let Some(suspicion) = suspicion {
                if suspicion.yields_to_a_hand && truth.tenure(node).is_by_hand {
                    remarks.add("leader-by-hand-with-less", world.now);
                } else {
                    return broken(NAME, suspicion.text);
                }
            }
            if truth.branches_untold > 0 {
                // What the store says about the past is not what it was told.
                continue;
            }
            is_not_left_behind(world, node, record.as_deref())?;
        }
        Ok(())
    }
}

fn is_not_left_behind(world: &World, node: Node, record: Option<&str>) -> Verdict {
    let server = &world.host(node).server;
    let Some(wal) = server.wal() else {
        return Ok(());
    };
    let mine = world.tree.timeline(wal);
    let is_primary = server.is_primary();
    if let Some(cluster) = published_timeline(world)
        && mine < cluster
        && (is_primary || world.options.checks_timeline)
    {
        return broken(
            NAME,
            format!(
                "{node} took the leadership on timeline {mine}, which the cluster has left for \
                 {cluster}"
            ),
        );
    }
    let record: Value = serde_json::from_str(record.unwrap_or_default()).unwrap_or_default();
    let owner = record["owner"].as_str().unwrap_or_default();
    let from = record["from_timeline"].as_u64().unwrap_or(0);
    let is_elected_over = from >= u64::from(mine.0) && owner != world.host(node).name.as_str();
    if is_primary && !owner.is_empty() && is_elected_over {
        return broken(
            NAME,
            format!("{node}, a primary on timeline {mine}, took back what {owner} has led since"),
        );
    }
    Ok(())
}

/// The timeline that the cluster is on by its published history.
pub(super) fn published_timeline(world: &World) -> Option<Timeline> {
    let text = world.store.value(key::HISTORY)?;
    let history: Value = serde_json::from_str(text).ok()?;
    let last = history.as_array()?.last()?[0].as_u64()?;
    u32::try_from(last + 1).ok().map(Timeline)
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::{Lane, Lsn, StoreWrite};

    use super::super::fixture::*;
    use super::*;
    use crate::fact::Fact;
    use crate::options::Options;
    use crate::pg::Receiver;
    use crate::run::Run;

    /// `b` hears from `c` what that is and has.
    fn answers(run: &mut Run, is_primary: bool, position: Position) {
        let answer = PeerServer {
            instance: None,
            is_primary,
            position,
            wal_end_reached: Some(true),
            may_lead: true,
            failover_priority: 1,
        };
        let (node, answers) = (B, vec![(C, answer)]);
        run.world.facts.push(Fact::PeersHeard { node, answers });
        assert_eq!(violated(run), None);
    }

    /// `b` has heard this from `c`, and takes the leadership of a dead `a`.
    fn heard(options: Options, is_primary: bool, ahead: u64, request: Option<&str>) -> Run {
        told(settled_with(options), is_primary, ahead, request)
    }

    fn told(mut run: Run, is_primary: bool, ahead: u64, request: Option<&str>) -> Run {
        kill(&mut run, A);
        // Who asks, asks a moment before.
        let mine = position(&run.world, B).expect("it has data");
        let lsn = Lsn(mine.lsn.0 + ahead);
        answers(&mut run, is_primary, Position { lsn, ..mine });
        begin_task(&mut run, B, "acquire", Lane::Leadership);
        assert_eq!(violated(&mut run), None);
        if let Some(request) = request {
            let now = run.world.now;
            run.world
                .store
                .put_unguarded(key::FAILOVER, request, None, now);
        }
        acquire(&mut run, B);
        run
    }

    #[test]
    fn who_was_told_of_somebody_with_more_does_not_lead() {
        assert_violates(&mut heard(Options::default(), false, 1, None), NAME);
        let mut equal = heard(Options::default(), false, 0, None);
        assert_ne!(violated(&mut equal), Some(NAME));
    }

    #[test]
    fn what_came_in_after_the_answers_does_not_count() {
        let mut run = settled();
        deafen(&mut run, B);
        write(&mut run);
        let theirs = position(&run.world, C).expect("it has data");
        answers(&mut run, false, theirs);
        run.world.hosts[B.index()].server.quirks.clear();
        write(&mut run);
        assert!(position(&run.world, B) > Some(theirs));
        kill(&mut run, A);
        begin_task(&mut run, B, "acquire", Lane::Leadership);
        assert_eq!(violated(&mut run), None);
        acquire(&mut run, B);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn who_has_not_read_its_own_wal_to_its_end_does_not_lead() {
        let mut run = settled();
        run.world.hosts[B.index()].server.process = Process::Standby(Receiver::default());
        let mut run = told(run, false, 0, None);
        assert_violates(&mut run, NAME);
    }

    #[test]
    fn what_commits_did_not_wait_for_speaks_against_nobody() {
        for (listed, is_noticed) in [("b,c", true), ("b", false)] {
            let mut run = settled();
            let key = format!(r#"{{"leader":"a","sync_standby":"{listed}","quorum":0}}"#);
            let now = run.world.now;
            run.world.store.put_unguarded(key::SYNC, &key, None, now);
            let mut run = told(run, false, 1, None);
            assert_eq!(violated(&mut run) == Some(NAME), is_noticed, "{listed}");
        }
    }

    #[test]
    fn who_was_told_of_a_primary_does_not_lead_even_by_hand() {
        let by_hand = Some(r#"{"member":"b"}"#);
        assert_violates(&mut heard(Options::default(), true, 0, by_hand), NAME);
    }

    #[test]
    fn who_is_chosen_by_hand_may_have_less() {
        let by_hand = Some(r#"{"member":"b"}"#);
        let mut run = heard(Options::default(), false, 1, by_hand);
        assert_ne!(violated(&mut run), Some(NAME));
    }

    /// Like an acquisition of `b` with the record that the product writes.
    fn takes(run: &mut Run, node: Node, from: u32) {
        let session = session_of(run, node);
        let record = format!(
            r#"{{"owner":"{node}","from_timeline":{from},"timeline":{},"promotion":true}}"#,
            from + 1
        );
        let writes = [(key::LEADERSHIP, record)];
        let writes = writes.map(|(key, value)| StoreWrite::Put {
            key: key.to_owned(),
            value,
        });
        commit(
            run,
            Purpose::Acquire,
            Some(&session),
            &[],
            writes.into_iter().collect(),
        );
    }

    fn judged(run: &mut Run) -> Verdict {
        let mut rightful = Rightful::new(&run.world);
        let truth = Truth::new(&run.world);
        for fact in run.world.take_facts() {
            if let Fact::Changed(change) = fact {
                rightful.changed(&change, &run.world);
            }
        }
        rightful.compare(&run.world, &truth, &mut Remarks::default())
    }

    #[test]
    fn a_primary_does_not_take_back_what_another_one_has_led_since() {
        let mut run = settled();
        takes(&mut run, B, 1);
        assert_eq!(judged(&mut run), Ok(()));
        takes(&mut run, A, 1);
        let verdict = judged(&mut run).expect_err("b has led since");
        assert_eq!(verdict.invariant, NAME);
    }

    #[test]
    fn nobody_leads_on_a_timeline_that_the_cluster_has_left() {
        for checks_timeline in [false, true] {
            let options = Options {
                checks_timeline,
                ..Options::default()
            };
            let mut run = settled_with(options);
            let session = leading_session(&run);
            let value = r#"[[1,100,"no recovery target specified"]]"#.to_owned();
            let key = key::HISTORY.to_owned();
            let writes = vec![StoreWrite::Put { key, value }];
            commit(
                &mut run,
                Purpose::PublishStatus,
                Some(&session),
                &[],
                writes,
            );
            takes(&mut run, B, 1);
            assert_eq!(judged(&mut run).is_err(), checks_timeline);
        }
    }
}
