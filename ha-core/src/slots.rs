//! Which replication slots our server should have, and what is to be done for it.
//!
//! A slot that nobody uses keeps WAL for ever. Whatever is kept for later, on standbys above all, is
//! therefore moved on to where its user is known to be.

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::cascade;
use crate::config::{ClusterType, PermanentSlot};
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
    /// Up to where its user has everything; none also where the user moves it.
    passed: Option<Lsn>,
}

impl Wish {
    fn new(used: Use, passed: impl FnOnce() -> Option<Lsn>) -> Self {
        // Who is connected moves a slot itself.
        let is_moved_here = used != Use::Expected;
        let passed = is_moved_here.then(passed).flatten();
        Self { used, passed }
    }
}

/// The slots that should exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted<'a> {
    physical: BTreeMap<Cow<'a, str>, Wish>,
    logical: BTreeMap<&'a str, &'a LogicalSlot>,
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
    let Wanted { physical, logical } = wanted(memory, memory.view.as_ref()?, side);
    // Mostly there is nothing to do: names are copied only when there is.
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    let (mut advanced, mut followed) = (Vec::new(), Vec::new());
    let mut is_complete = true;
    for (name, wish) in &physical {
        let name = &**name;
        let found = slots.get(name);
        if found.is_some_and(|found| is_in_the_way(found, wish)) {
            // It is made anew once it is gone.
            dropped.push(name);
            continue;
        }
        kept.push(name);
        is_complete &= found.is_some();
        if let (Some(found), Some(passed)) = (found, wish.passed)
            && !found.is_active
            && Some(passed.min(end)) > found.position
        {
            advanced.push((name, passed.min(end)));
        }
    }
    let mut made = Vec::new();
    for (name, logical) in &logical {
        let found = slots.get(*name);
        if found.is_some_and(|found| found.is_lost || !decodes(found, logical)) {
            dropped.push(name);
        } else if side == Side::Leader {
            is_complete &= found.is_some();
            made.push((*name, *logical));
        } else if let Some(confirmed) = found.and_then(|found| goes_on(memory, name, found, end)) {
            let database = &logical.database;
            followed.push((*name, database, confirmed));
        }
        // What is missing on a standby is copied.
    }
    let is_known = |name: &str| physical.contains_key(name) || logical.contains_key(name);
    dropped.extend(
        slots
            .keys()
            .map(String::as_str)
            .filter(|name| !is_known(name)),
    );
    dropped.retain(|name| {
        let found = slots.get(*name);
        found.is_some_and(|found| may_drop(memory, side, name, found))
    });
    let is_unmoved = advanced.is_empty() && followed.is_empty();
    if is_complete && dropped.is_empty() && is_unmoved {
        return None;
    }
    Some(SlotWork {
        wanted: kept.into_iter().map(str::to_owned).collect(),
        logical: made
            .into_iter()
            .map(|(name, logical)| (name.to_owned(), logical.clone()))
            .collect(),
        advanced: advanced
            .into_iter()
            .map(|(name, to)| (name.to_owned(), to))
            .collect(),
        followed: followed
            .into_iter()
            .map(|(name, database, confirmed)| {
                let database = database.clone();
                let moved = FollowedSlot {
                    database,
                    confirmed,
                };
                (name.to_owned(), moved)
            })
            .collect(),
        dropped: dropped.into_iter().map(str::to_owned).collect(),
    })
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

fn wanted<'a>(memory: &'a Memory, view: &'a ClusterView, side: Side) -> Wanted<'a> {
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
        let wish = Wish::new(used, || passed(memory, view, &slot, Some((name, member))));
        wanted.physical.insert(slot, wish);
    }
    let mine = slot_name(memory.me().as_str());
    let mut retain = |name: &'a String| {
        if *name != *mine && !wanted.physical.contains_key(&**name) {
            let wish = Wish::new(Use::Retained, || passed(memory, view, name, None));
            wanted.physical.insert(Cow::Borrowed(name), wish);
        }
    };
    match side {
        Side::Leader if keeps_all => memory.slot_wanted_at.keys().for_each(&mut retain),
        Side::Standby if keeps_all => view.status.value.retain_slots.iter().for_each(retain),
        Side::Leader | Side::Standby => {}
    }
    for (name, slot) in permanent(memory, side) {
        if slot.kind == SlotKind::Physical && *name != *mine {
            let used = match side {
                Side::Leader => Use::Expected,
                Side::Standby => Use::Unexpected,
            };
            let wish = Wish::new(used, || passed(memory, view, name, None));
            let name = Cow::Borrowed(name.as_str());
            wanted.physical.entry(name).or_insert(wish);
        }
    }
    for (name, logical) in permanent_logical(memory, side) {
        let is_clash = wanted.physical.contains_key(&**name);
        debug_assert_eq!(
            is_clash || *name == *mine,
            is_physical(memory, view, side, name),
            "{name}"
        );
        if !is_clash && *name != *mine {
            wanted.logical.insert(name, logical);
        }
    }
    wanted
}

/// Slots that the configuration asks for.
fn permanent(memory: &Memory, side: Side) -> impl Iterator<Item = (&String, &PermanentSlot)> {
    let is_asked = side == Side::Leader || !memory.settings.tags.is_nofailover();
    let cluster = cluster_type(memory);
    let asked = is_asked.then_some(&memory.rules.slots.permanent);
    let slots = asked.into_iter().flatten();
    slots.filter(move |(_, slot)| slot.is_for(cluster))
}

/// The logical ones of them, whatever else has their names.
fn permanent_logical(memory: &Memory, side: Side) -> impl Iterator<Item = (&String, &LogicalSlot)> {
    // Whoever takes WAL from an archive alone cannot keep old rows on the primary.
    let keeps_rows = side == Side::Leader || !memory.settings.tags.is_nostream();
    let is_kept = keeps_rows && cluster_type(memory) == ClusterType::Primary;
    let slots = permanent(memory, side).filter(move |_| is_kept);
    slots.filter_map(|(name, slot)| match &slot.kind {
        SlotKind::Physical => None,
        SlotKind::Logical(logical) => Some((name, logical)),
    })
}

fn cluster_type(memory: &Memory) -> ClusterType {
    match memory.rules.standby_cluster {
        Some(_) => ClusterType::Standby,
        None => ClusterType::Primary,
    }
}

/// Whether a name is that of a physical slot, ours or of another member: what [`wanted`] says of
/// one name, without everything else that it finds out.
fn is_physical(memory: &Memory, view: &ClusterView, side: Side, slot: &str) -> bool {
    let keeps_all = keeps_all(memory, side);
    let is_wanted = |name, member| keeps_all || is_expected(memory, view, side, name, member);
    let mut owners = slot_owners(memory, view);
    let is_retained = match side {
        Side::Leader => memory.slot_wanted_at.contains_key(slot),
        Side::Standby => view.status.value.retain_slots.contains(slot),
    };
    slot_name(memory.me().as_str()) == slot
        || keeps_all && is_retained
        || owners.any(|(name, member)| slot_name(name.as_str()) == slot && is_wanted(name, member))
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

/// Whether a view differs from the one before in anything that slots are kept by. Most views tell of
/// nothing but how far a member is.
pub(crate) fn is_concerned(before: &ClusterView, view: &ClusterView) -> bool {
    let is_same = |one: &MemberView, other: &MemberView| {
        let position = |member: &MemberView| {
            // It counts only of those that may stream from another standby.
            member.tags.replicatefrom().and(member.xlog_location)
        };
        one.tags == other.tags
            && one.state == other.state
            && one.role == other.role
            && one.replication_state == other.replication_state
            && one.timeline == other.timeline
            && one.endpoint.is_some() == other.endpoint.is_some()
            && position(one) == position(other)
    };
    let mut members = before.members.iter().zip(&view.members);
    let are_same = before.members.len() == view.members.len()
        && members.all(|((before, one), (name, other))| {
            before == name && (Arc::ptr_eq(one, other) || is_same(one, other))
        });
    !are_same
        || before.leader != view.leader
        || before.rules != view.rules
        || before.status.value != view.status.value
}

/// The names of the slots of all members that may come to stream from us.
pub(crate) fn of_members(memory: &Memory) -> BTreeSet<String> {
    let Some(view) = memory.view.as_ref().filter(|_| memory.rules.use_slots) else {
        return BTreeSet::new();
    };
    slot_owners(memory, view)
        .map(|(name, _)| slot_name(name.as_str()).into_owned())
        .collect()
}

/// The logical slots that a standby should have, of those that the leader has and that are asked for.
pub(crate) fn logical_of_leader(
    memory: &Memory,
    is_asked: impl Fn(&str) -> bool,
) -> BTreeMap<String, LogicalSlot> {
    let Some(view) = memory.view.as_ref() else {
        return BTreeMap::new();
    };
    let has_any = memory.rules.use_slots && memory.rules.slots.has_logical();
    if !has_any || word::lock(memory) != Lock::Other {
        return BTreeMap::new();
    }
    let led = &view.status.value.slots;
    let is_meant = |name: &str| led.contains_key(name) && is_asked(name);
    permanent_logical(memory, Side::Standby)
        .filter(|(name, _)| is_meant(name) && !is_physical(memory, view, Side::Standby, name))
        .map(|(name, slot)| (name.clone(), slot.clone()))
        .collect()
}

/// The physical slots that our server needs as a primary.
pub(crate) fn of_primary(memory: &Memory) -> BTreeSet<String> {
    let Some(view) = memory.view.as_ref() else {
        return BTreeSet::new();
    };
    wanted(memory, view, Side::Leader)
        .physical
        .into_keys()
        .map(Cow::into_owned)
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
    slots.insert(slot_name(memory.me().as_str()).into_owned(), end);
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

#[cfg(test)]
mod tests;
