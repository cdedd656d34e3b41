//! The session store: sealed bytes under a hashed key. All rules are in
//! [`SessionManager`](super::SessionManager).

use async_trait::async_trait;
use jiff::Timestamp;

use crate::credential::{SessionHandle, SessionKey};
use crate::identity::{Subject, UpstreamSession};
use crate::seal::SealedValue;
use crate::unavailable::Unavailable;

/// Session in the form that the store keeps.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// User, under whose index the session is listed.
    pub subject: Subject,
    /// Public handle.
    pub handle: SessionHandle,
    /// Session at the authorization server, under which the session is indexed too.
    pub upstream: Option<UpstreamSession>,
    /// Contents, sealed. Only the holder of the sealing keys can read them.
    pub sealed: SealedValue,
    /// Time at which the session expires if it is not used.
    pub idle_expires_at: Timestamp,
    /// Time at which the session expires in any case.
    pub expires_at: Timestamp,
}

/// Result of reading a key.
#[derive(Clone, Debug)]
pub enum SessionLookup {
    /// Active session.
    Active(StoredSession),
    /// Tombstone of an ended session. It is kept until the session would have expired.
    Ended,
    /// Session that was moved to this key. The revocation gate decides if the old id may still be used.
    Moved(SessionKey),
    /// No session, or one that has expired.
    Missing,
}

/// Outcome of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceOutcome {
    /// The new contents were written.
    Replaced,
    /// Another writer was faster. Nothing was written.
    Conflict,
    /// Session that no longer exists under this key. Nothing was written.
    Gone,
}

/// Conditional write of one session, as one of many.
#[derive(Clone, Debug)]
pub struct SessionChange {
    /// Key of the session.
    pub key: SessionKey,
    /// Contents that were read. Other contents are not replaced.
    pub current: SealedValue,
    /// Contents to write.
    pub next: SealedValue,
    /// Time at which the session expires if it is not used again.
    pub idle_expires_at: Timestamp,
    /// Time of the use. A session that had expired or was ended by then is not changed.
    pub at: Timestamp,
}

/// Entry of a user's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedSession {
    /// Public handle.
    pub handle: SessionHandle,
    /// Key of the session.
    pub key: SessionKey,
    /// Time at which the login began.
    pub created_at: Timestamp,
}

/// Outcome of an insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InsertOutcome {
    /// Session was written. The list has the user's sessions over the limit at that moment, oldest first.
    /// They stay active until the caller ends them.
    Inserted(Vec<IndexedSession>),
    /// Key that was used before. Nothing was written.
    KeyTaken,
}

impl InsertOutcome {
    /// Returns the outcome for a new session, from all `sessions` of its user. The new
    /// session itself is never evicted.
    pub fn inserted_among(sessions: Vec<IndexedSession>, new_handle: &SessionHandle, limit: usize) -> Self {
        let excess = sessions.len().saturating_sub(limit);
        let mut evicted: Vec<_> = sessions
            .into_iter()
            .filter(|session| session.handle != *new_handle)
            .collect();
        // The handle breaks ties, so that instances with the same list evict the same sessions.
        evicted.sort_by(|a, b| (a.created_at, &a.handle).cmp(&(b.created_at, &b.handle)));
        evicted.truncate(excess);
        Self::Inserted(evicted)
    }
}

/// Store of sessions. No method is an upsert, so that no late write brings an
/// ended session back (invariant I4).
///
/// `now` is the caller's clock. What expired before it counts as missing.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Inserts a new session, and counts the user's sessions in the same step. Of concurrent
    /// insertions, each counts those before it.
    async fn insert(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        created_at: Timestamp,
        limit: usize,
        now: Timestamp,
    ) -> Result<InsertOutcome, Unavailable>;
    /// Reads a key. Changes nothing.
    async fn read(&self, key: &SessionKey, now: Timestamp) -> Result<SessionLookup, Unavailable>;
    /// Replaces contents and idle expiry, if the contents are still `current`.
    async fn replace(
        &self,
        key: &SessionKey,
        current: &SealedValue,
        next: &SealedValue,
        idle_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<ReplaceOutcome, Unavailable>;
    /// Replaces the contents of several sessions, each under the conditions of [`replace`](Self::replace).
    /// Nothing says which were replaced: the caller does not depend on any of them.
    async fn replace_many(&self, changes: &[SessionChange]) -> Result<(), Unavailable> {
        for change in changes {
            let SessionChange {
                key, current, next, ..
            } = change;
            self.replace(key, current, next, change.idle_expires_at, change.at)
                .await?;
        }
        Ok(())
    }
    /// Moves a session to a new key with new contents, if the contents are still `current`. After
    /// [`ReplaceOutcome::Replaced`] the old key leads to the new one. If the session was ended
    /// meanwhile, neither key is active.
    async fn rename(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        current: &SealedValue,
        next: &StoredSession,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<ReplaceOutcome, Unavailable>;
    /// Ends a session, and keeps a tombstone until `expires_at`. Returns
    /// `false` if the session was not active.
    async fn end(
        &self,
        subject: &Subject,
        indexed: &IndexedSession,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable>;
    /// Returns the user's sessions, oldest first. Extends nothing. The list may
    /// contain sessions that no longer exist.
    async fn of_user(&self, subject: &Subject, now: Timestamp) -> Result<Vec<IndexedSession>, Unavailable>;
    /// Returns the sessions of a session at the authorization server with their users, oldest first. A store without
    /// that index returns none: what ends a session is its revocation, and the list only says what there is to
    /// remove.
    async fn of_upstream(
        &self,
        _upstream: &UpstreamSession,
        _now: Timestamp,
    ) -> Result<Vec<(Subject, IndexedSession)>, Unavailable> {
        Ok(Vec::new())
    }
    /// Deletes what has expired, and returns its number.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
