//! How far a copy is behind the published position, as far as the store and the copy itself tell.

use herdsman_ha_core::schema::key;
use herdsman_ha_core::{Lsn, Timeline};
use serde_json::Value;

use crate::pg::Files;
use crate::world::World;

/// In bytes.
pub(super) fn behind(world: &World, files: &Files) -> u64 {
    if is_of_an_earlier_line(world, world.tree.timeline(files.wal)) {
        return 0;
    }
    let status = world.store.json(key::STATUS);
    let published = Lsn(status["optime"].as_u64().unwrap_or(0));
    published.bytes_after(shared(world, files)).0
}

/// Whether what is published was so before the last leadership was taken, which began this timeline.
fn is_of_an_earlier_line(world: &World, timeline: Timeline) -> bool {
    let record = world.store.json(key::LEADERSHIP);
    let begun = record["timeline"].as_u64();
    let is_begun = record["promotion"] == true && begun == Some(timeline.0.into());
    let changed = |key| world.store.entry(key).map(|entry| entry.modified);
    is_begun && changed(key::STATUS) < changed(key::LEADERSHIP)
}

/// Up to where it counts: on a timeline that the cluster has left, up to its end there; on one that
/// no leadership used, or of which nothing is told and the last leader came from a later one, for
/// nothing; on a later one, for what it has of the cluster's before, and for
/// all of it when it has all of that.
fn shared(world: &World, files: &Files) -> Lsn {
    let history = world.store.json(key::HISTORY);
    let lines = history.as_array().map(Vec::as_slice).unwrap_or_default();
    let end = files.wal.end;
    let number = |line: &Value| {
        line[0]
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
    };
    let newest = world.tree.timeline(files.wal);
    let led_from = world.store.json(key::LEADERSHIP)["from_timeline"].as_u64();
    let is_before_the_last = led_from.is_some_and(|from| u64::from(newest.0) < from);
    let Some(last) = lines.last().and_then(number).map(Timeline) else {
        return if is_before_the_last { Lsn(0) } else { end };
    };
    let own = world.tree.history(files.wal.branch);
    let own = |timeline| match timeline == newest {
        true => Some(end),
        false => own.iter().find(|one| one.0 == timeline).map(|one| one.1),
    };
    let real = || {
        let lines = lines.iter();
        let real = lines.filter(|line| line[2] != "no leadership used this number");
        real.filter_map(|line| Some((Timeline(number(line)?), Lsn(line[1].as_u64()?))))
    };
    let is_left = newest <= last || is_before_the_last;
    if is_left && !real().any(|(timeline, _)| timeline == newest) {
        return Lsn(0);
    }
    let mut common = Lsn(0);
    for (timeline, switch) in real() {
        match own(timeline) {
            Some(left) if left == switch => common = left,
            Some(left) => return left.min(switch),
            None => return common,
        }
    }
    if newest <= last {
        return common;
    }
    own(last.next()).map_or(common, |_| end)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::*;
    use super::*;
    use crate::run::Run;

    fn behind_of(run: &Run, node: crate::ids::Node) -> u64 {
        behind(
            &run.world,
            run.world.host(node).server.files().expect("data"),
        )
    }

    fn put(run: &mut Run, key: &str, value: &Value) {
        let now = run.world.now;
        run.world
            .store
            .put_unguarded(key, &value.to_string(), None, now);
    }

    /// `b` was promoted to timeline 2 without a row that `a` has published.
    fn parted() -> Run {
        let mut run = settled();
        deafen(&mut run, B);
        write(&mut run);
        publish_end_of(&mut run, A);
        make_primary(&mut run, B);
        run
    }

    #[test]
    fn what_the_history_does_not_tell_of_counts_as_bytes() {
        let mut run = parted();
        let published = run.world.host(A).server.wal().expect("data").end;
        let end = run.world.host(B).server.wal().expect("data").end;
        assert_eq!(behind_of(&run, B), published.bytes_after(end).0);
        assert_eq!(behind_of(&run, A), 0);
        // The cluster has gone on where `a` is, and `b` left that line earlier.
        let line = json!([[1, published.0, "no recovery target specified"]]);
        put(&mut run, key::HISTORY, &line);
        let left = run
            .world
            .tree
            .history(run.world.host(B).server.wal().expect("data").branch)[0]
            .1;
        assert_eq!(behind_of(&run, B), published.bytes_after(left).0);
        assert_eq!(behind_of(&run, A), 0);
    }

    #[test]
    fn what_was_published_before_a_timeline_was_begun_says_nothing_about_it() {
        let mut run = parted();
        let record = json!({"owner": "b", "from_timeline": 1, "timeline": 2, "promotion": true});
        put(&mut run, key::LEADERSHIP, &record);
        assert_eq!(behind_of(&run, B), 0);
        publish_end_of(&mut run, A);
        assert_ne!(behind_of(&run, B), 0);
    }
}
