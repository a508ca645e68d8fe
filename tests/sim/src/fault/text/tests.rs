//! Lines and faults are two forms of one thing.

use std::time::Duration;

use super::*;
use crate::schedule::{Schedule, Wish};

/// One line of each kind, as scripts write them.
const LINES: &[&str] = &[
    "crash a for=40",
    "crash a",
    "crash a agent",
    "crash a server",
    "crash a server orphans",
    "crash a backend",
    "start a",
    "pause a for=40",
    "pause a host for=0.5",
    "pause a server",
    "quirk b refuses-to-start for=20",
    "cut b a oneway",
    "cut b clients oneway for=2",
    "slow a dcs oneway by=2 for=30",
    "heal",
    "dcs down for=60",
    "dcs up",
    "dcs election for=2",
    "dcs lose-reply next=renew",
    "dcs delay next=acquire by=5",
    "watch b broken for=10",
    "stale b for=5",
    "stale b once back=5",
    "stale b reconnect back=5",
    "upon promote freeze-agent after=0.5 for=40",
    "recycle a",
    "lose-disk c",
    "operator b switchover to=c",
    "operator b switchover",
    "operator failover to=c",
    "operator a restart away=3",
    "operator pause",
    "operator resume",
    "operator ttl=20",
    "operator delete-leader-key",
    "operator overwrite-leader-key b",
    "operator wipe-store",
    "operator restore-store back=60",
];

#[test]
fn each_line_is_written_as_it_is_read() {
    for line in LINES {
        let fault: Fault = line.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(fault.to_string(), *line);
        let verb = line.split(' ').next().expect("a verb");
        assert!(VERBS.contains(&verb), "{verb}");
    }
}

#[test]
fn both_directions_are_one_line() {
    for line in [
        "cut a dcs for=30",
        "cut a b,c",
        "cut a b,dcs,clients for=1.5",
        "slow a dcs by=2",
    ] {
        assert_eq!(lines(&read(line).expect("faults")), [line]);
        assert!(line.parse::<Fault>().is_err(), "{line}");
    }
    assert_eq!(read("cut a b,c").expect("cuts").len(), 4);
}

#[test]
fn different_cuts_stay_different_lines() {
    let expected = [
        "cut a b for=3",
        "cut a c for=4",
        "cut a c oneway for=4",
        "slow a c by=4",
        "slow a b by=4",
    ];
    let faults = expected.map(|line| read(line).expect("faults")).concat();
    assert_eq!(lines(&faults), expected);
}

#[test]
fn generated_faults_come_back_from_their_lines() {
    for seed in 0..300 {
        let schedule = Schedule::generate(seed, &Wish::default());
        let faults: Vec<Fault> = schedule.faults.into_iter().map(|p| p.fault).collect();
        for fault in &faults {
            assert_eq!(fault.to_string().parse::<Fault>().as_ref(), Ok(fault));
        }
        let back = lines(&faults);
        let back = back.iter().flat_map(|line| read(line).expect("faults"));
        assert_eq!(back.collect::<Vec<_>>(), faults);
    }
}

#[test]
fn what_is_no_fault_is_refused() {
    for line in [
        "",
        "explode a",
        "crash",
        "crash ab",
        "crash a for=x",
        "crash a fro=40",
        "crash a guardian",
        "crash a orphans",
        "crash a server orphans twice",
        "pause a store",
        "quirk a sulks",
        "cut a",
        "cut a none",
        "slow a dcs",
        "dcs delay next=acquire",
        "dcs lose-reply next=lunch",
        "watch a mended for=3",
        "operator",
        "operator a lunch",
        "operator failover",
    ] {
        assert!(read(line).is_err(), "{line}");
    }
}

#[test]
fn a_time_below_a_millisecond_is_not_lost() {
    let fault = Fault::StoreElection(Duration::from_nanos(1));
    assert_eq!(fault.to_string(), "dcs election for=0.000000001");
    assert_eq!(fault.to_string().parse(), Ok(fault));
}
