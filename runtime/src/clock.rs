//! The one place where this crate asks what time it is.
//!
//! Protocols never do: a duration in an actor is data, and the driver turns it into a deadline.
//! What the driver needs is a clock that also counts while the machine is suspended. A lease that
//! ran out during a suspension has run out, and a clock that stood still meanwhile would say that
//! it has not. On Linux that clock is `CLOCK_BOOTTIME`; on other systems it is the monotonic one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Says how much time has passed since some fixed moment, and never goes back.
pub trait Clock: Send + 'static {
    /// The reading, counted from a moment that stays the same as long as the process lives.
    fn now(&self) -> Duration;
}

/// The time since this machine was started, suspensions included.
#[derive(Clone, Copy, Debug, Default)]
pub struct BootClock;

impl BootClock {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const ID: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const ID: ClockId = ClockId::Monotonic;
}

impl Clock for BootClock {
    fn now(&self) -> Duration {
        let reading = clock_gettime(Self::ID);
        // Neither part of a reading since boot is negative, and nanoseconds stay below a billion.
        Duration::new(reading.tv_sec.max(0) as u64, reading.tv_nsec.clamp(0, 999_999_999) as u32)
    }
}

/// A clock that stands still until it is told to move: for tests.
///
/// An actor that waits for a deadline does not see the hand move by itself; after
/// [`ManualClock::advance`] wake it with [`Inbox::wake`](crate::driver::Inbox::wake).
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock at zero. Clones show the same time.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the hand forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_never_goes_back() {
        let readings: Vec<_> = (0..1000).map(|_| BootClock.now()).collect();
        assert!(readings.is_sorted());
        assert!(readings[0] > Duration::ZERO);
    }
}
