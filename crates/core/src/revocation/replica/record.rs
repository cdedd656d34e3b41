//! One revocation by name, packed into sixteen bytes.

use std::cmp::Ordering;

use super::moment::Second;
use crate::revocation::Reason;

/// How many bits of the hash the second word keeps.
const TAG_BITS: u32 = 28;
const REASON_BITS: u32 = 3;
const EXPIRY_BITS: u32 = 32;
/// Below this bit lies what is recorded of the name, from it on the name itself.
const NAME_SHIFT: u32 = REASON_BITS + EXPIRY_BITS;

/// The part of a fingerprint that a record holds: 92 bits of the hash, and whether it names a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// What records are ordered by.
    pub(super) order: u64,
    /// The rest: bits of the hash, then one for the kind.
    rest: u32,
}

impl Name {
    /// `tag` gives its low 28 bits.
    pub(super) fn new(order: u64, tag: u32, session: bool) -> Self {
        let tag = tag & ((1 << TAG_BITS) - 1);
        Self {
            order,
            rest: tag << 1 | u32::from(session),
        }
    }
}

/// A name, why it is revoked, and until when that is remembered.
///
/// ```text
/// word 0: hash (64)
/// word 1: hash (28) | is a session (1) | expiry, in seconds (32) | reason (3)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record([u64; 2]);

impl Record {
    /// What a reader finds who was overtaken by a write.
    pub(super) const NONSENSE: Self = Self([0; 2]);

    pub(super) fn from_words(words: [u64; 2]) -> Self {
        Self(words)
    }

    pub(super) fn into_words(self) -> [u64; 2] {
        self.0
    }

    pub(super) fn new(name: Name, expiry: Second, reason: Reason) -> Self {
        let named = u64::from(name.rest) << NAME_SHIFT;
        let dated = u64::from(expiry.as_u32()) << REASON_BITS;
        Self([name.order, named | dated | code(reason)])
    }

    pub(super) fn compare(&self, name: Name) -> Ordering {
        let Self([order, word]) = *self;
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
    pub(super) fn expiry(&self) -> Second {
        Second::from_u32((self.0[1] >> REASON_BITS) as u32)
    }

    pub(super) fn reason(&self) -> Reason {
        reason(self.0[1] & ((1 << REASON_BITS) - 1))
    }

    /// The record that remembers longer, of two of the same name: the first where both end together.
    pub(super) fn or_longer(self, other: Self) -> Self {
        if other.expiry() > self.expiry() {
            other
        } else {
            self
        }
    }
}

fn code(reason: Reason) -> u64 {
    match reason {
        Reason::Other => 0,
        Reason::Revoked => 1,
        Reason::Logout => 2,
        Reason::LogoutAll => 3,
        Reason::SessionTerminated => 4,
        Reason::RefreshReuse => 5,
        Reason::Admin => 6,
    }
}

fn reason(code: u64) -> Reason {
    match code {
        1 => Reason::Revoked,
        2 => Reason::Logout,
        3 => Reason::LogoutAll,
        4 => Reason::SessionTerminated,
        5 => Reason::RefreshReuse,
        6 => Reason::Admin,
        _ => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_back_what_was_packed() {
        for reason in [
            Reason::Revoked,
            Reason::Logout,
            Reason::LogoutAll,
            Reason::SessionTerminated,
            Reason::RefreshReuse,
            Reason::Admin,
            Reason::Other,
        ] {
            for (expiry, session) in [(1, false), (1_700_000_000, true), (u32::MAX, false)] {
                let name = Name::new(u64::MAX - 7, u32::MAX, session);
                let record = Record::new(name, Second::from_u32(expiry), reason);
                assert_eq!(record.compare(name), Ordering::Equal);
                assert_eq!(record.expiry(), Second::from_u32(expiry));
                assert_eq!((record.reason(), record.is_session()), (reason, session));
            }
        }
    }

    #[test]
    fn what_is_recorded_of_a_name_is_no_part_of_it() {
        let name = Name::new(5, 9, false);
        let long = Record::new(name, Second::from_u32(u32::MAX), Reason::Admin);
        assert_eq!(long.compare(name), Ordering::Equal);
        assert_eq!(long.compare(Name::new(5, 10, false)), Ordering::Less);
        assert_eq!(long.compare(Name::new(5, 9, true)), Ordering::Less);
        assert_eq!(long.compare(Name::new(5, 8, true)), Ordering::Greater);
        assert_eq!(long.compare(Name::new(4, 99, true)), Ordering::Greater);
    }
}
