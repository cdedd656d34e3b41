//! State of all callers' limits in a table of fixed size (decision 21).
//!
//! A map would grow with each new address, and a flood of addresses would fill the memory. Here a caller has
//! two cells, found by hashes with random keys, and is limited only if both are used up. Two callers that
//! share one cell therefore do not limit each other, no caller can choose its neighbours, and no entry needs
//! removal: a cell refills with time.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use crate::config::RateLimit;

/// Rate limit for each key, in constant memory.
pub(super) struct KeyedLimit<C: Clock = MonotonicClock> {
    limiter: RateLimiter<usize, CellTable, C, NoOpMiddleware<C::Instant>>,
    /// One hasher for each half of the table. A key has one cell in each half.
    hashers: [RandomState; 2],
    half: usize,
}

/// Store of the limiter: its key is the index of a cell, so nothing is inserted or removed.
struct CellTable(Box<[InMemoryState]>);

impl StateStore for CellTable {
    type Key = usize;

    fn measure_and_replace<T, F, E>(&self, cell: &usize, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // `%` keeps the index in bounds; `cell` is already smaller than the length.
        self.0[cell % self.0.len()].measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

impl KeyedLimit {
    /// Creates a limit with a table of `2 * half` cells of 8 bytes. `None` if the period is zero.
    pub(super) fn new(limit: RateLimit, half: usize) -> Option<Self> {
        Self::with_clock(limit, half, MonotonicClock)
    }
}

impl<C: Clock> KeyedLimit<C> {
    fn with_clock(limit: RateLimit, half: usize, clock: C) -> Option<Self> {
        let quota = Quota::with_period(limit.period)?.allow_burst(limit.burst);
        // At least one cell: the index is a remainder by this number.
        let half = half.max(1);
        let cells = std::iter::repeat_with(InMemoryState::default).take(half * 2);
        Some(Self {
            limiter: RateLimiter::new(quota, CellTable(cells.collect()), clock),
            hashers: [RandomState::new(), RandomState::new()],
            half,
        })
    }

    /// Spends one request of this key.
    ///
    /// # Errors
    /// The limit is reached. Returns the time until one more request is allowed.
    pub(super) fn try_spend(&self, key: &impl Hash) -> Result<(), Duration> {
        // One reading for both cells, so that their waits can be compared.
        let now = self.limiter.clock().now();
        let spend = |side: usize| {
            let cell = side * self.half + self.cell_in_half(&self.hashers[side], key);
            let spent = self.limiter.check_key(&cell);
            spent.map_err(|until| until.wait_time_from(now))
        };
        // Both cells are charged always. Otherwise the second cell would be a second allowance.
        match (spend(0), spend(1)) {
            (Err(one), Err(other)) => Err(one.min(other)),
            _ => Ok(()),
        }
    }

    fn cell_in_half(&self, hasher: &RandomState, key: &impl Hash) -> usize {
        let cells = self.half as u64;
        // The remainder is smaller than `half`, which is a `usize`, so the conversion does not fail.
        usize::try_from(hasher.hash_one(key) % cells).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limit(burst: u32, half: usize) -> (KeyedLimit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let limit = RateLimit {
            period: Duration::from_millis(100),
            burst: NonZeroU32::new(burst).unwrap(),
        };
        (KeyedLimit::with_clock(limit, half, clock.clone()).unwrap(), clock)
    }

    fn spent_at_once<C: Clock>(limit: &KeyedLimit<C>, key: u32) -> usize {
        (0..1_000).take_while(|_| limit.try_spend(&key).is_ok()).count()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let (limit, clock) = limit(5, 1 << 10);
        assert_eq!(spent_at_once(&limit, 1), 5);
        assert_eq!(limit.try_spend(&1), Err(Duration::from_millis(100)));
        assert_eq!(spent_at_once(&limit, 2), 5, "another key has its own");
        clock.advance(Duration::from_millis(250));
        assert_eq!(spent_at_once(&limit, 1), 2);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(spent_at_once(&limit, 1), 5, "what is not used is not saved up");
    }

    #[test]
    fn one_shared_cell_limits_no_other_caller() {
        // Half of the cells are used up: of a hundred others about a quarter share both, and the rest go on.
        let (limit, _) = limit(1, 1 << 10);
        for key in 0..700_u32 {
            while limit.try_spend(&key).is_ok() {}
        }
        let free = (10_000..10_100_u32)
            .filter(|key| limit.try_spend(key).is_ok())
            .count();
        assert!(free > 40, "{free}");
    }

    #[test]
    fn a_flood_of_keys_takes_no_more_memory() {
        let (limit, _) = limit(1, 1 << 4);
        for key in 0..100_000_u32 {
            let _ = limit.try_spend(&key);
        }
        assert_eq!(limit.limiter.into_state_store().0.len(), 1 << 5);
    }
}
