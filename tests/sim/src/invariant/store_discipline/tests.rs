//! What members may do to the store, and each way in which they may not.

use herdsman_ha_core::{Revision, StoreWrite};

use super::super::fixture::*;
use super::*;
use crate::run::Run;

const HELD: KeyState = KeyState::HeldBySession;

fn put(key: &str, value: &str) -> Vec<StoreWrite> {
    vec![StoreWrite::Put {
        key: key.to_owned(),
        value: value.to_owned(),
    }]
}

fn bound(key: &str, value: &str) -> Vec<StoreWrite> {
    vec![StoreWrite::PutBound {
        key: key.to_owned(),
        value: value.to_owned(),
    }]
}

fn seen(run: &Run, key: &str) -> KeyState {
    let modified = run
        .world
        .store
        .entry(key)
        .map(|entry| Revision(entry.modified));
    KeyState::seen(modified)
}

fn leaders() -> (Run, SessionName) {
    let run = settled();
    let session = leading_session(&run);
    (run, session)
}

#[test]
fn whoever_takes_the_leadership_demands_all_that_it_judged() {
    let rests = [
        key::FAILOVER,
        key::SYNC,
        key::LEADERSHIP,
        key::INITIALIZE,
        key::FAILSAFE,
    ];
    for left_out in [
        None,
        Some(key::LEADERSHIP),
        Some(key::SYNC),
        Some(key::FAILSAFE),
    ] {
        let (mut run, _) = leaders();
        kill(&mut run, A);
        let now = run.world.now;
        run.world.store.delete_unguarded(key::LEADER, now);
        let session = session_of(&mut run, B);
        let mut guards = vec![(key::LEADER, KeyState::Absent)];
        for rest in rests {
            if Some(rest) != left_out {
                guards.push((rest, seen(&run, rest)));
            }
        }
        let writes = bound(key::LEADER, "b");
        commit(&mut run, Purpose::Acquire, Some(&session), &guards, writes);
        let expected = left_out.map(|_| NAME);
        assert_eq!(violated(&mut run), expected, "{left_out:?}");
    }
}

#[test]
fn the_leader_key_is_not_taken_from_its_holder() {
    let (mut run, _) = leaders();
    let session = session_of(&mut run, B);
    let guards: Vec<_> = [
        key::FAILOVER,
        key::SYNC,
        key::LEADERSHIP,
        key::INITIALIZE,
        key::FAILSAFE,
    ]
    .map(|key| (key, seen(&run, key)))
    .into();
    let writes = bound(key::LEADER, "b");
    commit(&mut run, Purpose::Acquire, Some(&session), &guards, writes);
    assert_violates(&mut run, NAME);
}

#[test]
fn a_leadership_is_resumed_only_as_it_was_seen() {
    for is_guarded in [true, false] {
        let (mut run, _) = leaders();
        let guard = (key::LEADER, seen(&run, key::LEADER));
        let other = (key::INITIALIZE, seen(&run, key::INITIALIZE));
        let guards = if is_guarded { [guard] } else { [other] };
        let session = session_of(&mut run, A);
        let writes = bound(key::LEADER, "a");
        commit(&mut run, Purpose::Resume, Some(&session), &guards, writes);
        let expected = (!is_guarded).then_some(NAME);
        assert_eq!(violated(&mut run), expected);
    }
}

#[test]
fn what_only_a_leader_may_write_demands_the_leader_key() {
    for (purpose, key) in [
        (Purpose::PublishStatus, key::STATUS),
        (Purpose::RestoreConfig, key::CONFIG),
        (Purpose::ClearMove, key::FAILOVER),
    ] {
        let (mut run, _) = leaders();
        let session = session_of(&mut run, B);
        let guards = [(key, seen(&run, key))];
        commit(&mut run, purpose, Some(&session), &guards, put(key, "{}"));
        assert_violates(&mut run, NAME);
    }
}

#[test]
fn the_leader_may_write_its_position() {
    let (mut run, session) = leaders();
    let guards = [(key::LEADER, HELD)];
    let writes = put(key::STATUS, r#"{"optime":1}"#);
    commit(
        &mut run,
        Purpose::PublishStatus,
        Some(&session),
        &guards,
        writes,
    );
    assert_eq!(violated(&mut run), None);
}

/// A store that was put back counts its revisions anew.
#[test]
fn a_revision_alone_does_not_tell_whose_leader_key_it_is() {
    let delete = |key: &str| StoreWrite::Delete {
        key: key.to_owned(),
    };
    for (purpose, key) in [
        (Purpose::Release, key::LEADER),
        (Purpose::PublishSync, key::SYNC),
    ] {
        for (is_held, expected) in [(true, None), (false, Some(NAME))] {
            let (mut run, session) = leaders();
            kill(&mut run, A);
            let now = run.world.now;
            run.world
                .store
                .put_unguarded(key::SYNC, r#"{"leader":"a"}"#, None, now);
            let mut guards = vec![
                (key::LEADER, seen(&run, key::LEADER)),
                (key::SYNC, seen(&run, key::SYNC)),
            ];
            guards.extend(is_held.then_some((key::LEADER, HELD)));
            let writes = vec![delete(key)];
            commit(&mut run, purpose, Some(&session), &guards, writes);
            assert_eq!(violated(&mut run), expected, "{key} {is_held}");
        }
    }
}

#[test]
fn a_member_writes_its_own_key_and_no_other() {
    for (member, expected) in [("members/b", None), ("members/c", Some(NAME))] {
        let (mut run, _) = leaders();
        let session = session_of(&mut run, B);
        let writes = bound(member, "{}");
        commit(
            &mut run,
            Purpose::PublishMember,
            Some(&session),
            &[],
            writes,
        );
        assert_eq!(violated(&mut run), expected, "{member}");
    }
}

#[test]
fn nobody_writes_the_synchronous_members() {
    let (mut run, session) = leaders();
    let guards = [(key::LEADER, HELD)];
    let writes = put(key::SYNC, "{}");
    commit(
        &mut run,
        Purpose::PublishStatus,
        Some(&session),
        &guards,
        writes,
    );
    assert_violates(&mut run, NAME);
}

fn entry(value: &str) -> Entry {
    Entry {
        value: value.into(),
        created: 1,
        modified: 1,
        session: None,
    }
}

fn follows(before: &str, after: &str) -> bool {
    grows(Some(&entry(before)), Some(&entry(after)))
}

#[test]
fn a_history_keeps_its_lines_up_to_those_cut_off_its_beginning() {
    assert!(follows("[]", r#"[[1,100,"r"]]"#));
    assert!(follows(
        r#"[[1,100,"r"]]"#,
        r#"[[1,100,"r","t"],[2,200,"r"]]"#
    ));
    assert!(follows("[[1,100],[2,200]]", "[[2,200],[3,300]]"));
    assert!(!follows("[[1,100],[2,200]]", "[[1,100]]"));
    assert!(!follows("[[1,100]]", "[]"));
    assert!(!follows("[[1,100],[2,200]]", "[[1,100],[3,300]]"));
}

#[test]
fn a_line_is_replaced_only_by_a_leader_with_a_higher_number() {
    assert!(follows("[[1,100],[2,200]]", "[[1,90],[4,300]]"));
    assert!(!follows("[[1,100],[2,200]]", "[[1,100],[2,190]]"));
}

#[test]
fn a_number_that_nobody_used_may_be_left_out() {
    assert!(follows("[[1,100],[2,100]]", "[[1,100],[3,300]]"));
}

#[test]
fn a_history_that_goes_back_is_told() {
    let (mut run, session) = leaders();
    let now = run.world.now;
    let lines = "[[1,50331648,\"r\"],[2,50331900,\"r\"]]";
    run.world
        .store
        .put_unguarded(key::HISTORY, lines, None, now);
    let own = vec![(
        herdsman_ha_core::Timeline(1),
        herdsman_ha_core::Lsn(9),
        "r".to_owned(),
    )];
    let leader = "a".into();
    let seen = KeyState::seen(run.world.store.view().history.revision);
    let end = run
        .world
        .store
        .publish_history(&session, (&[], seen), &own, &leader, 0, now);
    assert!(matches!(end, crate::store::CommitEnd::Applied(_)));
    tell_changes(&mut run);
    assert_violates(&mut run, NAME);
}
