//! Values and helpers for the cases.

use std::time::Duration;

use jiff::Timestamp;
use maxlab_auth_core::audit::{AuditEvent, AuditKind, AuditOrigin};
use maxlab_auth_core::clock;
use maxlab_auth_core::credential::{SessionHandle, SessionId, SessionKey};
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::{
    CutoffExemption, JournalEntry, LogFault, Revocation, RevocationLog, RevocationReason,
};
use maxlab_auth_core::seal::SealedValue;
use maxlab_auth_core::session::{IndexedSession, StoredSession};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};

/// User ids with characters that are special in a key, a pattern, a line or a text column.
///
/// Three are text forms of people at other issuers, or look like one: the same id at two issuers is two people
/// (I12).
pub const HOSTILE_USER_IDS: [&str; 17] = [
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
    "@https://one.example|u",
    "@https://two.example:8443/a|u",
    "@|@https://one.example|u",
];

/// Returns the user with this text form: at the default issuer, the id alone.
pub fn subject(text: &str) -> Subject {
    Subject::from_storage_name(text)
}

/// Returns the time at which every case begins.
pub fn now() -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_123).unwrap()
}

/// Returns the time `seconds` after [`now`].
pub fn later(seconds: u64) -> Timestamp {
    clock::after(now(), Duration::from_secs(seconds))
}

/// Creates a revocation that is recorded now and kept for `seconds`.
pub(super) fn revocation(key: RevocationKey, seconds: u64) -> Revocation {
    Revocation {
        key,
        cutoff: None,
        reason: RevocationReason::Logout,
        revoked_at: now(),
        expires_at: later(seconds),
        token_expires_at: None,
        subject: Some(Subject::of_default("u1")),
    }
}

/// Creates the revocation of a token by its `jti`, recorded now and kept for `seconds`.
pub fn revoked_token(jti: &str, seconds: u64) -> Revocation {
    revocation(RevocationKey::Token(TokenKey::from_jti(jti)), seconds)
}

/// Creates a user's cut-off at `at` seconds from now, kept for `seconds`.
pub(super) fn user_cutoff(user: &str, at: u64, seconds: u64) -> Revocation {
    let cutoff = revocation(RevocationKey::user(&subject(user)), seconds);
    Revocation {
        cutoff: Some(later(at)),
        reason: RevocationReason::LogoutAll,
        ..cutoff
    }
}

/// Publishes revocations as the gateway does, in the store's current data set.
///
/// # Errors
/// The store did not answer, or its data set changed meanwhile.
pub async fn revoke(
    store: &impl RevocationLog,
    revocations: &[Revocation],
    now: Timestamp,
) -> Result<(), Unavailable> {
    let entries: Vec<_> = revocations.iter().cloned().map(JournalEntry::Revoked).collect();
    publish(store, &entries, now).await
}

/// Publishes exemptions in the same way.
///
/// # Errors
/// The same as of [`revoke`].
pub async fn exempt(
    store: &impl RevocationLog,
    exemptions: &[CutoffExemption],
    now: Timestamp,
) -> Result<(), Unavailable> {
    let entries: Vec<_> = exemptions.iter().cloned().map(JournalEntry::Exempted).collect();
    publish(store, &entries, now).await
}

async fn publish(
    store: &impl RevocationLog,
    entries: &[JournalEntry],
    now: Timestamp,
) -> Result<(), Unavailable> {
    let epoch = store.view("journal").await?.epoch;
    let published = store.publish(&epoch, entries, now).await;
    published.map(drop).map_err(LogFault::into_unavailable)
}

/// Creates an event of a user, at `at` seconds from now.
pub fn event(kind: AuditKind, user: &str, at: u64) -> AuditEvent {
    let origin = AuditOrigin {
        ip_address: Some("192.0.2.7".into()),
        request_id: Some("r-1".into()),
        user_agent: None,
    };
    AuditEvent::new(kind, later(at), &origin)
        .with_actor(&subject(user))
        .with_target("target")
        .with_detail("detail")
}

/// Creates a key that was never used.
pub fn session_key() -> SessionKey {
    SessionId::generate().unwrap().store_key()
}

/// Creates a session with an idle limit of 100 seconds and an absolute limit of 1000.
pub fn session(user: &str, contents: &str) -> StoredSession {
    StoredSession {
        subject: subject(user),
        handle: SessionHandle::generate().unwrap(),
        upstream: None,
        sealed: sealed(contents),
        idle_expires_at: later(100),
        expires_at: later(1_000),
    }
}

pub(super) fn sealed(contents: &str) -> SealedValue {
    SealedValue::from_stored(contents.to_owned())
}

pub(super) fn indexed(key: &SessionKey, session: &StoredSession) -> IndexedSession {
    IndexedSession {
        handle: session.handle.clone(),
        key: key.clone(),
        created_at: now(),
    }
}
