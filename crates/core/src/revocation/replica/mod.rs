//! The replica: an exact index of all revocations in memory, which requests read instead of the store.
//!
//! It has no connection and no clock. The lease decides when it may answer; see `docs/REVOCATION.md`.
//!
//! # What "exact" means here
//!
//! The index knows a name by its [`Fingerprint`]: SipHash-2-4 of kind and name with 128 bits, under a secret
//! that each process draws anew and never shows. For a token or a session it compares 107 bits (15 by the
//! shard, 92 in the record) and the kind; for a cut-off or an exemption, 126 bits and the kind. No recorded
//! name is ever missed, because equal names have equal fingerprints. A name that is not revoked is taken for
//! a revoked one only if all 107 bits are equal. With ten million recorded names that has the probability
//! 10⁷ / 2¹⁰⁷ ≈ 6 · 10⁻²⁶ for each lookup of a new name. A gateway that sees a million *new* tokens a second for
//! ten years has a chance of 2 · 10⁻¹¹ of ever refusing one wrongly, far below that of a memory error.
//!
//! Invariant I5 (no false, wider or shortened revocation) needs more than a low probability: an attacker must
//! not be able to raise it. The hash is a pseudo-random function of a secret that no answer, log or key
//! contains, and differs in each process. So the bound holds for chosen names too, and a hit needs no
//! confirming read. For the same reason an attacker cannot choose names that fall into one shard and make it
//! slow.
//!
//! Expiries are stored in seconds, rounded up: an entry lives less than a second longer than recorded, and
//! never shorter.
//!
//! # Memory
//!
//! Sixteen bytes for a token or a session, in blocks of 32. In each of 32,768 shards the last block is half
//! empty on average: 17.2 bytes for each of ten million, more for fewer. Shards are allocated when they are
//! first written to, so that an empty index takes half a megabyte. Blocks that a sweep frees are used again.
//! They are not returned to the allocator, so that a reader needs no lock.

mod arena;
mod block_list;
mod change_log;
mod compact_record;
mod fingerprint;
mod lazy_shards;
mod named_revocations;
mod seqlock;
mod sorted_run;
mod sweep;
#[cfg(test)]
mod tests;
mod timestamp_table;
mod unix_second;

use std::fmt;

use jiff::Timestamp;

use change_log::ChangeLog;
pub(super) use change_log::ChangeSeq;
pub use fingerprint::Fingerprint;
use fingerprint::FingerprintHasher;
use named_revocations::NamedRevocations;
use sweep::SweepCursor;
use timestamp_table::{DatedEntry, TimestampTable};
use unix_second::UnixSecond;

use super::journal_entry::{CutoffExemption, JournalEntry, Revocation};
use super::storage::FoundRevocation;
use crate::verdict::{ChangeSlots, CutoffScope, RevocationKey, RevocationReason};

/// The index. Any number of threads read and write it at once; each operation takes microseconds.
pub struct Replica {
    hasher: FingerprintHasher,
    named: NamedRevocations,
    cutoffs: TimestampTable<RevocationReason>,
    exemptions: TimestampTable<()>,
    changes: ChangeLog,
    sweep_cursor: SweepCursor,
}

/// Size of a replica, including entries that have expired and were not swept yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaStats {
    /// Number of tokens revoked by name.
    pub tokens: usize,
    /// Number of sessions revoked by name.
    pub sessions: usize,
    /// Number of cut-offs.
    pub cutoffs: usize,
    /// Number of logins that are exempt from cut-offs.
    pub exemptions: usize,
    /// Memory of the index in bytes, by its own count, without the allocator's overhead.
    pub bytes: usize,
}

impl Replica {
    /// An empty index. `secret` keys its hash: it must be random, differ in each process, and never be shown.
    pub fn new(secret: [u8; 16]) -> Self {
        Self {
            hasher: FingerprintHasher::with_secret(&secret),
            named: NamedRevocations::new(),
            cutoffs: TimestampTable::new(),
            exemptions: TimestampTable::new(),
            changes: ChangeLog::new(),
            sweep_cursor: SweepCursor::default(),
        }
    }

    /// Fingerprint of a key in this replica.
    pub fn fingerprint(&self, key: &RevocationKey) -> Fingerprint {
        self.hasher.fingerprint(key)
    }

    /// Fingerprint of the cut-off of a scope. Equals that of the key, without building one.
    pub(in crate::revocation) fn fingerprint_of_scope(&self, scope: &CutoffScope) -> Fingerprint {
        self.hasher.fingerprint_of_scope(scope)
    }

    /// Returns the revocation of a token or a session, or the cut-off of a scope.
    pub fn revoked(&self, name: Fingerprint, now: Timestamp) -> Option<FoundRevocation> {
        let now = UnixSecond::from_present(now);
        if name.is_cutoff() {
            let cutoff = self.cutoffs.find(name, now)?;
            return Some(FoundRevocation {
                reason: cutoff.payload,
                cutoff: Some(cutoff.at),
            });
        }
        let reason = self.named.find(name, now)?;
        Some(FoundRevocation { reason, cutoff: None })
    }

    /// Looks up several names, in their order. With many entries a lookup mostly waits for main memory. Here
    /// the lookups wait for it together, so that a request with a handful of names waits about once.
    pub fn revoked_all<'a>(
        &'a self,
        names: &'a [Fingerprint],
        now: Timestamp,
    ) -> impl Iterator<Item = Option<FoundRevocation>> + 'a {
        // Not the cut-offs: they are in hash tables behind locks, which cannot be prefetched.
        for name in names.iter().filter(|name| !name.is_cutoff()) {
            self.named.prefetch(*name);
        }
        names.iter().map(move |name| self.revoked(*name, now))
    }

    /// Sequence number of the latest change. A lookup that starts afterwards sees every change up to it.
    pub(super) fn change_seq(&self) -> ChangeSeq {
        self.changes.latest()
    }

    /// Returns true if an entry may have been recorded after `seq` under a name with one of these slots. If
    /// not, a lookup finds what the lookup as of `seq` found, or less, because entries expire.
    pub(super) fn changed_since(&self, slots: &ChangeSlots, seq: ChangeSeq) -> bool {
        self.changes.any_changed_since(slots, seq)
    }

    /// Returns the time since which the login of this token or session is exempt from cut-offs, if it is.
    pub fn exempt_since(&self, name: Fingerprint, now: Timestamp) -> Option<Timestamp> {
        self.exemptions
            .find(name, UnixSecond::from_present(now))
            .map(|exemption| exemption.at)
    }

    /// Applies one entry of the journal. The order does not matter, and repeats change nothing.
    ///
    /// If an entry exists, the later cut-off, the later expiry and the later `began_at` stay: nothing is ever
    /// narrowed. The reason is that of the later cut-off or, for a revocation by name, of the later expiry.
    pub fn apply(&self, entry: &JournalEntry) {
        let name = match entry {
            JournalEntry::Revoked(revocation) => self.apply_revocation(revocation),
            JournalEntry::Exempted(exemption) => self.apply_exemption(exemption),
        };
        // After the entry is in the index: a reader that sees this number must find the entry.
        self.changes.record(name);
    }

    fn apply_revocation(&self, revocation: &Revocation) -> Fingerprint {
        let name = self.fingerprint(&revocation.key);
        let expiry = UnixSecond::from_expiry(revocation.expires_at);
        if !revocation.key.is_cutoff() {
            self.named.upsert(name, expiry, revocation.reason);
            return name;
        }
        let cutoff = DatedEntry {
            // A cut-off without a time can only mean the time at which it was recorded.
            at: revocation.cutoff.unwrap_or(revocation.revoked_at),
            payload: revocation.reason,
            expiry,
        };
        self.cutoffs.upsert(name, cutoff);
        name
    }

    fn apply_exemption(&self, exemption: &CutoffExemption) -> Fingerprint {
        let name = self.fingerprint(&exemption.key);
        let dated = DatedEntry {
            at: exemption.began_at,
            payload: (),
            expiry: UnixSecond::from_expiry(exemption.expires_at),
        };
        self.exemptions.upsert(name, dated);
        name
    }

    /// Removes expired entries, in a step of about `budget` examined entries, and returns how many were
    /// removed. Each call continues where the last one ended and visits every shard at most once. Meant for a
    /// background task: each lock is held for the few hundred entries of one shard.
    pub fn sweep(&self, now: Timestamp, budget: usize) -> usize {
        self.sweep_cursor.sweep(
            &[&self.named, &self.cutoffs, &self.exemptions],
            UnixSecond::from_present(now),
            budget,
        )
    }

    /// Counts the entries. Visits every shard, which takes a fraction of a millisecond: for metrics, not for
    /// requests.
    pub fn stats(&self) -> ReplicaStats {
        let named = self.named.count();
        ReplicaStats {
            tokens: named.tokens,
            sessions: named.sessions,
            cutoffs: self.cutoffs.len(),
            exemptions: self.exemptions.len(),
            bytes: named.bytes + self.cutoffs.bytes() + self.exemptions.bytes() + self.changes.bytes(),
        }
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the secret nor the entries, of which there can be millions.
        f.debug_struct("Replica").finish_non_exhaustive()
    }
}
