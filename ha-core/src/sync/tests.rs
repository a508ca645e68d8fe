//! The order of names: every standby that is waited for already changes its place when another one
//! comes in.

use super::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn subsets() -> impl Iterator<Item = Vec<MemberName>> {
    (0..1 << NAMES.len()).map(|bits: usize| {
        let chosen = NAMES
            .iter()
            .enumerate()
            .filter(move |(at, _)| bits >> at & 1 == 1);
        chosen.map(|(_, name)| MemberName::from(*name)).collect()
    })
}

fn orders(names: &[MemberName]) -> Vec<Vec<MemberName>> {
    let Some((first, rest)) = names.split_first() else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for order in orders(rest) {
        for at in 0..=order.len() {
            let mut order = order.clone();
            order.insert(at, first.clone());
            all.push(order);
        }
    }
    all
}

#[test]
fn nobody_keeps_its_place_when_somebody_new_comes_in() {
    for shown in subsets().flat_map(|names| orders(&names)) {
        for wanted in subsets() {
            let arranged = arrange(&shown, wanted.clone());
            assert!(
                is_same(&arranged, &wanted),
                "{shown:?} {wanted:?} {arranged:?}"
            );
            let has_new = wanted.iter().any(|name| !shown.contains(name));
            let stays = shown
                .iter()
                .zip(&arranged)
                .any(|(before, after)| before == after);
            assert!(!(has_new && stays), "{shown:?} {wanted:?} {arranged:?}");
        }
    }
}

#[test]
fn names_are_sorted_where_it_does_not_matter() {
    let names = |text: &str| -> Vec<MemberName> { text.split(',').map(MemberName::from).collect() };
    assert_eq!(arrange(&[], names("c,b")), names("b,c"));
    assert_eq!(arrange(&names("c,b,a"), names("b,a")), names("a,b"));
    assert_eq!(arrange(&names("b"), names("b,c")), names("c,b"));
}
