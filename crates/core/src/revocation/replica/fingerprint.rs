//! Fingerprint of a name in the replica: a keyed hash, so that no client can choose names that collide.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::compact_record::RecordName;
use crate::identity::Issuer;
use crate::verdict::{CutoffScope, RevocationKey};

/// Low bits of a fingerprint. They contain the kind of the name, so that names of two kinds never collide.
const KIND_BITS: u32 = 2;
const TOKEN: u128 = 0;
const SESSION: u128 = 1;
const CUTOFF: u128 = 2;

/// Keyed 128-bit hash of a name. It is valid only in the [`Replica`](super::Replica) that computed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u128);

/// Keyed hash function: SipHash-2-4 with 128 bits, a pseudo-random function without the secret.
pub(super) struct FingerprintHasher {
    keyed: SipHasher24,
    /// Every credential has it among its names, so it is computed once.
    everything: Fingerprint,
}

impl FingerprintHasher {
    pub(super) fn with_secret(secret: &[u8; 16]) -> Self {
        let keyed = SipHasher24::new_with_key(secret);
        Self {
            keyed,
            everything: keyed_hash(keyed, CUTOFF, b'e', ""),
        }
    }

    /// Fingerprint of a key.
    pub(super) fn fingerprint(&self, key: &RevocationKey) -> Fingerprint {
        match key {
            RevocationKey::Token(token) => keyed_hash(self.keyed, TOKEN, b't', token.as_str()),
            RevocationKey::Session(id) => keyed_hash(self.keyed, SESSION, b's', id),
            RevocationKey::Cutoff(scope) => self.fingerprint_of_scope(scope),
        }
    }

    /// Fingerprint of the cut-off of a scope.
    pub(super) fn fingerprint_of_scope(&self, scope: &CutoffScope) -> Fingerprint {
        match scope {
            CutoffScope::User(user) => self.fingerprint_at_issuer(b'u', &user.issuer, &user.id),
            CutoffScope::Client(id) => keyed_hash(self.keyed, CUTOFF, b'c', id),
            CutoffScope::Issuer(id) => keyed_hash(self.keyed, CUTOFF, b'i', id),
            CutoffScope::UpstreamSession(session) => {
                self.fingerprint_at_issuer(b's', &session.issuer, &session.sid)
            }
            CutoffScope::Everything => self.everything,
        }
    }

    /// Fingerprint of the cut-off of an id at an issuer. `prefix` is a small letter.
    fn fingerprint_at_issuer(&self, prefix: u8, issuer: &Issuer, id: &str) -> Fingerprint {
        let Some(name) = issuer.name() else {
            return keyed_hash(self.keyed, CUTOFF, prefix, id);
        };
        // Hashed in parts and not as the one text form, which would be allocated for each lookup. The capital
        // letter sets it apart from the default issuer, and 0xff is in no text, so no two pairs give one input.
        let mut hasher = self.keyed;
        hasher.write(&[prefix.to_ascii_uppercase()]);
        hasher.write(name.as_bytes());
        hasher.write(&[0xff]);
        keyed_hash(hasher, CUTOFF, b':', id)
    }
}

/// Hashes with a copy of the keyed state. One byte for the kind, then the whole name: no two keys give the same
/// input.
fn keyed_hash(mut hasher: SipHasher24, kind: u128, prefix: u8, name: &str) -> Fingerprint {
    hasher.write(&[prefix]);
    hasher.write(name.as_bytes());
    // The kind replaces two bits of the hash, which leaves 126.
    Fingerprint(hasher.finish128().as_u128() >> KIND_BITS << KIND_BITS | kind)
}

impl Fingerprint {
    /// Returns true for the cut-off of a scope.
    pub(super) fn is_cutoff(self) -> bool {
        self.0 & ((1 << KIND_BITS) - 1) == CUTOFF
    }

    /// Number of its shard among `2^bits`: the topmost bits of the hash.
    pub(super) fn shard(self, bits: u32) -> usize {
        // At most 15 bits are left, so the cast loses none.
        (self.0 >> (u128::BITS - bits)) as usize
    }

    /// Part of the fingerprint that a record stores in a shard of the topmost `shard_bits`: the 92 bits after
    /// them.
    #[expect(clippy::cast_possible_truncation, reason = "the hash is cut into its parts")]
    pub(super) fn record_name(self, shard_bits: u32) -> RecordName {
        let hash = self.0 << shard_bits;
        // `SESSION` is the lowest bit, and the kind here is a token or a session.
        RecordName::new((hash >> 64) as u64, (hash >> 32) as u32, self.0 & SESSION != 0)
    }

    /// Hash for a hash table inside a shard of at most 32 of the topmost bits: 64 bits below those.
    #[expect(clippy::cast_possible_truncation, reason = "the hash is cut into its parts")]
    pub(super) fn table_hash(self) -> u64 {
        (self.0 >> 32) as u64
    }
}
