//! Whom a standby streams from: the leader, or the member that its tag `replicatefrom` names.
//!
//! A standby ahead of the member that it asks for WAL would take that member's next timeline for its
//! own, whether or not its WAL fits. It is therefore pointed at another standby only when that one
//! has been asked and has everything that it has itself, and receives nothing meanwhile.
//!
//! In a standby cluster the numbers of timelines are another cluster's, and a copy from before can
//! have one of the same number. There a standby is moved only after it has streamed from the leader,
//! for which its history was compared with the source's.

use core::time::Duration;

use crate::memory::Memory;
use crate::mutant::{Broken, Mutant};
use crate::plan;
use crate::remote;
use crate::situation::Link;
use crate::tags::Tags;
use crate::task::Upstream;
use crate::time::Mono;
use crate::value::{Bytes, Generation, MemberName, Timeline};
use crate::view::{ClusterView, MemberView, ServerIdentity, StandbyView};

/// How long a standby waits for the WAL of the member that it should stream from before it returns
/// to the leader. PostgreSQL asks a silent upstream again every five seconds.
const PATIENCE: Duration = Duration::from_secs(12);

/// How long a member that gave nothing is left alone.
const RETRY: Duration = Duration::from_secs(60);

/// How soon a member that is a little behind is asked again.
const AGAIN: Duration = Duration::from_millis(400);

/// Nobody stops receiving for a member that is further behind than this: what is on its way at any
/// moment.
const NEAR: Bytes = Bytes(16 << 20);

/// What is remembered about the member that our standby should stream from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cascade {
    /// What its server said last.
    check: Option<Check>,
    /// Who gave nothing, and since when it is left alone.
    given_up: Option<(MemberName, Mono)>,
    /// Under which leadership our standby has streamed from the leader, and on which timeline.
    streamed: Option<(Generation, Timeline)>,
}

#[derive(Clone, Debug)]
struct Check {
    name: MemberName,
    generation: Generation,
    asked_at: Mono,
    identity: ServerIdentity,
}

/// The member that a member's tag names; none: it names none, itself, nobody who is registered, or
/// one that takes its WAL from it.
pub(crate) fn named<'a>(
    view: &'a ClusterView,
    name: &MemberName,
    tags: &Tags,
) -> Option<&'a MemberName> {
    let first = next(view, tags)?;
    let mut upstream = first;
    // A chain is no longer than there are members; one that never ends is another member's trouble.
    for _ in 0..=view.members.len() {
        if upstream == name {
            return None;
        }
        match next(view, &view.members.get(upstream)?.tags) {
            Some(above) => upstream = above,
            None => break,
        }
    }
    Some(first)
}

/// Whether a member takes its WAL from another one, directly or through others, by their tags.
pub(crate) fn is_above(view: &ClusterView, upstream: &MemberName, name: &MemberName) -> bool {
    let mut at = name;
    for _ in 0..=view.members.len() {
        let above = view
            .members
            .get(at)
            .and_then(|member| next(view, &member.tags));
        match above {
            Some(above) if above == upstream => return above != name,
            Some(above) => at = above,
            None => return false,
        }
    }
    false
}

fn next<'a>(view: &'a ClusterView, tags: &Tags) -> Option<&'a MemberName> {
    if tags.is_nostream() {
        return None;
    }
    let named = tags.replicatefrom()?;
    view.members.get_key_value(named).map(|(name, _)| name)
}

/// The standby that serves a member with WAL in the leader's place, as far as the view tells.
pub(crate) fn relay<'a>(
    view: &'a ClusterView,
    name: &MemberName,
    tags: &Tags,
) -> Option<&'a MemberName> {
    named(view, name, tags).filter(|upstream| offers_itself(view, upstream, Broken::default()))
}

fn offers_itself(view: &ClusterView, upstream: &MemberName, broken: Broken) -> bool {
    let (Some(leader), Some(timeline)) = (&view.leader, led_timeline(view)) else {
        return false;
    };
    let member = view.members.get(upstream);
    *upstream != leader.name && member.is_some_and(|member| relays(member, timeline, broken))
}

fn relays(member: &MemberView, timeline: Timeline, broken: Broken) -> bool {
    let is_streaming = member.replication_state.as_deref() == Some("streaming");
    let is_led = member.timeline == Some(timeline);
    member.state == "running"
        && !member.is_primary()
        && (is_streaming || broken.breaks(Mutant::RelayNeedNotStream))
        && (is_led || broken.breaks(Mutant::RelayOfAnotherTimeline))
        && member.endpoint.is_some()
}

/// The timeline that the leader says its primary is on.
pub(crate) fn leader_timeline(view: &ClusterView) -> Option<Timeline> {
    timeline_of_leader(view, MemberView::is_primary)
}

/// The timeline that the leader says its server is on, whichever cluster's it is.
fn led_timeline(view: &ClusterView) -> Option<Timeline> {
    timeline_of_leader(view, |leader| {
        leader.is_primary() || leader.is_standby_leader()
    })
}

fn timeline_of_leader(view: &ClusterView, leads: impl Fn(&MemberView) -> bool) -> Option<Timeline> {
    let leader = view.members.get(&view.leader.as_ref()?.name)?;
    leader.timeline.filter(|_| leads(leader))
}

/// Whether our standby is on the line that is led.
fn is_on_line(memory: &Memory, view: &ClusterView, standby: &StandbyView) -> bool {
    let timeline = Some(standby.timeline);
    if memory.breaks(Mutant::RelayOfAnotherTimeline) {
        return true;
    }
    if !remote::is_followed(memory) {
        return leader_timeline(view) == timeline;
    }
    let here = view
        .leader
        .as_ref()
        .map(|leader| (leader.generation, standby.timeline));
    led_timeline(view) == timeline && memory.cascade.streamed == here
}

/// The standby that offers itself to ours: on the timeline that the leader is on, and so is ours.
fn offered<'a>(memory: &'a Memory, standby: &StandbyView) -> Option<&'a MemberName> {
    let view = memory.view.as_ref()?;
    let is_led_by_another = view
        .leader
        .as_ref()
        .is_some_and(|leader| leader.name != *memory.me());
    if !is_led_by_another || !is_on_line(memory, view, standby) {
        return None;
    }
    let (me, tags) = (memory.me(), &memory.settings.tags);
    let named = match memory.breaks(Mutant::RingOfRelays) {
        true => next(view, tags).filter(|upstream| *upstream != me),
        false => named(view, me, tags),
    };
    named.filter(|upstream| offers_itself(view, upstream, Broken::of(&memory.boot)))
}

/// The standby that ours should stream from; none: the leader.
fn source(memory: &Memory, standby: &StandbyView) -> Option<Upstream> {
    let name = offered(memory, standby)?;
    let is_given_up = memory
        .cascade
        .given_up
        .as_ref()
        .is_some_and(|(who, _)| who == name);
    if is_given_up {
        return None;
    }
    plan::member_as_upstream(memory, name)
}

/// How our standby stands to the member that it should stream from; none: to the leader.
pub(crate) fn link(memory: &Memory, standby: &StandbyView) -> Option<Link> {
    let source = source(memory, standby)?;
    let check = current_check(memory, &source.name);
    let Some(attached) = &standby.upstream else {
        // It stands still: whoever has its end has all of it.
        return Some(match check {
            _ if !standby.wal_end_reached => Link::Quiet,
            Some(check) if check.has(standby, memory) => Link::Astray,
            Some(check) if memory.mono().since(check.asked_at) < AGAIN => Link::Quiet,
            Some(_) | None => Link::Offered,
        });
    };
    if *attached == (source.host, source.port) {
        return Some(match standby.is_streaming {
            true => Link::Streaming,
            false => Link::Quiet,
        });
    }
    if !standby.wal_end_reached {
        return None;
    }
    match check {
        None => Some(Link::Offered),
        Some(check) if check.is_near(standby, memory) => {
            let is_moved_at_once = memory.breaks(Mutant::MovesWhileReceiving);
            Some(match is_moved_at_once {
                true => Link::Astray,
                false => Link::Rerouted,
            })
        }
        Some(_) => None,
    }
}

/// The member that our standby streams from or is about to, when that is not the leader.
pub(crate) fn followed(memory: &Memory) -> Option<Upstream> {
    let standby = memory.standby()?;
    match link(memory, standby)? {
        Link::Streaming | Link::Quiet | Link::Astray | Link::Offered | Link::Rerouted => {
            source(memory, standby)
        }
        Link::Attached
        | Link::Suspect
        | Link::Diverged
        | Link::DivergedUnproven
        | Link::Newer
        | Link::Starved => None,
    }
}

/// The member whose server is to be asked how far it is.
pub(crate) fn asked(memory: &Memory) -> Option<Upstream> {
    let standby = memory.standby()?;
    let is_offered = link(memory, standby) == Some(Link::Offered);
    source(memory, standby).filter(|_| is_offered)
}

/// The answer of a member's server that was asked under the present leadership.
fn current_check<'a>(memory: &'a Memory, name: &MemberName) -> Option<&'a Check> {
    let leader = memory.view.as_ref()?.leader.as_ref()?;
    memory.cascade.check.as_ref().filter(|check| {
        check.name == *name
            && check.generation == leader.generation
            && memory.mono().since(check.asked_at) < memory.rules.loop_wait
    })
}

impl Check {
    /// Whether its server has all WAL of ours.
    fn has(&self, standby: &StandbyView, memory: &Memory) -> bool {
        let has_all = self.behind(standby) == Bytes(0);
        self.is_relay(standby, memory) && (has_all || memory.breaks(Mutant::RelayUnmeasured))
    }

    /// Whether it is about to have it.
    fn is_near(&self, standby: &StandbyView, memory: &Memory) -> bool {
        self.is_relay(standby, memory) && self.behind(standby) <= NEAR
    }

    /// Whether its server is a standby on our timeline that has what we need next.
    fn is_relay(&self, standby: &StandbyView, memory: &Memory) -> bool {
        let is_ours = self.identity.position.timeline == standby.timeline;
        !self.identity.is_primary
            && (is_ours || memory.breaks(Mutant::RelayOfAnotherTimeline))
            && self.identity.missing_wal.is_none()
    }

    fn behind(&self, standby: &StandbyView) -> Bytes {
        let mine = standby.position().lsn;
        mine.bytes_after(self.identity.position.lsn)
    }
}

/// Takes the answer of a member's server in.
pub(crate) fn note_answer(
    memory: &mut Memory,
    name: &MemberName,
    asked_at: Mono,
    identity: &ServerIdentity,
) {
    let Some((generation, since)) = memory.leader_since else {
        return;
    };
    let is_same_cluster = crate::explain::own_system_id(memory) == Some(identity.system_id);
    if asked_at >= since && is_same_cluster {
        memory.cascade.check = Some(Check {
            name: name.clone(),
            generation,
            asked_at,
            identity: identity.clone(),
        });
    }
}

/// Who gave nothing for a while is left alone for a longer one, unless it was away meanwhile.
pub(crate) fn note(memory: &mut Memory) {
    if memory.settings.tags.replicatefrom().is_none() {
        return;
    }
    note_streaming(memory);
    let now = memory.mono();
    let found = memory.standby().and_then(|standby| {
        let name = offered(memory, standby)?;
        let address = plan::member_address(memory, name);
        let is_meant = standby.upstream.is_none() || standby.upstream() == address;
        Some((name.clone(), is_meant))
    });
    let is_over = memory.cascade.given_up.as_ref().is_some_and(|(who, at)| {
        let is_offered = found.as_ref().is_some_and(|(name, _)| name == who);
        !is_offered || now.since(*at) >= RETRY
    });
    if is_over {
        memory.cascade.given_up = None;
        // A standby that still waits gets its time anew.
        return;
    }
    let is_in_vain = memory
        .idle_since
        .is_some_and(|since| now.since(since) >= PATIENCE);
    if let Some((name, true)) = found
        && is_in_vain
        && !memory.breaks(Mutant::RelayNeverLeft)
    {
        memory.cascade.given_up.get_or_insert((name, now));
    }
}

/// Whoever streams from the leader is on its line, under this leadership.
fn note_streaming(memory: &mut Memory) {
    let leader = memory.view.as_ref().and_then(|view| view.leader.as_ref());
    let (Some(leader), Some(standby)) = (leader, memory.standby()) else {
        return;
    };
    let address = plan::member_address(memory, &leader.name);
    if standby.is_streaming && address.is_some() && standby.upstream() == address {
        memory.cascade.streamed = Some((leader.generation, standby.timeline));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::sync::Arc;
    use serde_json::{Map, json};

    /// Members by whom they should stream from.
    fn view(pairs: &[(&str, &str)]) -> ClusterView {
        let mut view = ClusterView::default();
        for (name, source) in pairs {
            let mut tags = Map::new();
            tags.insert("replicatefrom".to_owned(), json!(source));
            let member = MemberView {
                tags: Tags::read(&tags),
                ..MemberView::default()
            };
            view.members
                .insert(MemberName::from(*name), Arc::new(member));
        }
        view
    }

    #[test]
    fn whoever_wal_passes_through_is_above() {
        let view = view(&[
            ("c", "b"),
            ("b", "a"),
            ("a", "nobody"),
            ("x", "y"),
            ("y", "x"),
        ]);
        let above = |upstream: &str, name: &str| {
            is_above(&view, &MemberName::from(upstream), &MemberName::from(name))
        };
        assert!(above("b", "c") && above("a", "c") && above("a", "b"));
        assert!(!above("c", "b") && !above("nobody", "a") && !above("c", "c"));
        // A ring gives nobody WAL, and its end is found all the same.
        assert!(above("y", "x") && !above("x", "x") && !above("a", "x"));
    }
}
