//! Time is an argument: models take `now`, and only the edges ask a clock.

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;

/// Where the present comes from.
pub trait Clock: Send + Sync + Debug {
    /// The present, as the wall clock tells it.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the machine for the time"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut shown = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *shown = after(*shown, by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A clock that nobody can set, for measuring how long something lasts.
pub trait Ticks: Send + Sync + Debug {
    /// Microseconds since a moment that stays the same while the process runs. It goes on while the machine sleeps:
    /// a lease does not last longer because a lid was closed.
    fn micros(&self) -> u64;
}

/// The machine's own monotonic clock, which counts the time that the machine was suspended.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemTicks;

impl Ticks for SystemTicks {
    fn micros(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
        seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)
    }
}

/// `time` plus `by`, held at the last representable moment instead of overflowing.
pub fn after(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// `time` minus `by`, held at the first representable moment instead of overflowing.
pub fn before(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// How long it is from `now` to `later`; zero if that lies in the past.
pub fn until(now: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(now)).unwrap_or(Duration::ZERO)
}
