//! Both stores under the same faults, each for a few seconds; `cargo xtask soak stores` takes more
//! time for them.

#![allow(clippy::print_stdout, reason = "what a fault costs is worth a line")]

use herdsman_dcs::faults::{Course, Fault, Stage, Store};

async fn run(store: Store, faults: &[Fault]) {
    let mut stage = Stage::start(store).await;
    for &fault in faults.iter().filter(|fault| fault.concerns(store)) {
        let report = stage.run(Course::short(fault)).await;
        println!("{report}");
    }
}

/// What happens to single servers and to the ways to them.
const SERVERS: [Fault; 6] = [
    Fault::MemberKilled,
    Fault::MemberHung,
    Fault::Blackholed,
    Fault::AnswersLost,
    Fault::SlowAnswers,
    Fault::FollowerCut,
];
/// What happens to the store's own leader.
const LEADER: [Fault; 2] = [Fault::LeaderHung, Fault::LeaderResumed];
/// What happens to the store as a whole.
const STORE: [Fault; 3] = [Fault::AllKilled, Fault::QuorumLost, Fault::PutBack];
/// What happens to the lock, to the session and to the watch.
const KEYS: [Fault; 7] = [
    Fault::WatchSilent,
    Fault::Compaction,
    Fault::SessionEnded,
    Fault::LockDeleted,
    Fault::LockOverwritten,
    Fault::FollowerCutAlone,
    Fault::ShortGrant,
];

#[test]
fn no_fault_is_left_out() {
    let all = [&SERVERS[..], &LEADER, &STORE, &KEYS].concat();
    let missing: Vec<Fault> = Fault::ALL
        .into_iter()
        .filter(|f| !all.contains(f))
        .collect();
    assert_eq!(missing, []);
}

macro_rules! tests_of {
    ($store:ident, $kind:expr) => {
        mod $store {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn servers() {
                run($kind, &SERVERS).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn leader() {
                run($kind, &LEADER).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn store() {
                run($kind, &STORE).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn keys() {
                run($kind, &KEYS).await;
            }
        }
    };
}

tests_of!(etcd, Store::Etcd);
tests_of!(zookeeper, Store::ZooKeeper);
