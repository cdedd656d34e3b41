//! Forgetting what has expired, a shard at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::moment::Second;

/// What one step of sweeping did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Swept {
    pub(super) examined: usize,
    pub(super) forgotten: usize,
}

impl Swept {
    pub(super) const NOTHING: Self = Self {
        examined: 0,
        forgotten: 0,
    };
}

/// Entries in shards that are swept one by one.
pub(super) trait Sweepable {
    fn shards(&self) -> usize;
    /// Forgets what has expired in one shard. A shard in which nothing can have expired is not examined.
    fn sweep_shard(&self, shard: usize, now: Second) -> Swept;
}

/// Where the sweep goes on: it passes through everything in turn, over any number of calls.
#[derive(Debug, Default)]
pub(super) struct Broom(AtomicUsize);

impl Broom {
    /// Sweeps on until `budget` is spent or everything was passed once; how many entries were forgotten. An
    /// examined entry costs one, and so does a shard.
    pub(super) fn sweep(&self, all: &[&dyn Sweepable], now: Second, budget: usize) -> usize {
        let round: usize = all.iter().map(|part| part.shards()).sum();
        let (mut spent, mut forgotten) = (0, 0);
        for _ in 0..round {
            if spent >= budget {
                break;
            }
            let mut shard = self.0.fetch_add(1, Ordering::Relaxed) % round;
            for part in all {
                if shard < part.shards() {
                    let swept = part.sweep_shard(shard, now);
                    spent += 1 + swept.examined;
                    forgotten += swept.forgotten;
                    break;
                }
                shard -= part.shards();
            }
        }
        forgotten
    }
}
