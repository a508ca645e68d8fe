//! Forms of small things, and what a blend of them tells apart.

use herdsman_ha_core::{Mono, OpId, Revision};

use super::*;

#[derive(Debug)]
#[expect(dead_code, reason = "read through Debug alone")]
struct Thing {
    name: &'static str,
    since: Option<Mono>,
    journal: Vec<(u64, &'static str)>,
    seen: Revision,
    op: OpId,
    last_op: u64,
    count: u32,
}

fn thing() -> Thing {
    Thing {
        name: "a \"quoted\" name, with journal: { and Mono(7)",
        since: Some(Mono(5_000)),
        journal: vec![(1, "brackets ) } ] inside"), (2, "\\")],
        seen: Revision(40),
        op: OpId(9),
        last_op: 12,
        count: 3,
    }
}

fn blend(now: u64, thing: &Thing) -> u128 {
    let form = Form::of(thing);
    let mut blend = Blend::new(now);
    blend.know_revisions(form.revisions());
    blend.rank_revisions();
    blend.begin_ops(form.ops().iter().copied());
    blend.form(&form);
    blend.end()
}

#[test]
fn instants_and_numbers_are_taken_out_and_nothing_that_looks_like_them() {
    let form = Form::of(&thing());
    assert_eq!(&*form.times, [5_000]);
    assert_eq!(&*form.revisions, [40]);
    assert_eq!(&*form.ops, [9]);
}

#[test]
fn the_same_thing_later_and_numbered_otherwise_blends_alike() {
    let later = Thing {
        since: Some(Mono(6_000)),
        journal: Vec::new(),
        seen: Revision(77),
        op: OpId(10),
        last_op: 30,
        ..thing()
    };
    assert_eq!(blend(5_100, &thing()), blend(6_100, &later));
    assert_ne!(Form::of(&thing()).exact(), Form::of(&later).exact());
}

#[test]
fn whatever_else_differs_tells_two_things_apart() {
    let whole = blend(5_100, &thing());
    let others = [
        Thing {
            since: None,
            ..thing()
        },
        Thing {
            since: Some(Mono(0)),
            ..thing()
        },
        Thing {
            since: Some(Mono(5_001)),
            ..thing()
        },
        Thing {
            count: 4,
            ..thing()
        },
        Thing {
            name: "b",
            ..thing()
        },
    ];
    for other in &others {
        assert_ne!(blend(5_100, other), whole, "{other:?}");
    }
    assert_ne!(blend(5_101, &thing()), whole);
}

#[test]
fn what_comes_after_a_skipped_field_counts() {
    let form = |count| {
        let journal = vec![(1, "{[(\"")];
        Form::of(&Thing {
            journal,
            count,
            ..thing()
        })
        .exact()
    };
    assert_ne!(form(1), form(2));
    assert_eq!(form(3), Form::of(&thing()).exact());
}

#[test]
fn instants_of_long_ago_count_by_their_order_alone() {
    let pair = |one: u64, two: u64, now: u64| {
        let form = Form::of(&(Mono(one), Mono(two)));
        let mut blend = Blend::new(now);
        blend.form(&form);
        blend.end()
    };
    let now = 10 * LONG;
    assert_eq!(pair(1, 2, now), pair(50, 90, now));
    assert_ne!(pair(1, 2, now), pair(2, 1, now));
    assert_ne!(pair(1, 2, now), pair(1, now - 2, now));
}
