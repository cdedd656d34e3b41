//! How the replica knows a name: by a keyed hash, so that nobody outside can choose names that meet.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::record::Name;
use crate::revocation::{Party, RevocationKey};

/// The low bits, which say what kind of name it is, so that kinds never meet.
const KIND_BITS: u32 = 2;
const TOKEN: u128 = 0;
const SESSION: u128 = 1;
const PARTY: u128 = 2;

/// A name as the replica knows it: a keyed 128-bit hash, made once per verdict and not per request.
///
/// It means something to the [`Replica`](super::Replica) that made it, and to no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u128);

/// The key of the hash: SipHash-2-4 with 128 bits, a pseudo-random function to whoever does not know the secret.
pub(super) struct Fingerprints(SipHasher24);

impl Fingerprints {
    pub(super) fn keyed(secret: &[u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(secret))
    }

    /// What is hashed is one byte for the kind and then the name, whole: no two keys give the same bytes.
    pub(super) fn of(&self, key: &RevocationKey) -> Fingerprint {
        match key {
            RevocationKey::Token(token) => self.keyed_hash(TOKEN, b't', token.as_str()),
            RevocationKey::Session(id) => self.keyed_hash(SESSION, b's', id),
            RevocationKey::Before(party) => self.of_party(party),
        }
    }

    /// That of a party's cut-off.
    pub(super) fn of_party(&self, party: &Party) -> Fingerprint {
        let (lead, name) = match party {
            Party::User(id) => (b'u', id),
            Party::Client(id) => (b'c', id),
            Party::Issuer(id) => (b'i', id),
        };
        self.keyed_hash(PARTY, lead, name)
    }

    fn keyed_hash(&self, kind: u128, lead: u8, name: &str) -> Fingerprint {
        let mut hasher = self.0;
        hasher.write(&[lead]);
        hasher.write(name.as_bytes());
        Fingerprint(hasher.finish128().as_u128() >> KIND_BITS << KIND_BITS | kind)
    }
}

impl Fingerprint {
    /// Whether it names a party, of whom there are cut-offs.
    pub(super) fn is_party(self) -> bool {
        self.0 & ((1 << KIND_BITS) - 1) == PARTY
    }

    /// Which of `2^bits` shards it belongs to: by the topmost bits of the hash.
    pub(super) fn shard(self, bits: u32) -> usize {
        (self.0 >> (u128::BITS - bits)) as usize
    }

    /// What a record holds of it, in a shard that is chosen by the topmost `shard_bits`: the 92 bits after them.
    #[expect(clippy::cast_possible_truncation, reason = "the hash is cut into its parts")]
    pub(super) fn name(self, shard_bits: u32) -> Name {
        let hash = self.0 << shard_bits;
        Name::new((hash >> 64) as u64, (hash >> 32) as u32, self.0 & SESSION != 0)
    }

    /// Sixty-four bits for a hash table inside a shard that is chosen by at most 32 of the topmost bits.
    #[expect(clippy::cast_possible_truncation, reason = "the hash is cut into its parts")]
    pub(super) fn for_table(self) -> u64 {
        (self.0 >> 32) as u64
    }
}
