//! What the cases are made of.

use std::time::Duration;

use jiff::Timestamp;
use maxlab_auth_core::audit::{AuditEvent, AuditKind, Origin};
use maxlab_auth_core::clock;
use maxlab_auth_core::credential::{SessionHandle, SessionId, SessionKey};
use maxlab_auth_core::revocation::{
    JournalEntry, LogFault, Reason, Revocation, RevocationKey, RevocationLog, Spare, TokenKey,
};
use maxlab_auth_core::seal::Sealed;
use maxlab_auth_core::session::{IndexedSession, StoredSession};
use maxlab_auth_core::unavailable::Unavailable;

use crate::moment::moment;

/// User ids that would break out of a key, a pattern, a line or a text column.
pub const HOSTILE: [&str; 14] = [
    "u",
    "u:1",
    "u*",
    "*",
    "u?[a-z]",
    "u\n1",
    "u\0",
    "u\u{fffd}",
    "u\u{1a}0",
    "u%00",
    "u|1",
    "{u}",
    "김:사용자",
    "'; DROP TABLE revocations; --",
];

/// The moment at which every case begins.
pub fn now() -> Timestamp {
    moment(1_790_000_000_123)
}

/// So many seconds after [`now`].
pub fn later(seconds: u64) -> Timestamp {
    clock::after(now(), Duration::from_secs(seconds))
}

/// A revocation, recorded now.
pub(super) fn revoked(key: RevocationKey, seconds: u64) -> Revocation {
    Revocation {
        key,
        cutoff: None,
        reason: Reason::Logout,
        revoked_at: now(),
        expires_at: later(seconds),
        token_expires_at: None,
        user_id: Some("u1".into()),
    }
}

/// A token's revocation by its `jti`, recorded now, kept so many seconds.
pub fn revoked_token(jti: &str, seconds: u64) -> Revocation {
    revoked(RevocationKey::Token(TokenKey::from_jti(jti)), seconds)
}

/// A user's cut-off at `at` seconds from now.
pub(super) fn cut_off(user: &str, at: u64, seconds: u64) -> Revocation {
    let order = revoked(RevocationKey::user(user), seconds);
    Revocation {
        cutoff: Some(later(at)),
        reason: Reason::LogoutAll,
        ..order
    }
}

/// Records revocations as the gateway does: on the stream, in the data set that the store shows.
///
/// # Errors
/// The store did not answer, or became another one meanwhile.
pub async fn revoke(
    store: &impl RevocationLog,
    orders: &[Revocation],
    now: Timestamp,
) -> Result<(), Unavailable> {
    let entries: Vec<_> = orders.iter().cloned().map(JournalEntry::Revoked).collect();
    publish(store, &entries, now).await
}

/// Records spares in the same way.
///
/// # Errors
/// As [`revoke`].
pub async fn spare(store: &impl RevocationLog, spares: &[Spare], now: Timestamp) -> Result<(), Unavailable> {
    let entries: Vec<_> = spares.iter().cloned().map(JournalEntry::Spared).collect();
    publish(store, &entries, now).await
}

async fn publish(
    store: &impl RevocationLog,
    entries: &[JournalEntry],
    now: Timestamp,
) -> Result<(), Unavailable> {
    let epoch = store.look("journal").await?.epoch;
    let published = store.publish(&epoch, entries, now).await;
    published.map(drop).map_err(LogFault::into_unavailable)
}

/// An event of that user, at so many seconds from now.
pub fn event(kind: AuditKind, user: &str, at: u64) -> AuditEvent {
    let origin = Origin {
        ip_address: Some("192.0.2.7".into()),
        request_id: Some("r-1".into()),
        user_agent: None,
    };
    AuditEvent::new(kind, later(at), &origin)
        .by(user)
        .on("target")
        .saying("detail")
}

/// A key that nobody used.
pub fn session_key() -> SessionKey {
    SessionId::generate().unwrap().store_key()
}

/// A session that idles out after 100 seconds and dies after 1000.
pub fn session(user: &str, contents: &str) -> StoredSession {
    StoredSession {
        user_id: user.to_owned(),
        handle: SessionHandle::generate().unwrap(),
        sealed: sealed(contents),
        idle_at: later(100),
        dead_at: later(1_000),
    }
}

pub(super) fn sealed(contents: &str) -> Sealed {
    Sealed::from_stored(contents.to_owned())
}

pub(super) fn indexed(key: &SessionKey, session: &StoredSession) -> IndexedSession {
    IndexedSession {
        handle: session.handle.clone(),
        key: key.clone(),
        created_at: now(),
    }
}
