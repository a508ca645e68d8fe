//! What must be true of the world: asked after every event, and of a healed world at its end.
//!
//! Each invariant is a file of its own, with its statement and where it comes from. They look at
//! the models, which know the truth; what a machine believes is asked only where the statement is
//! about the machine itself, and where a verdict depends on whether a machine *could* know. An
//! exemption is never silent: it is a remark with a name.

mod bounded_loss_async;
mod can_converge;
mod converges;
mod down_for_slots;
mod explained;
mod fed_in_time;
mod fenced_in_time;
mod lag;
mod last_copy;
mod machine_rule;
mod no_acked_loss_sync;
mod no_corruption;
mod one_owner_per_timeline;
mod one_task_per_lane;
mod one_writable_primary;
mod pause;
mod pause_means_pause;
mod promotion_under_grant;
mod proven_witness;
mod quiescent;
mod release_after_death;
mod remarks;
mod restart_equivalent;
mod rightful_leader;
mod rows;
mod same_system;
mod slots_carried;
mod store_discipline;
mod truth;
mod whole_relay;

#[cfg(test)]
mod fixture;

use std::cell::Cell;
use std::collections::BTreeMap;

use herdsman_ha_core::schema::key;

pub use converges::{converged, what_is_missing};
pub use quiescent::quiet;
pub use restart_equivalent::restart_equivalent;
pub use slots_carried::{SLOTS_LIMIT, carried, lacking};

use crate::fact::Fact;
use crate::ids::Node;
use crate::pg::Wal;
use crate::store::Change;
use crate::world::World;
use down_for_slots::Absences;
use explained::Explained;
use fed_in_time::Hungry;
use one_task_per_lane::Tasks;
use proven_witness::Witnesses;
use remarks::Remarks;
use rightful_leader::Rightful;
use rows::Rows;
use truth::Truth;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which, by its name: `one-writable-primary`.
    pub invariant: &'static str,
    /// What is wrong, in one sentence.
    pub text: String,
}

/// What an invariant says.
type Verdict = Result<(), Broken>;

fn broken(invariant: &'static str, text: String) -> Verdict {
    Err(Broken { invariant, text })
}

/// All invariants that are asked after every event, and what they remember.
#[derive(Clone, Debug)]
pub struct Invariants {
    truth: Truth,
    rows: Rows,
    remarks: Remarks,
    tasks: Tasks,
    explained: Explained,
    rightful: Rightful,
    witnesses: Witnesses,
    absences: Absences,
    hungry: Hungry,
    writes: u64,
    /// Why the healed world was not expected to converge; asked for through `&self`.
    stuck: Cell<Option<&'static str>>,
}

impl Invariants {
    /// For a world as it stands: what happened before is not judged.
    #[must_use]
    pub fn new(world: &World) -> Self {
        Self {
            truth: Truth::new(world),
            rows: Rows::default(),
            remarks: Remarks::default(),
            tasks: Tasks::new(world),
            explained: Explained::new(world),
            rightful: Rightful::new(world),
            witnesses: Witnesses::new(world),
            absences: Absences::new(world),
            hungry: Hungry::new(world),
            writes: 0,
            stuck: Cell::new(None),
        }
    }

    /// Takes what has happened out of the world and asks every invariant, also about this instant;
    /// the first that does not hold.
    pub fn check(&mut self, world: &mut World) -> Option<Broken> {
        if !world.facts.is_empty() {
            let mut facts = world.take_facts();
            let verdict = self.take_all(&facts, world);
            // Nearly every event tells some: the room for them is used again.
            facts.clear();
            world.facts = facts;
            if let Err(broken) = verdict {
                return Some(broken);
            }
        }
        self.look(world).err()
    }

    /// What is weaker than one would wish and no violation, by kind; each kind at most once in a
    /// second of the world.
    #[must_use]
    pub fn remarks(&self) -> BTreeMap<&'static str, u64> {
        let mut remarks = self.remarks.counts();
        if let Some(why) = self.stuck.get() {
            remarks.insert(why, 1);
        }
        remarks
    }

    /// How many changes of keys there were so far, whatever they say.
    ///
    /// Positions are counted as well: once nobody writes rows they stand still, and a member that
    /// goes on publishing them is what quiescence is about.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Whether the rules and what is left on the disks allow a healed world to come to a primary
    /// that all follow; if not, the reason becomes a remark.
    #[must_use]
    pub fn can_converge(&self, world: &World) -> bool {
        let obstacle = can_converge::obstacle(world);
        self.stuck.set(obstacle);
        obstacle.is_none()
    }

    fn take_all(&mut self, facts: &[Fact], world: &World) -> Verdict {
        for fact in facts {
            self.take(fact, world)?;
        }
        // By now the whole commit is known, and who chose the leader.
        for fact in facts {
            if let Fact::Changed(change) = fact {
                self.taken_by_a_primary(change, world)?;
            }
        }
        self.explained.compare(world)?;
        self.rightful
            .compare(world, &self.truth, &mut self.remarks)?;
        // Last, because an invariant with a name says more than a rule of the machine.
        facts.iter().try_for_each(machine_rule::check)
    }

    fn take(&mut self, fact: &Fact, world: &World) -> Verdict {
        match fact {
            Fact::Acknowledged(number) => {
                self.rows
                    .acknowledged(*number, world, &mut self.truth, &mut self.remarks);
                Ok(())
            }
            Fact::Promoted { node, from, to } => self.new_primary(world, *node, *from, *to),
            Fact::StartedAsPrimary { node, wal, .. } => self.new_primary(world, *node, *wal, *wal),
            Fact::Bootstrapped { node, .. } => {
                self.truth.bootstrapped(*node);
                same_system::bootstrapped(world, *node, &mut self.remarks)
            }
            Fact::Destroyed { node, was, by } => {
                self.truth.destroyed(*by, world.now);
                last_copy::check(world, *node, *was, *by, &mut self.rows, &mut self.remarks)
            }
            Fact::Copied { node, .. } => {
                same_system::copied(world, *node, &self.truth, &mut self.remarks)
            }
            Fact::SlotsCopied { node, from } => {
                down_for_slots::copied(world, (*node, *from), &self.truth)
            }
            Fact::Corrupted { node } => {
                no_corruption::check(world, *node, &self.truth, &mut self.remarks)
            }
            Fact::Changed(change) => {
                self.writes += 1;
                store_discipline::check(change, world, &self.truth, &mut self.remarks)?;
                release_after_death::check(change, world, &mut self.remarks)?;
                same_system::changed(change, world, &self.truth, &mut self.remarks)?;
                self.truth.changed(change, world);
                self.rightful.changed(change, world);
                bounded_loss_async::handed_over(
                    change,
                    world,
                    &self.explained,
                    &self.truth,
                    &mut self.remarks,
                )
            }
            Fact::Decided {
                node,
                code,
                is_explained,
            } => self.explained.decided(*node, code, *is_explained),
            Fact::TaskStarted {
                node,
                op,
                name,
                lane,
                pre_empts,
            } => {
                self.explained.started(*node, name, *lane)?;
                self.rightful.started(world, *node, name);
                self.witnesses.started(world, *node, name)?;
                self.absences
                    .started(world, (*node, *op), name, &self.truth, &mut self.remarks)?;
                self.tasks
                    .started(world.now, *node, *op, name, *lane, *pre_empts)
            }
            Fact::TaskEnded { node, op } => {
                self.absences.ended(*node, *op);
                self.tasks.ended(*node, *op)
            }
            Fact::Pointed { node, upstream } => {
                whole_relay::check(world, *node, *upstream, &self.truth, &mut self.remarks)
            }
            Fact::AgentGone { node } => {
                self.explained.gone(*node);
                self.tasks.gone(*node);
                self.rightful.gone(*node);
                self.witnesses.gone(*node);
                Ok(())
            }
            Fact::ServerTold {
                node,
                name,
                is_paused,
            } => pause_means_pause::check(world, *node, name, *is_paused),
            Fact::PeersHeard { node, answers } => {
                self.rightful.heard(world, *node, answers);
                Ok(())
            }
            Fact::Identified { node, is_primary } => {
                self.witnesses.answered(*node, *is_primary);
                Ok(())
            }
            Fact::ToldToWrite { node } => {
                promotion_under_grant::told(world, *node, &mut self.truth, &mut self.remarks)
            }
            Fact::Touched { node, op } => self.tasks.touched(*node, *op),
            Fact::Broken { .. } => Ok(()),
            Fact::Quit {
                node,
                is_orderly,
                sentence,
            } => self.explained.quit(
                world,
                *node,
                *is_orderly,
                sentence,
                &self.truth,
                &mut self.remarks,
            ),
        }
    }

    /// A server has become a primary: `from` is what it had, `to` what it has.
    fn new_primary(&mut self, world: &World, node: Node, from: Wal, to: Wal) -> Verdict {
        let (truth, remarks) = (&mut self.truth, &mut self.remarks);
        promotion_under_grant::check(world, node, truth, remarks)?;
        same_system::primary(world, node, to, truth, remarks)?;
        one_owner_per_timeline::check(world, node, to, truth, remarks)?;
        if !truth.standing(node, world).holds() {
            // Excused above: what it lacks is not the cluster's loss, unless it goes on from there.
            truth.line_was_begun(world, node, from);
            return Ok(());
        }
        self.new_line(world, node, from)
    }

    /// What was promoted by an order that outlived its lease becomes the cluster's line when it takes
    /// the leadership.
    fn taken_by_a_primary(&mut self, change: &Change, world: &World) -> Verdict {
        let is_leader_key = &*change.key == key::LEADER && change.after.is_some();
        let taker = rightful_leader::taker(change, world);
        let Some(node) = taker.filter(|_| is_leader_key) else {
            return Ok(());
        };
        let server = &world.host(node).server;
        match server.wal().filter(|_| server.is_primary()) {
            Some(wal) => self.new_line(world, node, wal),
            None => Ok(()),
        }
    }

    /// The cluster goes on from here: what this lacks is lost.
    fn new_line(&mut self, world: &World, node: Node, from: Wal) -> Verdict {
        let (truth, remarks) = (&self.truth, &mut self.remarks);
        let missing = self.rows.missing(world, from);
        if !missing.is_empty() {
            no_acked_loss_sync::check(world, node, &missing, truth, remarks)?;
            bounded_loss_async::check(world, node, from, &missing, truth, remarks)?;
            self.rows.forget(&missing);
        }
        self.truth.line_was_begun(world, node, from);
        Ok(())
    }

    /// What must be true in every instant.
    fn look(&mut self, world: &World) -> Verdict {
        one_writable_primary::check(world, &mut self.truth, &mut self.remarks)?;
        fenced_in_time::check(world, &mut self.truth, &mut self.remarks)?;
        self.absences.look(world);
        self.hungry.look(world)?;
        self.tasks.look(world)
    }
}
