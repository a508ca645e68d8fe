//! What this process uses: processor time, tasks, threads of the ZooKeeper backend.

use std::fs;
use std::time::Duration;

use tokio::runtime::Handle;

/// What a client leaves behind, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    /// Tasks of the present runtime.
    pub(super) tasks: usize,
    /// Threads of runtimes of the ZooKeeper backend.
    pub(super) threads: usize,
}

impl Usage {
    pub(super) fn now() -> Self {
        let threads = fs::read_dir("/proc/self/task").expect("a process can see its threads");
        let names = threads.filter_map(|thread| {
            // A thread may end while we look.
            fs::read_to_string(thread.ok()?.path().join("comm")).ok()
        });
        Self {
            tasks: Handle::current().metrics().num_alive_tasks(),
            threads: names.filter(|name| name.trim() == "zookeeper").count(),
        }
    }

    pub(super) const fn is_within(self, other: Self) -> bool {
        self.tasks <= other.tasks && self.threads <= other.threads
    }
}

/// What this process has used of the processor so far.
pub(super) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}
