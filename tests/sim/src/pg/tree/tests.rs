//! What a line of WAL contains.

use super::*;

const SYSTEM: SystemId = SystemId(7_000_000_001);
const A: Node = Node(0);
const B: Node = Node(1);
const C: Node = Node(2);

fn rows(tree: &mut Tree, wal: Wal, count: usize) -> Wal {
    (0..count).fold(wal, |wal, _| tree.append(wal, Record::Row))
}

fn up_to(wal: Wal, end: Lsn) -> Wal {
    Wal { end, ..wal }
}

#[test]
fn a_third_generation_contains_what_its_ancestors_left_it_and_no_more() {
    let mut tree = Tree::default();
    let begin = tree.new_cluster(SYSTEM, A);
    let first = rows(&mut tree, begin, 4);
    let kept_of_first = up_to(first, Lsn(begin.end.0 + 2 * ROW));
    let second = tree.fork(kept_of_first, Timeline(2), B);
    let second = rows(&mut tree, second, 4);
    let kept_of_second = up_to(second, Lsn(second.end.0 - ROW));
    let third = tree.fork(kept_of_second, Timeline(3), C);
    let third = rows(&mut tree, third, 1);

    assert!(tree.contains(third, kept_of_first));
    assert!(tree.contains(third, kept_of_second));
    assert!(tree.contains(third, third));
    assert!(!tree.contains(third, first), "rows that stayed behind");
    assert!(!tree.contains(third, second), "a row that stayed behind");
    assert!(!tree.contains(second, third), "a child's row");
}

#[test]
fn the_place_where_a_branch_begins_is_the_place_where_it_left_its_parent() {
    let mut tree = Tree::default();
    let first = tree.new_cluster(SYSTEM, A);
    let second = tree.fork(first, Timeline(2), B);
    assert!(tree.contains(first, second), "nothing was written yet");
    assert_eq!(tree.at(second, second.end), first);
    let written = rows(&mut tree, second, 1);
    assert!(!tree.contains(first, written));
    assert_eq!(tree.at(written, first.end), first);
}

#[test]
fn the_last_common_place_of_two_promotions_is_where_the_earlier_one_left() {
    let mut tree = Tree::default();
    let begin = tree.new_cluster(SYSTEM, A);
    let first = rows(&mut tree, begin, 3);
    let early = up_to(first, Lsn(begin.end.0 + ROW));
    let by_b = tree.fork(early, Timeline(2), B);
    let by_b = rows(&mut tree, by_b, 9);
    let by_c = tree.fork(first, Timeline(2), C);
    let by_c = rows(&mut tree, by_c, 1);
    assert_eq!(tree.common(by_b, by_c), Some(early));
    assert_eq!(tree.common(by_c, by_b), Some(early));
    assert_eq!(tree.common(by_c, first), Some(first));
}

#[test]
fn two_clusters_have_nothing_in_common() {
    let mut tree = Tree::default();
    let one = tree.new_cluster(SYSTEM, A);
    let other = tree.new_cluster(SystemId(7_000_000_002), B);
    assert_eq!(tree.common(one, other), None);
    assert!(!tree.contains(one, other));
}

#[test]
fn a_history_names_each_earlier_timeline_with_its_end() {
    let mut tree = Tree::default();
    let begin = tree.new_cluster(SYSTEM, A);
    let first = rows(&mut tree, begin, 2);
    let second = tree.fork(first, Timeline(2), B);
    let second = rows(&mut tree, second, 2);
    let third = tree.fork(second, Timeline(3), C);
    assert_eq!(*tree.history(begin.branch), []);
    assert_eq!(
        *tree.history(third.branch),
        [(Timeline(1), first.end), (Timeline(2), second.end)]
    );
}

#[test]
fn a_second_writer_of_a_timeline_leaves_no_trace_in_the_history() {
    let mut tree = Tree::default();
    let begin = tree.new_cluster(SYSTEM, A);
    let by_b = tree.fork(begin, Timeline(1), B);
    let by_b = rows(&mut tree, by_b, 2);
    assert_eq!(*tree.history(by_b.branch), []);
    let second = tree.fork(by_b, Timeline(2), C);
    assert_eq!(*tree.history(second.branch), [(Timeline(1), by_b.end)]);
    assert_eq!(tree.end_of(second, Timeline(1)), Some(by_b.end));
}

#[test]
fn only_the_writer_at_the_tip_goes_on_writing() {
    let mut tree = Tree::default();
    let begin = tree.new_cluster(SYSTEM, A);
    let tip = rows(&mut tree, begin, 1);
    assert!(tree.is_continued_by(A, tip));
    assert!(!tree.is_continued_by(A, begin), "it has lost its last row");
    assert!(!tree.is_continued_by(B, tip), "it did not write it");
}

#[test]
fn a_checkpoint_counts_once_its_record_is_there() {
    let mut tree = Tree::default();
    let begin = tree.new_cluster(SYSTEM, A);
    let before = rows(&mut tree, begin, 1);
    let after = tree.append(before, Record::Checkpoint);
    let lsn = |wal| tree.last_checkpoint(wal).expect("a checkpoint").lsn;
    assert_eq!(lsn(before), Lsn(FRESH.0 - CHECKPOINT));
    assert_eq!(lsn(up_to(after, Lsn(after.end.0 - 1))), lsn(before));
    assert_eq!(lsn(after), before.end);
}
