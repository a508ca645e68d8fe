//! How a standby stands to its leader, and whether it may be pointed there.
//!
//! Histories are compared before PostgreSQL hears of the leader. A standby that asks a server on a
//! newer timeline for WAL takes that timeline's history file first; if its own WAL goes beyond the
//! fork it is refused, but its next start believes to be on the new timeline and looks healthy.

use core::time::Duration;

use super::words::{Kin, Link, Way};
use crate::cascade;
use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::rejoin::{self, Relation};
use crate::remote;
use crate::value::Timeline;
use crate::view::{DataView, StandbyView};

/// How long a standby may be up without streaming before its history is compared.
const QUIET: Duration = Duration::from_millis(500);

/// How long a standby must have been up without streaming before its data is replaced.
const STEADY: Duration = Duration::from_millis(1500);

/// How long a standby must have replayed nothing before WAL that it misses counts as gone: an
/// archive may still give it, one segment after the other.
const STALL: Duration = Duration::from_secs(15);

/// How the running standby stands to the leader.
pub(crate) fn link(memory: &Memory, standby: &StandbyView) -> Link {
    let wanted = crate::plan::upstream_address(memory);
    let has_leader = memory
        .view
        .as_ref()
        .is_some_and(|view| view.leader.is_some());
    if !has_leader {
        return Link::Quiet;
    }
    if let Some(link) = cascade::link(memory, standby) {
        return link;
    }
    if let Some(("", _)) = wanted {
        // An archive: nobody can be asked who he is, or is seen to send anything.
        let is_told = memory.followed == crate::plan::upstream(memory);
        return if is_told {
            Link::Streaming
        } else {
            Link::Astray
        };
    }
    if wanted.is_some() && standby.upstream() != wanted {
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
        Some(Relation::Ancestor) if is_starved(memory) => Link::Starved,
        Some(Relation::Ancestor | Relation::Unknown) => Link::Quiet,
        Some(Relation::Diverged { .. }) => diverged(memory, standby),
    }
}

/// The leader lacks the WAL that our standby needs next, and nothing else gives it.
fn is_starved(memory: &Memory) -> bool {
    let is_missing = memory
        .identity
        .as_ref()
        .is_some_and(|check| check.identity.missing_wal.is_some());
    let is_stalled = memory
        .stalled_since
        .is_some_and(|since| memory.mono().since(since) >= STALL);
    is_missing && is_stalled && crate::plan::witness(memory).is_some()
}

/// How data that a rewind left unfinished stands to the leader: only whether it has proven itself.
pub(crate) fn wreck_link(memory: &Memory) -> Link {
    if crate::plan::upstream(memory).is_none() {
        return Link::Quiet;
    }
    if !is_identity_current(memory) {
        return Link::Suspect;
    }
    if crate::plan::witness(memory).is_some() {
        Link::Diverged
    } else {
        Link::DivergedUnproven
    }
}

/// How data that cannot follow the leader as it is may come back.
pub(crate) fn way(memory: &Memory, link: Link) -> Way {
    let rules = memory.rejoin_rules();
    // Nothing is copied anew by itself in a standby cluster.
    let is_standby_cluster = remote::is_followed(memory);
    let copy_if = |is_permitted| match is_permitted && !is_standby_cluster {
        true => Way::Copy,
        false => Way::Barred,
    };
    let Some(local) = &memory.local else {
        return Way::Barred;
    };
    let control = match &local.data {
        DataView::Cluster(control) => control,
        DataView::Wreck(_) => {
            return copy_if(rules.replaces_on_failure || rules.replaces_on_divergence);
        }
        DataView::Empty | DataView::Leftover | DataView::Unusable(_) => return Way::Barred,
    };
    if link == Link::Starved {
        return copy_if(rules.replaces_on_missing_wal);
    }
    let leadership = memory
        .view
        .as_ref()
        .and_then(|view| view.leader.as_ref())
        .map(|leader| leader.generation);
    let is_refused = memory
        .rewind_refused
        .as_ref()
        .is_some_and(|(generation, _)| Some(*generation) == leadership);
    // What a rewind has not helped once it will not help again.
    let is_in_vain = leadership.is_some() && memory.rewound_for == leadership;
    let is_failed = rules.rewinds && (is_refused || is_in_vain);
    if !rules.rewinds || !control.is_rewindable || is_failed {
        return copy_if(rules.replaces_on_divergence || (is_failed && rules.replaces_on_failure));
    }
    if memory.work.must_wait("rewind", memory.mono()) {
        Way::Again
    } else if is_checkpoint_to_come(memory) {
        Way::Soon
    } else {
        Way::Rewind
    }
}

/// Whether the leader says that it has not written a checkpoint since its promotion.
fn is_checkpoint_to_come(memory: &Memory) -> bool {
    if remote::is_followed(memory) {
        // The source tells nothing here: it is asked when the rewind begins.
        return false;
    }
    let said = memory.view.as_ref().and_then(|view| {
        let leader = view.members.get(&view.leader.as_ref()?.name)?;
        leader.checkpoint_after_promote
    });
    said == Some(false)
}

/// A standby that is pointed elsewhere, or nowhere.
fn astray(memory: &Memory, standby: &StandbyView) -> Link {
    // In a standby cluster the numbers of timelines are another cluster's.
    let is_known_line =
        leader_timeline(memory) == Some(standby.timeline) && !remote::is_followed(memory);
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
    // Whoever makes a cluster follow another one says which of the two counts.
    let is_newer = theirs.is_some_and(|theirs| standby.timeline > theirs);
    if is_newer && !remote::is_followed(memory) {
        return Link::Newer;
    }
    // A walreceiver that was just told a new upstream needs a moment: data is not given up for a
    // standby that is about to stream. One that is pointed at nobody has none.
    if standby.upstream.is_some() && quiet_for(memory) < STEADY {
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
    let check = memory.identity.as_ref()?;
    let mine = standby.position();
    is_identity_current(memory).then(|| memory.judged(mine, rejoin::relate(mine, &check.identity)))
}

/// Whether the present leader's server was asked under its leadership, not long ago.
fn is_identity_current(memory: &Memory) -> bool {
    let leader = memory.view.as_ref().and_then(|view| view.leader.as_ref());
    let (Some(leader), Some(check)) = (leader, &memory.identity) else {
        return false;
    };
    let opposite = crate::plan::opposite(memory).map(|opposite| opposite.name);
    if opposite.as_ref() != Some(&check.server)
        && !memory.breaks(Mutant::IdentityOfEarlierLeadership)
    {
        return false;
    }
    let is_of_this_leadership =
        check.generation == leader.generation || memory.breaks(Mutant::IdentityOfEarlierLeadership);
    is_of_this_leadership && memory.mono().since(check.asked_at) < memory.rules.loop_wait
}

/// The timeline that the leader says its primary is on.
fn leader_timeline(memory: &Memory) -> Option<Timeline> {
    cascade::leader_timeline(memory.view.as_ref()?)
}

/// Whether the stopped server is on the leader's timeline, as far as its last checkpoint tells.
pub(crate) fn kin(memory: &Memory) -> Kin {
    let own = memory.own_timeline();
    let is_same = own.is_some() && own == leader_timeline(memory) && !remote::is_followed(memory);
    let leader = memory.view.as_ref().and_then(|view| view.leader.as_ref());
    // A rewind has compared the histories, and ends with data that is the leader's.
    let is_rewound = leader.is_some_and(|leader| memory.rewound_for == Some(leader.generation));
    if is_same || is_rewound || memory.breaks(Mutant::FollowsUncompared) {
        Kin::Same
    } else {
        Kin::Other
    }
}
