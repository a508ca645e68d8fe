//! How much of our WAL is on the cluster's line, and how far that is from the published position.
//!
//! Two positions compare as bytes of one line. A member that was named by hand may have begun a
//! later timeline from an earlier one than the cluster was on: its number and its bytes say nothing
//! then about what it has of the published line. The history file of its own timeline does, next to
//! the published history.

use core::iter;

use crate::memory::Memory;
use crate::mutant::Mutant;
use crate::reason::Veto;
use crate::remote;
use crate::schema::write;
use crate::value::{Lsn, Timeline};
use crate::view::{ClusterView, StandbyView};

/// What lacks too much of the published line.
pub(crate) fn lag_veto(memory: &Memory, view: &ClusterView, standby: &StandbyView) -> Option<Veto> {
    let is_behind = |by| by > memory.rules.maximum_lag_on_failover;
    let is_ignored =
        memory.breaks(Mutant::LagLimitIgnored) || was_told_before(memory, view, standby);
    let by = view
        .status
        .value
        .optime
        .bytes_after(shared(memory, view, standby));
    if !is_behind(by) || is_ignored {
        return None;
    }
    let (mine, limit) = (standby.timeline, memory.rules.maximum_lag_on_failover);
    Some(match reached(memory, view) {
        // How much it is nobody knows: where this timeline was left is not told yet.
        Some(cluster) if mine < cluster && view.timeline() <= Some(mine) => {
            Veto::TimelineBehind { mine, cluster }
        }
        Some(_) | None => Veto::Lagging { by, limit },
    })
}

/// Whether we lack too much, and not because we are behind: our own end is beyond what we share
/// with the cluster. The others would wait for whoever is on a later timeline.
pub(crate) fn has_left(memory: &Memory, view: &ClusterView, standby: &StandbyView) -> bool {
    shared(memory, view, standby) < standby.position().lsn
        && lag_veto(memory, view, standby).is_some()
}

/// Whether the position was published before the leadership was taken that began our timeline: who
/// was promoted then has been found good enough, or named by hand. What was published of an earlier
/// line says nothing about this one.
fn was_told_before(memory: &Memory, view: &ClusterView, standby: &StandbyView) -> bool {
    if memory.breaks(Mutant::OlderLineMeasures) {
        return false;
    }
    let is_begun = view
        .leadership
        .value
        .as_ref()
        .is_some_and(|record| record.is_promotion && record.timeline == standby.timeline);
    is_begun && view.status.revision < view.leadership.revision
}

/// Up to where our WAL is on the cluster's line.
fn shared(memory: &Memory, view: &ClusterView, standby: &StandbyView) -> Lsn {
    let mine = standby.position();
    if remote::is_followed(memory) {
        // Its timelines are another cluster's, which the history here may not tell of yet.
        return mine.lsn;
    }
    let lines = || {
        let lines = view.history.value.iter();
        lines.filter(|line| !write::is_filler(line))
    };
    // What we have on an earlier timeline counts up to where that ended, and what the history does
    // not know counts for nothing.
    let by_number = if Some(mine.timeline) < reached(memory, view) {
        let ended = lines().find(|line| line.timeline == mine.timeline);
        ended.map_or(Lsn(0), |line| line.switch)
    } else {
        mine.lsn
    };
    let in_common = match view.timeline() {
        Some(present) if !memory.breaks(Mutant::OwnHistoryIgnored) => {
            let theirs = lines().map(|line| (line.timeline, Some(line.switch)));
            in_common(theirs.chain(iter::once((present, None))), standby)
        }
        Some(_) | None => mine.lsn,
    };
    by_number.min(in_common).min(mine.lsn)
}

/// The latest timeline that the cluster is known to have been on. Whoever led last came from one:
/// that may be later than those of the history, when the leaders before could not record theirs.
fn reached(memory: &Memory, view: &ClusterView) -> Option<Timeline> {
    let record = view.leadership.value.as_ref();
    let led_from = record.map(|record| record.from_timeline);
    let led_from = led_from.filter(|_| !memory.breaks(Mutant::UnrecordedTimelineIgnored));
    view.timeline().max(led_from)
}

/// Up to where two histories are one: ours, and that of the cluster, of which the last timeline has
/// no end yet. All of our WAL, when nothing tells where it comes from.
fn in_common(
    theirs: impl Iterator<Item = (Timeline, Option<Lsn>)> + Clone,
    standby: &StandbyView,
) -> Lsn {
    let mine = standby.position();
    if standby.history.is_empty() {
        return mine.lsn;
    }
    let own = standby.history.iter().copied();
    let own = own.chain(iter::once((mine.timeline, mine.lsn)));
    // What is published may begin late: it is cut off at a length.
    let oldest = theirs.clone().next().map_or(Timeline(0), |first| first.0);
    let is_older = |(timeline, _): &(Timeline, Lsn)| *timeline < oldest;
    let mut common = own
        .clone()
        .take_while(is_older)
        .last()
        .map_or(Lsn(0), |last| last.1);
    for ((ours, left), (their, ended)) in own.skip_while(is_older).zip(theirs) {
        if ours != their {
            break;
        }
        let Some(ended) = ended else {
            // Where we go on from there the history does not tell yet.
            return mine.lsn;
        };
        common = left.min(ended);
        if left != ended {
            break;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// What a standby with these ends shares with a cluster whose timelines ended there.
    fn common(own: &[(u32, u64)], cluster: &[(u32, u64)]) -> u64 {
        let line = |(timeline, end): &(u32, u64)| (Timeline(*timeline), Lsn(*end));
        let ((last, end), past) = own.split_last().expect("it is on some timeline");
        let standby = StandbyView {
            timeline: Timeline(*last),
            received: Lsn(*end),
            history: past.iter().map(line).collect::<Vec<_>>().into(),
            ..StandbyView::default()
        };
        let present = cluster.last().map_or(1, |(last, _)| last + 1);
        let theirs = cluster.iter().map(line);
        let theirs = theirs
            .map(|(timeline, end)| (timeline, Some(end)))
            .chain(iter::once((Timeline(present), None)));
        in_common(theirs, &standby).0
    }

    #[test]
    fn a_line_that_goes_on_from_the_clusters_counts_as_a_whole() {
        assert_eq!(common(&[(1, 100), (2, 150)], &[(1, 100)]), 150);
        assert_eq!(common(&[(1, 100), (2, 150), (3, 170)], &[(1, 100)]), 170);
    }

    #[test]
    fn a_line_that_left_an_earlier_timeline_counts_up_to_there() {
        let cluster = [(1, 100), (2, 200)];
        assert_eq!(common(&[(1, 100), (2, 150), (5, 300)], &cluster), 150);
        assert_eq!(common(&[(1, 100), (2, 250), (5, 300)], &cluster), 200);
        assert_eq!(common(&[(1, 90), (5, 300)], &cluster), 90);
        assert_eq!(common(&[(1, 100), (4, 120), (5, 300)], &cluster), 100);
    }

    #[test]
    fn an_end_on_a_timeline_that_the_cluster_left_counts_up_to_there() {
        let cluster = [(1, 100), (2, 200)];
        assert_eq!(common(&[(1, 100), (2, 150)], &cluster), 150);
        assert_eq!(common(&[(1, 100), (2, 250)], &cluster), 200);
    }

    #[test]
    fn a_history_that_was_cut_off_at_its_begin_is_compared_from_there() {
        let cluster = [(4, 400), (5, 500)];
        let own = [(1, 100), (4, 400), (5, 500), (6, 650)];
        assert_eq!(common(&own, &cluster), 650);
        assert_eq!(common(&[(1, 100), (2, 200), (7, 300)], &cluster), 200);
    }

    #[test]
    fn without_a_history_of_its_own_nothing_is_known() {
        assert_eq!(common(&[(7, 300)], &[(1, 100)]), 300);
    }
}
