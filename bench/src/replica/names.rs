//! Names of tokens and their revocations, the same in every run.

use std::time::Duration;

use jiff::Timestamp;
use maxlab_auth_core::clock;
use maxlab_auth_core::revocation::{JournalEntry, Revocation, RevocationReason};
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};

/// Time at which a measurement begins.
pub(super) const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// Seconds over which the expiries of the first entries are spread evenly.
pub(super) const SPREAD: u64 = 200;

/// Returns a pseudo-random number for each number (SplitMix64).
pub(crate) fn scattered(number: u64) -> u64 {
    let mut z = number
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Returns the key of a token whose `jti` has the usual length.
pub(super) fn token(lead: &str, number: u64) -> RevocationKey {
    RevocationKey::Token(TokenKey::from_jti(&format!(
        "{lead}-{:016x}-{number:08x}",
        scattered(number)
    )))
}

/// Returns the key of the revoked token with this number.
pub(super) fn revoked(number: u64) -> RevocationKey {
    token("revoked", number)
}

/// Returns a revocation of the key that expires `life` seconds after the start.
pub(super) fn revocation(key: RevocationKey, life: u64) -> JournalEntry {
    JournalEntry::Revoked(Revocation {
        key,
        cutoff: None,
        reason: RevocationReason::Logout,
        // A fixed time, the same in every run.
        revoked_at: START,
        expires_at: clock::after(START, Duration::from_secs(life)),
        token_expires_at: None,
        subject: None,
    })
}
