//! Table of tokens and sessions revoked by name, which are most of the entries.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::arena::BlockArena;
use super::compact_record::CompactRecord;
use super::fingerprint::Fingerprint;
use super::lazy_shards::LazyShards;
use super::sorted_run::SortedRun;
use super::sweep::{SweepStep, SweepableShards};
use super::unix_second::UnixSecond;
use crate::revocation::RevocationReason;

/// 32,768 shards of one cache line each. Ten million records give some 300 in each, which an insertion moves,
/// and a sweep reads, in a microsecond or two.
const SHARD_BITS: u32 = 15;
/// Number of write locks; several shards share one. Two writers rarely wait for each other, and readers take
/// none.
const WRITE_LOCKS: usize = 256;

/// Revocations by name, in shards that are read without a lock.
#[derive(Debug)]
pub(super) struct NamedRevocations {
    runs: LazyShards<SortedRun>,
    write_locks: Box<[Mutex<()>]>,
    arena: BlockArena,
}

/// Totals over all shards.
#[derive(Debug, Default)]
pub(super) struct NamedCount {
    pub(super) tokens: usize,
    pub(super) sessions: usize,
    pub(super) bytes: usize,
}

impl NamedRevocations {
    pub(super) fn new() -> Self {
        Self {
            runs: LazyShards::new(SHARD_BITS, SortedRun::new),
            write_locks: (0..WRITE_LOCKS).map(|_| Mutex::new(())).collect(),
            arena: BlockArena::new(),
        }
    }

    pub(super) fn find(&self, name: Fingerprint, now: UnixSecond) -> Option<RevocationReason> {
        let run = self.runs.get(name.shard(SHARD_BITS))?;
        let record = run.find(&self.arena, name.record_name(SHARD_BITS))?;
        // Checked here, because the sweep may remove the record much later.
        (!record.expiry().is_past(now)).then(|| record.reason())
    }

    /// Fetches the memory that [`find`](Self::find) reads.
    pub(super) fn prefetch(&self, name: Fingerprint) {
        if let Some(run) = self.runs.get(name.shard(SHARD_BITS)) {
            run.prefetch(&self.arena, name.record_name(SHARD_BITS));
        }
    }

    pub(super) fn upsert(&self, name: Fingerprint, expiry: UnixSecond, reason: RevocationReason) {
        let (shard, name) = (name.shard(SHARD_BITS), name.record_name(SHARD_BITS));
        let _write_lock = self.lock_shard(shard);
        let run = self.runs.get_or_create(shard);
        run.upsert(&self.arena, name, CompactRecord::new(name, expiry, reason));
    }

    pub(super) fn count(&self) -> NamedCount {
        let mut count = NamedCount {
            bytes: self.runs.bytes() + size_of_val(&*self.write_locks) + self.arena.bytes(),
            ..NamedCount::default()
        };
        for run in self.runs.iter() {
            // Without a lock, the two are read at different times: `min` keeps the difference from being
            // negative.
            let sessions = run.sessions().min(run.len());
            count.sessions += sessions as usize;
            count.tokens += (run.len() - sessions) as usize;
        }
        count
    }

    /// Locks a shard for writing. [`SortedRun`] requires that only one thread writes at a time.
    fn lock_shard(&self, shard: usize) -> MutexGuard<'_, ()> {
        // A poisoned lock is used on: the write guard of the run ends the write also in a panic.
        self.write_locks[shard % WRITE_LOCKS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl SweepableShards for NamedRevocations {
    fn shard_count(&self) -> usize {
        self.runs.len()
    }

    fn sweep_shard(&self, shard: usize, now: UnixSecond) -> SweepStep {
        let Some(run) = self.runs.get(shard).filter(|run| run.is_due(now)) else {
            return SweepStep::EMPTY;
        };
        let _write_lock = self.lock_shard(shard);
        SweepStep {
            examined: run.len() as usize,
            forgotten: run.remove_expired(&self.arena, now) as usize,
        }
    }
}
