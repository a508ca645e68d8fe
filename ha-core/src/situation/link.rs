//! How a standby stands to its leader, and whether it may be pointed there.
//!
//! Histories are compared before PostgreSQL hears of the leader. A standby that asks a server on a
//! newer timeline for WAL takes that timeline's history file first; if its own WAL goes beyond the
//! fork it is refused, but its next start believes to be on the new timeline and looks healthy.

use core::time::Duration;

use super::words::{Kin, Link};
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::rejoin::{self, Relation};
use crate::value::Timeline;
use crate::view::StandbyView;

/// How long a standby may be up without streaming before its history is compared.
const QUIET: Duration = Duration::from_millis(500);

/// How long a standby must have been up without streaming before its data is replaced.
const STEADY: Duration = Duration::from_millis(1500);

/// How the running standby stands to the leader.
pub(crate) fn link(memory: &Memory, standby: &StandbyView) -> Link {
    let wanted = crate::plan::upstream(memory).map(|upstream| (upstream.host, upstream.port));
    let has_leader = memory
        .view
        .as_ref()
        .is_some_and(|view| view.leader.is_some());
    if !has_leader {
        return Link::Quiet;
    }
    if wanted.is_some() && standby.upstream != wanted {
        return astray(memory, standby);
    }
    if standby.is_streaming {
        return Link::Streaming;
    }
    // Nobody can be asked on behalf of a standby that streams from nobody.
    if !standby.wal_end_reached || quiet_for(memory) < QUIET || wanted.is_none() {
        return Link::Quiet;
    }
    match relation(memory, standby) {
        None => Link::Suspect,
        Some(Relation::Ancestor | Relation::Unknown) => Link::Quiet,
        Some(Relation::Diverged { .. }) => diverged(memory, standby),
    }
}

/// A standby that is pointed elsewhere, or nowhere.
fn astray(memory: &Memory, standby: &StandbyView) -> Link {
    let is_known_line = leader_timeline(memory) == Some(standby.timeline);
    if is_known_line || memory.breaks(Mutant::FollowsUncompared) {
        return Link::Astray;
    }
    if standby.upstream.is_some() {
        // What it still receives from a former leader could go beyond the fork.
        return Link::Attached;
    }
    if !standby.wal_end_reached {
        return Link::Quiet;
    }
    match relation(memory, standby) {
        None => Link::Suspect,
        Some(Relation::Ancestor) => Link::Astray,
        Some(Relation::Unknown) => Link::Quiet,
        Some(Relation::Diverged { .. }) => diverged(memory, standby),
    }
}

fn diverged(memory: &Memory, standby: &StandbyView) -> Link {
    let theirs = memory
        .identity
        .as_ref()
        .map(|check| check.identity.position.timeline);
    // Numbers are reserved in the store and only grow: a leader on an earlier timeline leads because
    // the store was put back. What was written since may be here alone.
    if theirs.is_some_and(|theirs| standby.timeline > theirs) {
        return Link::Newer;
    }
    // A walreceiver that was just told a new upstream needs a moment: data is not given up for a
    // standby that is about to stream.
    if quiet_for(memory) < STEADY {
        Link::Quiet
    } else if crate::plan::witness(memory).is_some() {
        Link::Diverged
    } else {
        Link::DivergedUnproven
    }
}

fn quiet_for(memory: &Memory) -> Duration {
    memory
        .idle_since
        .map(|since| memory.mono().since(since))
        .unwrap_or_default()
}

/// What a comparison with the present leader has shown; none: it is to be made, or made again.
fn relation(memory: &Memory, standby: &StandbyView) -> Option<Relation> {
    let leader = memory.view.as_ref()?.leader.as_ref()?;
    let check = memory.identity.as_ref()?;
    let is_of_this_leadership =
        check.generation == leader.generation || memory.breaks(Mutant::IdentityOfEarlierLeadership);
    let is_current =
        is_of_this_leadership && memory.mono().since(check.asked_at) < memory.rules.loop_wait;
    let mine = standby.position();
    is_current.then(|| memory.judged(mine, rejoin::relate(mine, &check.identity)))
}

/// The timeline that the leader says its primary is on.
fn leader_timeline(memory: &Memory) -> Option<Timeline> {
    let view = memory.view.as_ref()?;
    let leader = view.members.get(&view.leader.as_ref()?.name)?;
    leader.timeline.filter(|_| leader.is_primary())
}

/// Whether the stopped server is on the leader's timeline, as far as its last checkpoint tells.
pub(crate) fn kin(memory: &Memory) -> Kin {
    let own = memory.own_timeline();
    let is_same = own.is_some() && own == leader_timeline(memory);
    if is_same || memory.breaks(Mutant::FollowsUncompared) {
        Kin::Same
    } else {
        Kin::Other
    }
}
