//! Tokens and sessions revoked by name: the mass of what is revoked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::arena::Arena;
use super::fingerprint::Fingerprint;
use super::moment::Second;
use super::record::Record;
use super::run::Run;
use super::shards::Shards;
use super::sweep::{Sweepable, Swept};
use crate::revocation::Reason;

/// 32,768 shards of one cache line: with ten million records there are some 300 in each, which an insertion moves and a
/// sweep reads within a microsecond or two.
const SHARD_BITS: u32 = 15;
/// Shards take turns in so many groups: two writers seldom wait for each other, and readers for none.
const TURNS: usize = 256;

/// Revocations by name, in shards that are read without a lock.
#[derive(Debug)]
pub(super) struct Named {
    runs: Shards<Run>,
    turns: Box<[Mutex<()>]>,
    arena: Arena,
}

/// What they add up to.
#[derive(Debug, Default)]
pub(super) struct NamedCount {
    pub(super) tokens: usize,
    pub(super) sessions: usize,
    pub(super) bytes: usize,
}

impl Named {
    pub(super) fn new() -> Self {
        Self {
            runs: Shards::new(SHARD_BITS, Run::new),
            turns: (0..TURNS).map(|_| Mutex::new(())).collect(),
            arena: Arena::new(),
        }
    }

    pub(super) fn find(&self, name: Fingerprint, now: Second) -> Option<Reason> {
        let run = self.runs.get(name.shard(SHARD_BITS))?;
        let record = run.find(&self.arena, name.name(SHARD_BITS))?;
        (!record.expiry().is_past(now)).then(|| record.reason())
    }

    /// Has the memory fetched in which [`find`](Self::find) will read.
    pub(super) fn fetch(&self, name: Fingerprint) {
        if let Some(run) = self.runs.get(name.shard(SHARD_BITS)) {
            run.fetch(&self.arena, name.name(SHARD_BITS));
        }
    }

    pub(super) fn put(&self, name: Fingerprint, expiry: Second, reason: Reason) {
        let (shard, name) = (name.shard(SHARD_BITS), name.name(SHARD_BITS));
        let _turn = self.turn(shard);
        let run = self.runs.made(shard);
        run.put(&self.arena, name, Record::new(name, expiry, reason));
    }

    pub(super) fn count(&self) -> NamedCount {
        let mut count = NamedCount {
            bytes: self.runs.bytes() + size_of_val(&*self.turns) + self.arena.bytes(),
            ..NamedCount::default()
        };
        for run in self.runs.iter() {
            // The two are read at different moments.
            let sessions = run.sessions().min(run.len());
            count.sessions += sessions as usize;
            count.tokens += (run.len() - sessions) as usize;
        }
        count
    }

    /// Only who holds it writes to the shard.
    fn turn(&self, shard: usize) -> MutexGuard<'_, ()> {
        self.turns[shard % TURNS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sweepable for Named {
    fn shards(&self) -> usize {
        self.runs.len()
    }

    fn sweep_shard(&self, shard: usize, now: Second) -> Swept {
        let Some(run) = self.runs.get(shard).filter(|run| run.is_due(now)) else {
            return Swept::NOTHING;
        };
        let _turn = self.turn(shard);
        Swept {
            examined: run.len() as usize,
            forgotten: run.forget(&self.arena, now) as usize,
        }
    }
}
