//! The clocks, and the only place that reads them.
//!
//! `CLOCK_BOOTTIME` goes on while the machine sleeps, as a lease does; std's and tokio's clocks do
//! not. What is handed out is strictly monotonic.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use herdsman_ha_core::{Mono, Now, Wall};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// Reads the clocks of this machine.
#[derive(Debug, Default)]
pub struct Clock {
    last: AtomicU64,
}

impl Clock {
    /// Both clocks; each answer is later than the one before.
    pub fn now(&self) -> Now {
        Now {
            mono: self.mono(),
            wall: wall(),
        }
    }

    /// The clock that decides.
    pub fn mono(&self) -> Mono {
        let read = boottime().0;
        let later = |last: u64| Some(read.max(last + 1));
        let last = self
            .last
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, later)
            .unwrap_or(read);
        Mono(read.max(last + 1))
    }
}

/// Nanoseconds since the machine started, suspended time included.
pub(crate) fn boottime() -> Mono {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Mono(seconds * 1_000_000_000 + nanos)
}

/// Milliseconds since 1970.
pub(crate) fn wall() -> Wall {
    let time = clock_gettime(ClockId::Realtime);
    Wall(time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
}

/// A timer on `CLOCK_BOOTTIME`: it fires on time after the machine was suspended.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: AsyncFd<OwnedFd>,
}

impl Alarm {
    /// A timer that never fires until it is set.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        // SAFETY: the descriptor is owned by the value that is registered, so it stays open and
        // the same until the registration ends with it.
        let timer = unsafe { AsyncFd::register(timer) }?;
        Ok(Self { timer })
    }

    /// Fires once at `at`, or at once when that has passed; `None`: never.
    pub(crate) fn set(&self, at: Option<Mono>) -> io::Result<()> {
        // All zeros would disarm the timer: an instant in the distant past fires at once.
        let nanos = at.map_or(0, |at| at.0.max(1));
        let when = Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
        };
        let never = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let spec = Itimerspec {
            it_interval: never,
            it_value: when,
        };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    /// Waits until the timer fires.
    pub(crate) async fn fired(&self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            let mut count = [0_u8; 8];
            match ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut count)?)) {
                Ok(read) => return read.map(|_| ()),
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_reading_is_later_than_the_one_before() {
        let clock = Clock::default();
        let mut last = clock.mono();
        for _ in 0..1000 {
            let next = clock.mono();
            assert!(next > last);
            last = next;
        }
    }

    #[tokio::test]
    async fn an_alarm_fires_at_its_time_and_not_before() {
        let alarm = Alarm::new().unwrap();
        let at = boottime().plus(Duration::from_millis(20));
        alarm.set(Some(at)).unwrap();
        alarm.fired().await.unwrap();
        assert!(boottime() >= at);
        alarm.set(Some(Mono(0))).unwrap();
        alarm.fired().await.unwrap();
    }
}
