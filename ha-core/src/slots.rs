//! Which replication slots our server should have, and what is to be done for it.
//!
//! A slot that nobody uses keeps WAL for ever. Whatever is kept for later, on standbys above all, is
//! therefore moved on to where its user is known to be.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use crate::cascade;
use crate::config::ClusterType;
use crate::failsafe;
use crate::memory::Memory;
use crate::schema::slot_name;
use crate::situation::{self as word, Lock, Mode};
use crate::task::{FollowedSlot, SlotWork};
use crate::value::{Lsn, MemberName, Timeline};
use crate::view::{ClusterView, LogicalSlot, MemberView, ServerView, SlotKind, SlotView};

/// For which part the slots are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The leader's primary.
    Leader,
    /// A standby beside another leader.
    Standby,
}

/// Who is to use a physical slot here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Somebody who should be connected.
    Expected,
    /// Nobody knows: a member that went away.
    Retained,
    /// Nobody, as long as this member is what it is now.
    Unexpected,
}

/// What is wanted of a physical slot.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    used: Use,
    /// Up to where its user has everything.
    passed: Option<Lsn>,
}

/// The slots that should exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    physical: BTreeMap<String, Wish>,
    logical: BTreeMap<String, LogicalSlot>,
}

/// What makes our server's slots the wanted ones; none: they are, or it does not run.
pub(crate) fn work(memory: &Memory, side: Side) -> Option<SlotWork> {
    let (slots, end) = match memory.server()? {
        ServerView::Primary(primary) => (&primary.slots, primary.position.lsn),
        ServerView::Standby(standby) => (&standby.slots, standby.replayed),
        ServerView::Down { .. }
        | ServerView::Starting
        | ServerView::Stopping
        | ServerView::Unresponsive => return None,
    };
    let wanted = wanted(memory, memory.view.as_ref()?, side);
    let mut work = SlotWork::default();
    let mut is_complete = true;
    for (name, wish) in &wanted.physical {
        let found = slots.get(name);
        if found.is_some_and(|found| is_in_the_way(found, wish)) {
            // It is made anew once it is gone.
            work.dropped.insert(name.clone());
            continue;
        }
        work.wanted.insert(name.clone());
        is_complete &= found.is_some();
        if let (Some(found), Some(passed)) = (found, wish.passed)
            && wish.used != Use::Expected
            && !found.is_active
            && Some(passed.min(end)) > found.position
        {
            work.advanced.insert(name.clone(), passed.min(end));
        }
    }
    for (name, logical) in &wanted.logical {
        let found = slots.get(name);
        if found.is_some_and(|found| found.is_lost || !decodes(found, logical)) {
            work.dropped.insert(name.clone());
        } else if side == Side::Leader {
            is_complete &= found.is_some();
            work.logical.insert(name.clone(), logical.clone());
        } else if let Some(confirmed) = found.and_then(|found| goes_on(memory, name, found, end)) {
            let database = logical.database.clone();
            let moved = FollowedSlot {
                database,
                confirmed,
            };
            work.followed.insert(name.clone(), moved);
        }
        // What is missing on a standby is copied.
    }
    let is_known =
        |name: &String| wanted.physical.contains_key(name) || wanted.logical.contains_key(name);
    let unknown: BTreeSet<String> = slots
        .keys()
        .filter(|name| !is_known(name))
        .cloned()
        .collect();
    work.dropped.extend(unknown);
    work.dropped.retain(|name| {
        let found = slots.get(name);
        found.is_some_and(|found| may_drop(memory, side, name, found))
    });
    let is_unmoved = work.advanced.is_empty() && work.followed.is_empty();
    let is_at_rest = is_complete && work.dropped.is_empty() && is_unmoved;
    (!is_at_rest).then_some(work)
}

fn decodes(found: &SlotView, logical: &LogicalSlot) -> bool {
    matches!(&found.kind, SlotKind::Logical(own) if own == logical)
}

/// Where a logical slot of our standby is to be moved; none: it stays.
fn goes_on(memory: &Memory, name: &str, found: &SlotView, end: Lsn) -> Option<Lsn> {
    let confirmed = told(memory, memory.view.as_ref()?, name)?.min(end);
    let is_ours = !found.is_active && !found.is_carried;
    (is_ours && Some(confirmed) > found.position).then_some(confirmed)
}

/// How the slots that our standby has are moved on; none: they stand where they should.
pub(crate) fn moves(memory: &Memory) -> Option<SlotWork> {
    let work = work(memory, Side::Standby)?;
    let moves = SlotWork {
        advanced: work.advanced,
        followed: work.followed,
        ..SlotWork::default()
    };
    (moves != SlotWork::default()).then_some(moves)
}

/// Whether a slot must go before the wanted one of its name can be.
fn is_in_the_way(found: &SlotView, wish: &Wish) -> bool {
    let is_unused = wish.used != Use::Expected && !found.is_active;
    // What nobody moves on would hold back the removal of old rows for ever.
    let holds_back = found.holds_rows && wish.used == Use::Unexpected && is_unused;
    // It was made without keeping anything, and cannot be moved on.
    let keeps_nothing = found.position.is_none() && is_unused;
    found.kind != SlotKind::Physical || found.is_lost || holds_back || keeps_nothing
}

/// Whether a slot that is not wanted as it is may go. In a pause people are at work.
fn may_drop(memory: &Memory, side: Side, name: &str, found: &SlotView) -> bool {
    let is_paused = word::mode(memory) == Mode::Paused;
    // PostgreSQL carries it to standbys itself, and is kept from that by one of an old primary.
    let is_postgresqls = found.is_carried || found.is_failover && side == Side::Leader;
    !is_paused && !found.is_active && !is_postgresqls && !memory.rules.slots.ignores(name, found)
}

fn wanted(memory: &Memory, view: &ClusterView, side: Side) -> Wanted {
    let mut wanted = Wanted::default();
    if !memory.rules.use_slots {
        return wanted;
    }
    let keeps_all = keeps_all(memory, side);
    for (name, member) in slot_owners(memory, view) {
        let used = match is_expected(memory, view, side, name, member) {
            true => Use::Expected,
            false if keeps_all => Use::Unexpected,
            false => continue,
        };
        let slot = slot_name(name.as_str());
        let passed = passed(memory, view, &slot, Some((name, member)));
        wanted.physical.insert(slot, Wish { used, passed });
    }
    let mine = slot_name(memory.me().as_str());
    let retained: BTreeSet<&String> = match side {
        Side::Leader if keeps_all => memory.slot_wanted_at.keys().collect(),
        Side::Standby if keeps_all => view.status.value.retain_slots.iter().collect(),
        Side::Leader | Side::Standby => BTreeSet::new(),
    };
    for name in retained.into_iter().filter(|name| **name != mine) {
        let used = Use::Retained;
        let passed = passed(memory, view, name, None);
        let wish = Wish { used, passed };
        wanted.physical.entry(name.clone()).or_insert(wish);
    }
    if side == Side::Leader || !memory.settings.tags.is_nofailover() {
        add_permanent(memory, view, side, &mine, &mut wanted);
    }
    wanted
}

/// Slots that the configuration asks for.
fn add_permanent(memory: &Memory, view: &ClusterView, side: Side, mine: &str, wanted: &mut Wanted) {
    let cluster = match memory.rules.standby_cluster {
        Some(_) => ClusterType::Standby,
        None => ClusterType::Primary,
    };
    for (name, slot) in &memory.rules.slots.permanent {
        if !slot.is_for(cluster) {
            continue;
        }
        match &slot.kind {
            SlotKind::Physical if name == mine => {}
            SlotKind::Physical => {
                let used = match side {
                    Side::Leader => Use::Expected,
                    Side::Standby => Use::Unexpected,
                };
                let passed = passed(memory, view, name, None);
                let wish = Wish { used, passed };
                wanted.physical.entry(name.clone()).or_insert(wish);
            }
            SlotKind::Logical(logical) => {
                let is_clash = wanted.physical.contains_key(name) || name == mine;
                // Whoever takes WAL from an archive alone cannot keep old rows on the primary.
                let is_kept = side == Side::Leader || !memory.settings.tags.is_nostream();
                if is_kept && cluster == ClusterType::Primary && !is_clash {
                    wanted.logical.insert(name.clone(), logical.clone());
                }
            }
        }
    }
}

/// Whether slots of members that do not stream from here are kept, for the case that this member
/// leads one day: one that never will keeps none.
fn keeps_all(memory: &Memory, side: Side) -> bool {
    let may_lead = side == Side::Leader || !memory.settings.tags.is_nofailover();
    !memory.rules.member_slots_ttl.is_zero() && may_lead
}

fn slot_owners<'a>(
    memory: &'a Memory,
    view: &'a ClusterView,
) -> impl Iterator<Item = (&'a MemberName, &'a MemberView)> {
    view.members
        .iter()
        .filter(|(name, member)| *name != memory.me() && !member.tags.is_nostream())
        .map(|(name, member)| (name, &**member))
}

/// Whether a member should stream from us.
fn is_expected(
    memory: &Memory,
    view: &ClusterView,
    side: Side,
    name: &MemberName,
    member: &MemberView,
) -> bool {
    match side {
        // Whoever has no other standby to stream from now needs the leader.
        Side::Leader => cascade::relay(view, name, &member.tags).is_none(),
        Side::Standby => {
            let leader = view.leader.as_ref();
            let is_leader = leader.is_some_and(|leader| leader.name == *name);
            !is_leader && cascade::named(view, name, &member.tags) == Some(memory.me())
        }
    }
}

/// Up to where the user of a slot has everything: as the leader knows it, and as a member that
/// streams from another standby says it.
fn passed(
    memory: &Memory,
    view: &ClusterView,
    slot: &str,
    member: Option<(&MemberName, &MemberView)>,
) -> Option<Lsn> {
    let known = told(memory, view, slot);
    let own = member
        .filter(|(name, member)| cascade::named(view, name, &member.tags).is_some())
        .filter(|(_, member)| member.timeline.is_some() && member.timeline == timeline(memory))
        .and_then(|(_, member)| member.xlog_location);
    known.max(own)
}

/// Where the leader's slot is: as the store says it, or the leader itself while it goes on without
/// the store by our promise.
fn told(memory: &Memory, view: &ClusterView, slot: &str) -> Option<Lsn> {
    let published = view.status.value.slots.get(slot).copied();
    let promised = failsafe::told_slots(memory).filter(|_| word::lock(memory) != Lock::Other);
    published.max(promised.and_then(|slots| slots.get(slot).copied()))
}

fn timeline(memory: &Memory) -> Option<Timeline> {
    let position = memory.server()?.position()?;
    Some(position.timeline)
}

/// The names of the slots of all members that may come to stream from us.
pub(crate) fn of_members(memory: &Memory) -> BTreeSet<String> {
    let Some(view) = memory.view.as_ref().filter(|_| memory.rules.use_slots) else {
        return BTreeSet::new();
    };
    slot_owners(memory, view)
        .map(|(name, _)| slot_name(name.as_str()))
        .collect()
}

/// The logical slots that a standby should have, of those that the leader has.
pub(crate) fn logical_of_leader(memory: &Memory) -> BTreeMap<String, LogicalSlot> {
    let Some(view) = memory.view.as_ref() else {
        return BTreeMap::new();
    };
    if word::lock(memory) != Lock::Other || !memory.rules.slots.has_logical() {
        return BTreeMap::new();
    }
    let mut logical = wanted(memory, view, Side::Standby).logical;
    logical.retain(|name, _| view.status.value.slots.contains_key(name));
    logical
}

/// The physical slots that our server needs as a primary.
pub(crate) fn of_primary(memory: &Memory) -> BTreeSet<String> {
    let Some(view) = memory.view.as_ref() else {
        return BTreeSet::new();
    };
    wanted(memory, view, Side::Leader)
        .physical
        .into_keys()
        .collect()
}

/// Where the leader's slots are, for the others to move theirs on; our own name stands for the end
/// of our WAL. Where slots of members are not kept everywhere, only permanent ones are told.
pub(crate) fn positions(
    memory: &Memory,
    slots: &BTreeMap<String, SlotView>,
    end: Lsn,
) -> BTreeMap<String, Lsn> {
    let mut slots: BTreeMap<String, Lsn> = slots
        .iter()
        .filter_map(|(name, slot)| Some((name.clone(), slot.position?)))
        .collect();
    slots.insert(slot_name(memory.me().as_str()), end);
    if memory.rules.member_slots_ttl.is_zero() {
        slots.retain(|name, _| memory.rules.slots.permanent.contains_key(name));
    }
    slots
}

/// The slots of members that were here not long ago, or are.
pub(crate) fn retained(memory: &Memory, slots: &BTreeMap<String, SlotView>) -> BTreeSet<String> {
    let is_permanent = |name: &String| memory.rules.slots.permanent.contains_key(name);
    let names = slots.keys().filter(|name| !is_permanent(name));
    names
        .filter(|name| memory.slot_wanted_at.contains_key(*name))
        .cloned()
        .collect()
}
