//! Sequence lock: readers take no lock, and read again if a write overtook them.

use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::sync::atomic::{AtomicU32, fence};
use crate::sync::{hint, thread};

/// Number of immediate retries of a reader before it yields to another thread.
const SPINS_BEFORE_YIELD: u32 = 100;

/// Version of the data that a sequence lock protects: odd during a write. At most one thread may write at a
/// time. All words of the data are atomic.
#[derive(Debug)]
pub(super) struct SeqlockVersion(AtomicU32);

/// A write in progress. Dropping the guard ends it, also in a panic: readers would wait for ever otherwise.
pub(super) struct SeqlockWriteGuard<'a>(&'a AtomicU32);

impl SeqlockVersion {
    /// Counts from `start`, an even number. (loom's atomics have no constant constructor.)
    pub(super) const fn starting_at(start: AtomicU32) -> Self {
        Self(start)
    }

    /// Returns what `read_data` returned without a concurrent write.
    #[inline]
    pub(super) fn read<T>(&self, read_data: impl Fn() -> T) -> T {
        let mut attempts = 0;
        loop {
            let before = self.0.load(Acquire);
            if before & 1 == 0 {
                let found = read_data();
                // Orders the reads of the data before the second read of the version.
                fence(Acquire);
                if self.0.load(Relaxed) == before {
                    return found;
                }
            }
            attempts += 1;
            // The writer may have been interrupted in the middle of a write, and then spinning does not help.
            if attempts % SPINS_BEFORE_YIELD == 0 {
                thread::yield_now();
            } else {
                hint::spin_loop();
            }
        }
    }

    /// Begins a write, which ends when the guard is dropped.
    #[inline]
    pub(super) fn begin_write(&self) -> SeqlockWriteGuard<'_> {
        self.0.fetch_add(1, Relaxed);
        // No reader sees a store of this write without seeing the odd version.
        fence(Release);
        SeqlockWriteGuard(&self.0)
    }
}

impl Drop for SeqlockWriteGuard<'_> {
    fn drop(&mut self) {
        // Release: a reader that sees the even version sees every store of the write.
        self.0.fetch_add(1, Release);
    }
}
