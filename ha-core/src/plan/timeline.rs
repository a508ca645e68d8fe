//! Numbers of timelines: which are taken, and which one a promotion begins.

use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::value::Timeline;
use crate::view::ServerView;

/// The number of the next timeline. A cluster that followed another one leaves a number out: the
/// other one may begin the next at any time, and two timelines of one number could not be told apart.
pub(super) fn next_timeline(memory: &Memory) -> Timeline {
    let next = highest_timeline(memory).next();
    if memory.has_followed {
        next.next()
    } else {
        next
    }
}

/// The highest number that a timeline of this cluster can have so far, as far as the store and this
/// member know. A commit that goes beyond it is guarded by the record that it was taken from.
pub(super) fn highest_timeline(memory: &Memory) -> Timeline {
    if memory.breaks(Mutant::NumbersUnreserved) {
        return memory.own_timeline().unwrap_or(Timeline(1));
    }
    let own = memory
        .server()
        .and_then(ServerView::position)
        .map(|position| position.timeline);
    let view = memory.view.as_ref();
    let record = view.and_then(|view| view.leadership.value.as_ref());
    let published = view
        .into_iter()
        .flat_map(|view| view.members.values())
        .filter_map(|member| member.timeline);
    let told = memory
        .evidence
        .iter()
        .flat_map(|evidence| &evidence.reports)
        .filter_map(|report| report.answer.timeline());
    let known = own
        .into_iter()
        .chain(view.and_then(|view| view.timeline()))
        .chain(record.map(|record| record.timeline))
        .chain([memory.highest_timeline])
        .chain(published)
        .chain(memory.source_timeline)
        .chain(told);
    known.max().unwrap_or_default().max(Timeline(1))
}

/// The timeline that a promotion of our standby would begin, if our leadership reserved one that is
/// not begun yet.
pub(crate) fn reserved_timeline(memory: &Memory) -> Option<Timeline> {
    let record = memory.view.as_ref()?.leadership.value.as_ref()?;
    let is_ours = record.owner == *memory.me() && record.is_promotion;
    let own = memory.server()?.position()?.timeline;
    let begun = own.max(memory.promoted_to);
    Some(record.timeline).filter(|timeline| is_ours && *timeline > begun)
}
