//! Moments under fingerprints: the cut-offs of parties, and the logins that are spared from them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;

use super::fingerprint::Fingerprint;
use super::moment::Second;
use super::shards::Shards;
use super::sweep::{Sweepable, Swept};

/// 4,096 shards: with a million entries some 250 in each, so that a table that grows moves no more than that.
const SHARD_BITS: u32 = 12;

/// A moment, what is noted with it, and until when both are remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dated<N> {
    pub(super) at: Timestamp,
    pub(super) note: N,
    pub(super) expiry: Second,
}

impl<N: Copy> Dated<N> {
    /// The later moment, with its note, and the later expiry: nothing that stands is narrowed.
    fn merge(&mut self, other: &Self) {
        if other.at > self.at {
            (self.at, self.note) = (other.at, other.note);
        }
        self.expiry = self.expiry.max(other.expiry);
    }
}

/// A fingerprint is a hash already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key(Fingerprint);

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0.for_table());
    }
}

#[derive(Debug)]
struct Table<N> {
    entries: HashMap<Key, Dated<N>, BuildHasherDefault<AsItIs>>,
    /// No entry expires before.
    soonest: Second,
}

/// Moments under fingerprints, in shards with a lock each.
#[derive(Debug)]
pub(super) struct Ledger<N>(Shards<RwLock<Table<N>>>);

impl<N: Copy> Ledger<N> {
    pub(super) fn new() -> Self {
        let shard = || {
            RwLock::new(Table {
                entries: HashMap::default(),
                soonest: Second::NEVER,
            })
        };
        Self(Shards::new(SHARD_BITS, shard))
    }

    pub(super) fn find(&self, name: Fingerprint, now: Second) -> Option<Dated<N>> {
        let table = read(self.0.get(name.shard(SHARD_BITS))?);
        let dated = table.entries.get(&Key(name))?;
        (!dated.expiry.is_past(now)).then_some(*dated)
    }

    pub(super) fn put(&self, name: Fingerprint, dated: Dated<N>) {
        let mut table = write(self.0.made(name.shard(SHARD_BITS)));
        table.soonest = table.soonest.min(dated.expiry);
        table
            .entries
            .entry(Key(name))
            .and_modify(|standing| standing.merge(&dated))
            .or_insert(dated);
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| read(shard).entries.len()).sum()
    }

    /// Bytes held, as far as a hash table tells: its own bookkeeping is one byte for each place.
    pub(super) fn bytes(&self) -> usize {
        let place = size_of::<(Key, Dated<N>)>() + 1;
        let places = self.0.iter().map(|shard| read(shard).entries.capacity());
        // A table is full at seven eighths.
        self.0.bytes() + places.sum::<usize>() * 8 / 7 * place
    }
}

// No panic in here can leave a table half changed; see `Named`.
fn read<N>(shard: &RwLock<Table<N>>) -> RwLockReadGuard<'_, Table<N>> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<N>(shard: &RwLock<Table<N>>) -> RwLockWriteGuard<'_, Table<N>> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

impl<N: Copy> Sweepable for Ledger<N> {
    fn shards(&self) -> usize {
        self.0.len()
    }

    fn sweep_shard(&self, shard: usize, now: Second) -> Swept {
        let due = |shard: &&RwLock<Table<N>>| read(shard).soonest.is_past(now);
        let Some(shard) = self.0.get(shard).filter(due) else {
            return Swept::NOTHING;
        };
        let mut table = write(shard);
        let (before, mut soonest) = (table.entries.len(), Second::NEVER);
        table.entries.retain(|_, dated| {
            let kept = !dated.expiry.is_past(now);
            if kept {
                soonest = soonest.min(dated.expiry);
            }
            kept
        });
        table.soonest = soonest;
        let left = table.entries.len();
        if table.entries.capacity() > 4 * left {
            table.entries.shrink_to(2 * left);
        }
        Swept {
            examined: before,
            forgotten: before - left,
        }
    }
}
