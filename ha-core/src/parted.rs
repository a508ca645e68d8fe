//! Whether our line has parted from the cluster's: the store was put back to what it was before we
//! got onto our timeline, and may have been led from an earlier one since.
//!
//! A leader that did not know of our timeline may have skipped it as well.
//!
//! Our bytes say nothing about what such a leader has written, so no standby leads by itself then. An
//! operator can name one.
//!
//! The others are told of it: they would wait for whoever is ahead.

use crate::line;
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::reason::Veto;
use crate::rejoin::{self, Relation};
use crate::remote;
use crate::schema::write;
use crate::value::{Position, Timeline};
use crate::view::{ClusterView, ServerView};

/// What keeps a standby at this position from leading.
pub(crate) fn veto(memory: &Memory, view: &ClusterView, mine: Position) -> Option<Veto> {
    if memory.breaks(Mutant::PartedLineIgnored) {
        return None;
    }
    seen(memory, mine)
        .or_else(|| untold(memory, view, mine.timeline))
        .or_else(|| passed_over(memory, view, mine.timeline))
        .or_else(|| skipped(view, mine.timeline))
}

/// Whether our standby is on another line than the cluster.
pub(crate) fn has_parted(memory: &Memory) -> bool {
    let (Some(view), Some(ServerView::Standby(standby))) = (&memory.view, memory.server()) else {
        return false;
    };
    // What others lead in a standby cluster is what its source has.
    let is_apart = || veto(memory, view, standby.position()).is_some();
    !remote::is_followed(memory) && (is_apart() || line::has_left(memory, view, standby))
}

/// We have compared our history with that of the last leader.
fn seen(memory: &Memory, mine: Position) -> Option<Veto> {
    let check = memory.identity.as_ref()?;
    let leader = check.identity.position.timeline;
    let is_of_the_last = memory
        .leader_since
        .is_some_and(|(generation, _)| generation == check.generation);
    // A leader can begin a timeline without a new leadership. Who has followed it there since has
    // not parted from it.
    let is_about_our_line = check.own_timeline == Some(mine.timeline);
    let relation = rejoin::relate(mine, &check.identity);
    let has_parted = matches!(relation, Relation::Diverged { .. }) && mine.timeline > leader;
    (is_of_the_last && is_about_our_line && has_parted).then_some(Veto::NewerThanLeader {
        mine: mine.timeline,
        leader,
    })
}

/// Whoever takes the leadership reserves its timeline first, and the store never forgets that by
/// itself.
fn untold(memory: &Memory, view: &ClusterView, mine: Timeline) -> Option<Veto> {
    let reserved = view.leadership.value.as_ref()?.timeline;
    // Patroni reserves nothing: its leaders tell what they are on, and publish the history.
    let members = memory.known_members();
    let told = members.values().filter_map(|member| member.timeline);
    let newest = told.chain(view.timeline()).fold(reserved, Timeline::max);
    (mine > newest).then_some(Veto::NewerThanCluster {
        mine,
        cluster: newest,
    })
}

/// The last leader stayed on its timeline, or went to the one that it reserved: a number above the
/// one, and not the other, is of somebody whose leadership it did not follow. Unless the history
/// tells of it: then the last leader was never promoted.
fn passed_over(memory: &Memory, view: &ClusterView, mine: Timeline) -> Option<Veto> {
    let record = view.leadership.value.as_ref()?;
    let is_above = record.from_timeline < mine && mine <= record.timeline;
    let is_reserved = record.is_promotion && mine == record.timeline;
    let is_told = view.timeline() >= Some(mine);
    let is_of_another = record.owner != *memory.me();
    (is_above && is_of_another && !is_reserved && !is_told).then_some(Veto::NewerThanLeader {
        mine,
        leader: record.from_timeline,
    })
}

/// The history has our number for one that no leadership used: its leader did not come over us, and
/// nothing that we have since the line before is the cluster's. What is left of the cluster may be
/// on an earlier number than ours, and would wait for us.
fn skipped(view: &ClusterView, mine: Timeline) -> Option<Veto> {
    let mut lines = view.history.value.iter();
    let is_skipped = lines.any(|line| line.timeline == mine && write::is_filler(line));
    let cluster = view.timeline().filter(|_| is_skipped)?;
    Some(Veto::TimelineBehind { mine, cluster })
}
