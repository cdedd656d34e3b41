//! Record of one revocation by name, in sixteen bytes.

use std::cmp::Ordering;

use super::unix_second::UnixSecond;
use crate::revocation::RevocationReason;

/// Bits of the hash in the second word.
const TAG_BITS: u32 = 28;
const REASON_BITS: u32 = 3;
const EXPIRY_BITS: u32 = 32;
/// First bit of the name in the second word. Reason and expiry are below it.
const NAME_SHIFT: u32 = REASON_BITS + EXPIRY_BITS;

/// Part of a fingerprint that a record stores: 92 bits of the hash, and a bit that is set for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RecordName {
    /// Sort key of the records: 64 bits of the hash.
    pub(super) order: u64,
    /// Further bits of the hash, then one bit for the kind.
    rest: u32,
}

impl RecordName {
    /// Name from 64 bits of the hash and the low 28 bits of `tag`.
    pub(super) fn new(order: u64, tag: u32, session: bool) -> Self {
        let tag = tag & ((1 << TAG_BITS) - 1);
        Self {
            order,
            rest: tag << 1 | u32::from(session),
        }
    }
}

/// A name with the reason and the expiry of its revocation.
///
/// ```text
/// word 0: hash (64)
/// word 1: hash (28) | is a session (1) | expiry, in seconds (32) | reason (3)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CompactRecord([u64; 2]);

impl CompactRecord {
    /// Value for a reader that a write overtook. It is never returned.
    pub(super) const TORN_READ: Self = Self([0; 2]);

    pub(super) fn from_words(words: [u64; 2]) -> Self {
        Self(words)
    }

    pub(super) fn into_words(self) -> [u64; 2] {
        self.0
    }

    pub(super) fn new(name: RecordName, expiry: UnixSecond, reason: RevocationReason) -> Self {
        let name_bits = u64::from(name.rest) << NAME_SHIFT;
        let expiry_bits = u64::from(expiry.as_u32()) << REASON_BITS;
        Self([name.order, name_bits | expiry_bits | reason_code(reason)])
    }

    pub(super) fn compare(&self, name: RecordName) -> Ordering {
        let Self([order, word]) = *self;
        // By the name alone: expiry and reason are shifted out.
        order
            .cmp(&name.order)
            .then_with(|| (word >> NAME_SHIFT).cmp(&u64::from(name.rest)))
    }

    pub(super) fn is_session(&self) -> bool {
        self.0[1] >> NAME_SHIFT & 1 == 1
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the 32 bits that are left are the expiry"
    )]
    pub(super) fn expiry(&self) -> UnixSecond {
        UnixSecond::from_u32((self.0[1] >> REASON_BITS) as u32)
    }

    pub(super) fn reason(&self) -> RevocationReason {
        reason_from_code(self.0[1] & ((1 << REASON_BITS) - 1))
    }

    /// Returns the one of two records of one name that expires later; `self` if both expire together.
    pub(super) fn max_by_expiry(self, other: Self) -> Self {
        if other.expiry() > self.expiry() {
            other
        } else {
            self
        }
    }
}

// Three bits, all of them used. A logout that the provider asked for is read back as a logout.
fn reason_code(reason: RevocationReason) -> u64 {
    match reason {
        RevocationReason::Other => 0,
        RevocationReason::Revoked => 1,
        RevocationReason::Logout | RevocationReason::ProviderLogout => 2,
        RevocationReason::LogoutAll => 3,
        RevocationReason::SessionTerminated => 4,
        RevocationReason::RefreshReuse => 5,
        RevocationReason::Admin => 6,
        RevocationReason::SessionRotated => 7,
    }
}

/// Reasons by their codes. A table, because a lookup that finds something reads it and a `match` of eight arms is a
/// jump.
const REASONS: [RevocationReason; 8] = [
    RevocationReason::Other,
    RevocationReason::Revoked,
    RevocationReason::Logout,
    RevocationReason::LogoutAll,
    RevocationReason::SessionTerminated,
    RevocationReason::RefreshReuse,
    RevocationReason::Admin,
    RevocationReason::SessionRotated,
];

fn reason_from_code(code: u64) -> RevocationReason {
    REASONS[(code & 7) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_returns_what_was_stored() {
        for reason in RevocationReason::ALL {
            for (expiry, session) in [(1, false), (1_700_000_000, true), (u32::MAX, false)] {
                let name = RecordName::new(u64::MAX - 7, u32::MAX, session);
                let record = CompactRecord::new(name, UnixSecond::from_u32(expiry), reason);
                assert_eq!(record.compare(name), Ordering::Equal);
                assert_eq!(record.expiry(), UnixSecond::from_u32(expiry));
                let read_back = match reason {
                    RevocationReason::ProviderLogout => RevocationReason::Logout,
                    reason => reason,
                };
                assert_eq!((record.reason(), record.is_session()), (read_back, session));
            }
        }
    }

    #[test]
    fn expiry_and_reason_are_no_part_of_the_name() {
        let name = RecordName::new(5, 9, false);
        let long = CompactRecord::new(name, UnixSecond::from_u32(u32::MAX), RevocationReason::Admin);
        assert_eq!(long.compare(name), Ordering::Equal);
        assert_eq!(long.compare(RecordName::new(5, 10, false)), Ordering::Less);
        assert_eq!(long.compare(RecordName::new(5, 9, true)), Ordering::Less);
        assert_eq!(long.compare(RecordName::new(5, 8, true)), Ordering::Greater);
        assert_eq!(long.compare(RecordName::new(4, 99, true)), Ordering::Greater);
    }
}
