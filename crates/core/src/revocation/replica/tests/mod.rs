//! Tests of the replica alone: single promises, a comparison with plain maps, and many threads.

mod examples;
mod model;
mod runs;
mod threads;

use jiff::Timestamp;

use super::Replica;
use crate::identity::Subject;
use crate::revocation::{CutoffExemption, JournalEntry, Revocation, RevocationReason};
use crate::verdict::{RevocationKey, TokenKey};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn replica() -> Replica {
    Replica::new(*b"a secret, random")
}

fn token(name: &str) -> RevocationKey {
    RevocationKey::Token(TokenKey::from_jti(name))
}

fn revoked(
    key: RevocationKey,
    cutoff: Option<i64>,
    reason: RevocationReason,
    expires_at: i64,
) -> JournalEntry {
    JournalEntry::Revoked(Revocation {
        key,
        cutoff: cutoff.map(at),
        reason,
        revoked_at: at(0),
        expires_at: at(expires_at),
        token_expires_at: None,
        subject: None,
    })
}

fn exempted(key: RevocationKey, began_at: i64, expires_at: i64) -> JournalEntry {
    JournalEntry::Exempted(CutoffExemption {
        key,
        began_at: at(began_at),
        expires_at: at(expires_at),
        subject: Some(Subject::of_default("u")),
    })
}

/// Sweeps every shard once.
fn sweep_all(replica: &Replica, now: i64) -> usize {
    replica.sweep(at(now), usize::MAX)
}
