//! Removal of expired entries, a shard at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::unix_second::UnixSecond;

/// Result of sweeping one shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct SweepStep {
    pub(super) examined: usize,
    pub(super) forgotten: usize,
}

impl SweepStep {
    pub(super) const EMPTY: Self = Self {
        examined: 0,
        forgotten: 0,
    };
}

/// A table in shards that are swept one by one.
pub(super) trait SweepableShards {
    fn shard_count(&self) -> usize;
    /// Removes the expired entries of one shard. Skips a shard in which nothing can have expired.
    fn sweep_shard(&self, shard: usize, now: UnixSecond) -> SweepStep;
}

/// Next shard of the sweep, which visits all tables in turn over any number of calls.
#[derive(Debug, Default)]
pub(super) struct SweepCursor(AtomicUsize);

impl SweepCursor {
    /// Sweeps until `budget` is spent or every shard was visited once, and returns the number of removed
    /// entries. An examined entry costs one, and a shard costs one.
    pub(super) fn sweep(&self, all: &[&dyn SweepableShards], now: UnixSecond, budget: usize) -> usize {
        let round: usize = all.iter().map(|table| table.shard_count()).sum();
        let (mut spent, mut forgotten) = (0, 0);
        for _ in 0..round {
            if spent >= budget {
                break;
            }
            // Relaxed, and wrapping around at `usize::MAX`: a shard that is skipped or visited twice does no
            // harm.
            let mut shard = self.0.fetch_add(1, Ordering::Relaxed) % round;
            for table in all {
                if shard < table.shard_count() {
                    let step = table.sweep_shard(shard, now);
                    // One for the shard itself, so that a budget ends a round of empty shards too.
                    spent += 1 + step.examined;
                    forgotten += step.forgotten;
                    break;
                }
                shard -= table.shard_count();
            }
        }
        forgotten
    }
}
