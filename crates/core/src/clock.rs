//! Clocks. Time is an argument: functions of this crate take `now`, and only the entry points read a clock.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

/// Source of the current time.
pub trait Clock: Send + Sync + Debug {
    /// Returns the current time of the wall clock.
    fn now(&self) -> Timestamp;
}

/// Wall clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only place that reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// Builds a clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves the clock forward by `by`.
    pub fn advance(&self, by: Duration) {
        // A poisoned lock is still usable: a time stamp cannot be half written.
        let mut time = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *time = after(*time, by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Clock that cannot be set, for measuring durations.
pub trait MonotonicClock: Send + Sync + Debug {
    /// Returns the microseconds since a fixed moment of this process. Time counts also while the machine is
    /// suspended: a lease must not last longer because of that.
    fn micros(&self) -> u64;
}

/// Monotonic clock of the machine, which counts suspended time too (`CLOCK_BOOTTIME`).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemMonotonicClock;

impl MonotonicClock for SystemMonotonicClock {
    fn micros(&self) -> u64 {
        // `std::time::Instant` is CLOCK_MONOTONIC on Linux, which stops while the machine is suspended.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
        seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)
    }
}

/// Clock for deleting expired data. Never runs ahead of the monotonic clock: if the wall clock jumped forward
/// and back again, revocations that still count would be gone. A jump that has lasted for a day is accepted.
#[derive(Debug)]
pub struct ExpiryClock {
    monotonic: Arc<dyn MonotonicClock>,
    anchor: Mutex<ClockAnchor>,
}

/// Moment at which wall clock and monotonic clock agreed.
#[derive(Clone, Copy, Debug)]
struct ClockAnchor {
    wall: Timestamp,
    micros: u64,
    /// Monotonic time since which the wall clock has been ahead; `None` while it is not.
    ahead_since: Option<u64>,
}

impl ExpiryClock {
    /// Accepted lead of the wall clock between two calls: time services adjust clocks in small steps.
    const MAX_FORWARD_DRIFT: Duration = Duration::from_secs(60);
    /// Time that a jump must have lasted before it is accepted.
    const TRUST_JUMP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

    /// Builds a clock that trusts the wall clock's current time `now`.
    pub fn starting_at(now: Timestamp, monotonic: Arc<dyn MonotonicClock>) -> Self {
        let anchor = ClockAnchor {
            wall: now,
            micros: monotonic.micros(),
            ahead_since: None,
        };
        Self {
            monotonic,
            anchor: Mutex::new(anchor),
        }
    }

    /// Returns the time up to which data may be deleted while the wall clock shows `now`. Never
    /// later than `now`.
    pub fn expiry_time(&self, now: Timestamp) -> Timestamp {
        // A poisoned lock is still usable: the anchor is replaced as a whole.
        let mut anchor = self
            .anchor
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let micros = self.monotonic.micros();
        let elapsed = Duration::from_micros(micros.saturating_sub(anchor.micros));
        let expected = after(anchor.wall, elapsed);
        let since = anchor.ahead_since.unwrap_or(micros);
        let ahead_for = Duration::from_micros(micros.saturating_sub(since));
        if now > after(expected, Self::MAX_FORWARD_DRIFT) && ahead_for < Self::TRUST_JUMP_AFTER {
            // One line per jump: this function is called by every periodic clean-up.
            if anchor.ahead_since.is_none() {
                tracing::error!(
                    ahead_seconds = now.duration_since(expected).as_secs(),
                    "wall clock jumped forward, deletion of expired data suspended for up to a day"
                );
            }
            anchor.ahead_since = Some(since);
            return expected;
        }
        // A wall clock that was set back is accepted at once: data is then kept longer, which is safe.
        *anchor = ClockAnchor {
            wall: now,
            micros,
            ahead_since: None,
        };
        now
    }
}

/// Returns `time` plus `by`, limited to the last representable time instead of overflowing.
pub fn after(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Returns `time` minus `by`, limited to the first representable time instead of overflowing.
pub fn before(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// Returns the time from `now` to `later`, or zero if `later` has passed.
pub fn time_until(now: Timestamp, later: Timestamp) -> Duration {
    // Only a negative difference fails to convert.
    Duration::try_from(later.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Uptime(AtomicU64);

    impl MonotonicClock for Uptime {
        fn micros(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn w13_nothing_is_forgotten_by_a_clock_that_jumps_forward_and_back() {
        let uptime = Arc::new(Uptime::default());
        let clock = ExpiryClock::starting_at(at(0), Arc::clone(&uptime) as _);
        let pass = |seconds: u64| uptime.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
        pass(100);
        assert_eq!(clock.expiry_time(at(100)), at(100));
        assert_eq!(
            clock.expiry_time(at(130)),
            at(130),
            "a clock is adjusted little by little"
        );
        pass(10);
        assert_eq!(clock.expiry_time(at(90_000)), at(140), "a day ahead");
        pass(10);
        assert_eq!(clock.expiry_time(at(90_010)), at(150));
        assert_eq!(clock.expiry_time(at(120)), at(120), "and back");
        pass(10);
        assert_eq!(clock.expiry_time(at(130)), at(130));
        assert_eq!(clock.expiry_time(at(90_000)), at(130));
        pass(86_399);
        assert!(clock.expiry_time(at(176_399)) < at(90_000));
        pass(1);
        assert_eq!(
            clock.expiry_time(at(176_400)),
            at(176_400),
            "a jump that has lasted for a day is accepted"
        );
    }
}
