//! Replication slots are kept as they should be: on the leader, and on standbys that others stream
//! from or that may lead one day.

use super::{Machine, Step};
use crate::failsafe;
use crate::schema::slot_name;
use crate::situation::{self as word, Lock};
use crate::slots::{self, Side};
use crate::task::{Lane, SlotWork, Task};
use crate::view::ServerView;

impl Machine {
    /// Every member has a slot on the leader; the slot of a member that went away is kept for a
    /// while, so that it finds its WAL when it comes back.
    pub(super) fn keep_slots_as_leader(&mut self, step: &mut Step) {
        self.note_members();
        self.keep_slots(Side::Leader, step);
    }

    /// On a standby nothing is done while nobody else leads: it may be about to lead itself.
    pub(super) fn keep_slots_as_standby(&mut self, step: &mut Step) {
        let memory = &mut self.memory;
        let is_standby = matches!(memory.server(), Some(ServerView::Standby(_)));
        if word::lock(memory) == Lock::Other && is_standby {
            memory.slot_wanted_at.clear();
            self.keep_slots(Side::Standby, step);
        }
    }

    /// While a leader goes on by our promise, what it told moves our slots on. Without the store none
    /// is made or dropped.
    pub(super) fn move_slots_by_promise(&mut self, step: &mut Step) {
        let memory = &self.memory;
        let is_standby = matches!(memory.server(), Some(ServerView::Standby(_)));
        let is_due = memory.published.is_slots_due && !memory.is_finished;
        if !is_due
            || !is_standby
            || failsafe::told_slots(memory).is_none()
            || word::lock(memory) == Lock::Other
            || !self.is_idle(Lane::Slots)
        {
            return;
        }
        if let Some(work) = slots::moves(&self.memory) {
            self.memory.published.is_slots_due = false;
            self.start(Task::SyncSlots(work), step);
        }
    }

    /// Remembers when each member was last there.
    fn note_members(&mut self) {
        let now = self.memory.mono();
        let found = self.memory.published.wanted_slots.take();
        let wanted = found.unwrap_or_else(|| slots::of_members(&self.memory));
        let memory = &mut self.memory;
        let leadership = memory.lease.leadership();
        if memory.published.inherited_for != leadership {
            // What the leader before us kept for members that are away we keep as long, once.
            memory.published.inherited_for = leadership;
            let view = memory.view.as_ref();
            let me = memory.me().clone();
            let mine = slot_name(me.as_str());
            let kept = view.map(|view| view.status.value.retain_slots.clone());
            for slot in kept.unwrap_or_default() {
                if *slot != *mine {
                    memory.slot_wanted_at.entry(slot).or_insert(now);
                }
            }
        }
        for slot in &wanted {
            match memory.slot_wanted_at.get_mut(slot) {
                Some(at) => *at = now,
                None => {
                    memory.slot_wanted_at.insert(slot.clone(), now);
                }
            }
        }
        memory.published.wanted_slots = Some(wanted);
        let life = memory.rules.member_slots_ttl;
        memory.slot_wanted_at.retain(|_, at| now.since(*at) <= life);
    }

    fn keep_slots(&mut self, side: Side, step: &mut Step) {
        if !self.memory.published.is_slots_due || !self.is_idle(Lane::Slots) {
            return;
        }
        self.memory.published.is_slots_due = false;
        let Some(work) = slots::work(&self.memory, side) else {
            return;
        };
        // Told once; asked again only when a look at the server still misses them.
        let is_told = |told: &SlotWork| {
            told.wanted == work.wanted
                && told.logical == work.logical
                && told.dropped == work.dropped
        };
        if self.memory.published.slots.as_ref().is_some_and(is_told) {
            return;
        }
        self.memory.published.slots = Some(SlotWork {
            wanted: work.wanted.clone(),
            logical: work.logical.clone(),
            dropped: work.dropped.clone(),
            ..SlotWork::default()
        });
        self.start(Task::SyncSlots(work), step);
    }
}
