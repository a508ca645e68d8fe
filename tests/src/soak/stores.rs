//! Both stores under every fault for as long as one cares to watch, at the shortest time to live at
//! which a leader must keep its key.
//!
//! What must hold is said and judged by `herdsman_dcs::faults`; here it is given its time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use herdsman_dcs::faults::{Course, Fault, Stage, Store};
use tokio::runtime::{Builder, Runtime};

/// Runs all courses and tells a line of each. Gives how many were not as they must be.
///
/// # Panics
/// When the servers do not come up.
#[must_use]
pub fn run(stores: &[Store], faults: &[Fault], lasts: Duration, tell: impl Fn(&str)) -> usize {
    let mut failed = 0;
    for &store in stores {
        let mut stage = None;
        let faults = faults.iter().filter(|fault| fault.concerns(store));
        for course in faults.flat_map(|fault| Course::long(store, *fault, lasts)) {
            let (runtime, mut at_work) = stage.take().unwrap_or_else(|| start(store));
            let ran = catch_unwind(AssertUnwindSafe(|| runtime.block_on(at_work.run(course))));
            match ran {
                Ok(report) => {
                    tell(&report.to_string());
                    stage = Some((runtime, at_work));
                }
                // What was wrong has been printed. What it left must not be in the next one's way.
                Err(_) => {
                    failed += 1;
                    tell(&format!("{store}, {}: FAILED", course.fault));
                    drop(at_work);
                    runtime.shutdown_background();
                }
            }
        }
    }
    failed
}

fn start(store: Store) -> (Runtime, Stage) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let stage = runtime.block_on(async {
        let stage = tokio::spawn(Stage::start(store)).await;
        stage.expect("the servers come up")
    });
    (runtime, stage)
}
