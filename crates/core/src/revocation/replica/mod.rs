//! An exact index of what is revoked, in memory: what a request asks instead of the store.
//!
//! It holds no connection and no clock. Whoever feeds it the journal's entries and keeps the lease decides when it may
//! be believed; see `docs/REVOCATION.md`.
//!
//! # What "exact" means here
//!
//! A name is known by its [`Fingerprint`], SipHash-2-4 of kind and name with 128 bits, under a secret that is drawn
//! anew in every process and never shown. Of it the index compares, for a token or a session, 107 bits (15 by the
//! shard, 92 in the record) and the kind; for a cut-off or a spare, 126 bits and the kind. Nothing that was recorded
//! is ever missed: equal names have equal fingerprints. The other way round, a name that is not revoked is taken for
//! a revoked one only if all 107 bits are equal. With ten million names recorded that has the probability
//! 10⁷ / 2¹⁰⁷ ≈ 6 · 10⁻²⁶ for each name that is asked about: a gateway that sees a million *new* tokens a second
//! for ten years has a chance of 2 · 10⁻¹¹ of ever refusing one wrongly, far below that of a memory error.
//!
//! For invariant I5 (no false, wider or shortened revocation) chance is not enough: nobody may be able to bring it
//! about. The hash is a pseudo-random function of a secret that no answer, log or key ever carries, and the same names
//! fall differently in each process. So the bound above holds for chosen names as well as for random ones, and a hit
//! needs no confirming read. By the same token nobody can choose names that pile up in one place and make it slow.
//!
//! Expiries are kept in seconds, rounded up: an entry may be remembered for less than a second longer than it was
//! recorded to be, and is never forgotten sooner.
//!
//! # Memory
//!
//! Sixteen bytes for a token or a session, in blocks of 32, the last of which is half empty on average in each of 32,768
//! shards: 17.2 bytes for each of ten million, more for fewer. Shards are made when they are first written to, so that an
//! empty index takes half a megabyte. Blocks that a sweep frees serve again; they are not returned to the allocator, so
//! that a reader needs no lock.

mod arena;
mod blocks;
mod changes;
mod fingerprint;
mod ledger;
mod moment;
mod named;
mod record;
mod run;
mod shards;
mod sweep;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;

use changes::Changes;
pub(super) use changes::{Edition, Places};
pub use fingerprint::Fingerprint;
use fingerprint::Fingerprints;
use ledger::{Dated, Ledger};
use moment::Second;
use named::Named;
use sweep::Broom;

use super::key::{Party, RevocationKey};
use super::record::{JournalEntry, Reason, Revocation, Spare};
use super::store::Found;

/// The index: read and written by any number of threads at once, each operation within microseconds.
pub struct Replica {
    fingerprints: Fingerprints,
    named: Named,
    cutoffs: Ledger<Reason>,
    spares: Ledger<()>,
    changes: Changes,
    broom: Broom,
}

/// How much a replica holds, counting what has expired and was not swept yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaStats {
    /// Tokens revoked by name.
    pub tokens: usize,
    /// Sessions revoked by name.
    pub sessions: usize,
    /// Parties with a cut-off.
    pub cutoffs: usize,
    /// Logins spared from cut-offs.
    pub spares: usize,
    /// Bytes of memory that the index occupies, as it counts itself, without what the allocator adds.
    pub bytes: usize,
}

impl Replica {
    /// An empty index. `secret` keys its hash: random, of this process alone, shown to nobody.
    pub fn new(secret: [u8; 16]) -> Self {
        Self {
            fingerprints: Fingerprints::keyed(&secret),
            named: Named::new(),
            cutoffs: Ledger::new(),
            spares: Ledger::new(),
            changes: Changes::new(),
            broom: Broom::default(),
        }
    }

    /// The fingerprint by which this replica knows the name.
    pub fn fingerprint(&self, key: &RevocationKey) -> Fingerprint {
        self.fingerprints.of(key)
    }

    /// That of a party's cut-off.
    pub(in crate::revocation) fn fingerprint_of_party(&self, party: &Party) -> Fingerprint {
        self.fingerprints.of_party(party)
    }

    /// What stands recorded of a token, a session or a party.
    pub fn revoked(&self, name: Fingerprint, now: Timestamp) -> Option<Found> {
        let now = Second::of_present(now);
        if name.is_party() {
            let cutoff = self.cutoffs.find(name, now)?;
            return Some(Found {
                reason: cutoff.note,
                cutoff: Some(cutoff.at),
            });
        }
        let reason = self.named.find(name, now)?;
        Some(Found { reason, cutoff: None })
    }

    /// The same for several names, in that order. With many entries a look-up mostly waits for main memory; here
    /// they wait for it together, so that a request with a handful of names waits about once.
    pub fn revoked_all<'a>(
        &'a self,
        names: &'a [Fingerprint],
        now: Timestamp,
    ) -> impl Iterator<Item = Option<Found>> + 'a {
        for name in names.iter().filter(|name| !name.is_party()) {
            self.named.fetch(*name);
        }
        names.iter().map(move |name| self.revoked(*name, now))
    }

    /// The edition that a look-up made now is of at least.
    pub(super) fn edition(&self) -> Edition {
        self.changes.latest()
    }

    /// Whether something may have been recorded since that edition of one of the names that have these places. Where nothing
    /// was, what a look-up of that edition found is all that there is, if not less: what expires is gone.
    pub(super) fn changed_since(&self, places: &Places, edition: Edition) -> bool {
        self.changes.any_since(places, edition)
    }

    /// Since when the login that this token or session belongs to is spared from cut-offs, if it is.
    pub fn spared(&self, name: Fingerprint, now: Timestamp) -> Option<Timestamp> {
        self.spares
            .find(name, Second::of_present(now))
            .map(|spare| spare.at)
    }

    /// Takes in one entry of the journal; any number of times, in any order.
    ///
    /// Where something stands already, the later cut-off, the later expiry and the later `began_at` stay: nothing is
    /// ever narrowed. The reason is that of the later cut-off or, of what is revoked by name, of the later expiry.
    pub fn apply(&self, entry: &JournalEntry) {
        let name = match entry {
            JournalEntry::Revoked(revocation) => self.revoke(revocation),
            JournalEntry::Spared(spare) => self.spare(spare),
        };
        self.changes.note(name);
    }

    fn revoke(&self, revocation: &Revocation) -> Fingerprint {
        let name = self.fingerprint(&revocation.key);
        let expiry = Second::of_expiry(revocation.expires_at);
        if !revocation.key.is_cutoff() {
            self.named.put(name, expiry, revocation.reason);
            return name;
        }
        let cutoff = Dated {
            // A cut-off that names no moment can only mean the one at which it was recorded.
            at: revocation.cutoff.unwrap_or(revocation.revoked_at),
            note: revocation.reason,
            expiry,
        };
        self.cutoffs.put(name, cutoff);
        name
    }

    fn spare(&self, spare: &Spare) -> Fingerprint {
        let name = self.fingerprint(&spare.key);
        let dated = Dated {
            at: spare.began_at,
            note: (),
            expiry: Second::of_expiry(spare.expires_at),
        };
        self.spares.put(name, dated);
        name
    }

    /// Forgets what has expired, in a step of about `budget` entries; how many were forgotten. It goes on where the
    /// last call ended, and passes through everything once at most. Meant to be called again and again in the
    /// background: each lock is held for one shard's few hundred entries.
    pub fn sweep(&self, now: Timestamp, budget: usize) -> usize {
        self.broom.sweep(
            &[&self.named, &self.cutoffs, &self.spares],
            Second::of_present(now),
            budget,
        )
    }

    /// How much there is. It visits every shard, a fraction of a millisecond in all: for metrics, not for requests.
    pub fn stats(&self) -> ReplicaStats {
        let named = self.named.count();
        ReplicaStats {
            tokens: named.tokens,
            sessions: named.sessions,
            cutoffs: self.cutoffs.len(),
            spares: self.spares.len(),
            bytes: named.bytes + self.cutoffs.bytes() + self.spares.bytes() + self.changes.bytes(),
        }
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the secret nor what can be millions of entries.
        f.debug_struct("Replica").finish_non_exhaustive()
    }
}
