//! The replica by itself, against a plain map, and under many threads.

mod examples;
mod model;
mod runs;
mod threads;

use jiff::Timestamp;

use super::Replica;
use crate::revocation::{JournalEntry, Reason, Revocation, RevocationKey, Spare, TokenKey};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn replica() -> Replica {
    Replica::new(*b"a secret, random")
}

fn token(name: &str) -> RevocationKey {
    RevocationKey::Token(TokenKey::from_jti(name))
}

fn revoked(key: RevocationKey, cutoff: Option<i64>, reason: Reason, expires_at: i64) -> JournalEntry {
    JournalEntry::Revoked(Revocation {
        key,
        cutoff: cutoff.map(at),
        reason,
        revoked_at: at(0),
        expires_at: at(expires_at),
        token_expires_at: None,
        user_id: None,
    })
}

fn spared(key: RevocationKey, began_at: i64, expires_at: i64) -> JournalEntry {
    JournalEntry::Spared(Spare {
        key,
        began_at: at(began_at),
        expires_at: at(expires_at),
        user_id: "u".into(),
    })
}

/// Sweeps until everything was passed.
fn sweep_all(replica: &Replica, now: i64) -> usize {
    replica.sweep(at(now), usize::MAX)
}
