//! Table of times by fingerprint: cut-offs by scope, and exemptions by token or session.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;

use super::fingerprint::Fingerprint;
use super::lazy_shards::LazyShards;
use super::sweep::{SweepStep, SweepableShards};
use super::unix_second::UnixSecond;

/// 4,096 shards. A million entries give some 250 in each, so that a growing hash table moves no more than
/// that at a time.
const SHARD_BITS: u32 = 12;

/// A time with a payload, and the expiry of both.
#[derive(Clone, Copy, Debug)]
pub(super) struct DatedEntry<N> {
    pub(super) at: Timestamp,
    pub(super) payload: N,
    pub(super) expiry: UnixSecond,
}

impl<N: Copy> DatedEntry<N> {
    /// Takes the later time with its payload, and the later expiry: no entry is ever narrowed.
    fn merge(&mut self, other: &Self) {
        if other.at > self.at {
            (self.at, self.payload) = (other.at, other.payload);
        }
        self.expiry = self.expiry.max(other.expiry);
    }
}

/// Hasher that returns its input, because a fingerprint is a keyed hash already.
#[derive(Debug, Default)]
struct PassThroughHasher(u64);

impl Hasher for PassThroughHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    // Required by the trait. `TableKey` writes one `u64`.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TableKey(Fingerprint);

impl Hash for TableKey {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0.table_hash());
    }
}

#[derive(Debug)]
struct TableShard<N> {
    entries: HashMap<TableKey, DatedEntry<N>, BuildHasherDefault<PassThroughHasher>>,
    /// Lower bound of all expiries.
    earliest_expiry: UnixSecond,
}

/// Times by fingerprint, in shards with a lock each.
#[derive(Debug)]
pub(super) struct TimestampTable<N>(LazyShards<RwLock<TableShard<N>>>);

impl<N: Copy> TimestampTable<N> {
    pub(super) fn new() -> Self {
        let shard = || {
            RwLock::new(TableShard {
                entries: HashMap::default(),
                earliest_expiry: UnixSecond::NEVER,
            })
        };
        Self(LazyShards::new(SHARD_BITS, shard))
    }

    pub(super) fn find(&self, name: Fingerprint, now: UnixSecond) -> Option<DatedEntry<N>> {
        let table = read(self.0.get(name.shard(SHARD_BITS))?);
        let dated = table.entries.get(&TableKey(name))?;
        // Checked here, because the sweep may remove the entry much later.
        (!dated.expiry.is_past(now)).then_some(*dated)
    }

    pub(super) fn upsert(&self, name: Fingerprint, dated: DatedEntry<N>) {
        let mut table = write(self.0.get_or_create(name.shard(SHARD_BITS)));
        table.earliest_expiry = table.earliest_expiry.min(dated.expiry);
        table
            .entries
            .entry(TableKey(name))
            .and_modify(|existing| existing.merge(&dated))
            .or_insert(dated);
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| read(shard).entries.len()).sum()
    }

    /// Approximate memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        // A hash table takes one control byte for each bucket.
        let bucket = size_of::<(TableKey, DatedEntry<N>)>() + 1;
        let capacities = self.0.iter().map(|shard| read(shard).entries.capacity());
        // A table counts as full at seven eighths of its buckets.
        self.0.bytes() + capacities.sum::<usize>() * 8 / 7 * bucket
    }
}

// A poisoned lock is used on: no panic in this file can leave a table half changed.
fn read<N>(shard: &RwLock<TableShard<N>>) -> RwLockReadGuard<'_, TableShard<N>> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<N>(shard: &RwLock<TableShard<N>>) -> RwLockWriteGuard<'_, TableShard<N>> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

impl<N: Copy> SweepableShards for TimestampTable<N> {
    fn shard_count(&self) -> usize {
        self.0.len()
    }

    fn sweep_shard(&self, shard: usize, now: UnixSecond) -> SweepStep {
        // Under the read lock, so that a shard without expired entries blocks no reader.
        let is_due = |shard: &&RwLock<TableShard<N>>| read(shard).earliest_expiry.is_past(now);
        let Some(shard) = self.0.get(shard).filter(is_due) else {
            return SweepStep::EMPTY;
        };
        let mut table = write(shard);
        let (before, mut earliest) = (table.entries.len(), UnixSecond::NEVER);
        table.entries.retain(|_, dated| {
            let is_alive = !dated.expiry.is_past(now);
            if is_alive {
                earliest = earliest.min(dated.expiry);
            }
            is_alive
        });
        table.earliest_expiry = earliest;
        let remaining = table.entries.len();
        // Shrinks late and to twice the need, so that a table that grows again does not move at once.
        if table.entries.capacity() > 4 * remaining {
            table.entries.shrink_to(2 * remaining);
        }
        SweepStep {
            examined: before,
            forgotten: before - remaining,
        }
    }
}
