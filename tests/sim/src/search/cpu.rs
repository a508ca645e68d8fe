//! How long this thread has had a processor: what a rate must be measured by when others share it.

use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time on a processor; where the system does not tell it, the time on the wall.
pub(super) fn time() -> Duration {
    told().unwrap_or_else(|| BEGIN.elapsed())
}

/// The first number is nanoseconds on the processor, from Linux 4.9 on where it is configured.
fn told() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}
