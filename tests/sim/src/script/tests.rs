//! The harness itself.

use super::*;

#[test]
fn a_script_is_of_a_cluster_by_its_first_command() {
    assert!(is_of_a_cluster("# header\n\ncluster nodes=a\n----\n"));
    assert!(!is_of_a_cluster("# cluster\n\nmember a\n----\n"));
    assert!(!is_of_a_cluster(""));
}

#[test]
fn the_output_of_a_script_is_replaced_by_what_happens() {
    let played = run("cluster nodes=a,b\n----\nwhatever\n\nrun for=1\n").expect("a script");
    assert!(played.problems.is_empty(), "{:?}", played.problems);
    let expected = "cluster nodes=a,b\n----\nT+0       a leader primary tli=1 | b standby of a\n\nrun for=1\n----\nok\n";
    assert_eq!(played.text, expected);
}

#[test]
fn a_line_that_makes_no_sense_is_a_problem_also_when_it_is_expected() {
    let text = "cluster nodes=a,b\n----\n\ncrash c\n----\nerror: c is no member of this cluster\n";
    let played = run(text).expect("a script");
    assert_eq!(played.problems, ["line 4: c is no member of this cluster"]);
}

#[test]
fn a_violation_is_printed_once_and_is_a_problem_unless_it_is_expected() {
    // A kill that is told before it is done is one that the lease does not count on.
    let story = "cluster nodes=a,b driver-mutant=kill-told-before-it-is-done guardian=off latency=near\n\n\
                 quirk a ignores-fast-stop\n\ncut a dcs\n\nrun for=60\n";
    let played = run(story).expect("a script");
    assert_eq!(
        played.text.matches("VIOLATION").count(),
        1,
        "{}",
        played.text
    );
    assert_eq!(played.problems.len(), 1, "{:?}", played.problems);
    let played = run(&format!("{story}\nexpect violation fenced-in-time\n"));
    let played = played.expect("a script");
    assert!(played.problems.is_empty(), "{:?}", played.problems);
    let played = run(&format!("{story}\nexpect violation last-copy\n"));
    assert_eq!(played.expect("a script").problems.len(), 2);
}
