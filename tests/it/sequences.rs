//! Random sequences: whatever happens, the rules hold.

use herdsman_tests::wild;

#[test]
fn inputs_without_sense_break_no_rule() {
    let broken: Vec<String> = (0..300).flat_map(|seed| wild::run(seed, 200)).collect();
    expect_none(&broken);
}

#[track_caller]
fn expect_none(broken: &[String]) {
    let shown = broken.iter().take(10).cloned().collect::<Vec<_>>();
    assert!(
        broken.is_empty(),
        "{} broken rules\n  {}\n",
        broken.len(),
        shown.join("\n  ")
    );
}
