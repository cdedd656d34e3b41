//! Where sessions are kept: bytes under a hashed key. The store is dumb; [`Sessions`](super::Sessions) is not.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::credential::{SessionHandle, SessionKey};
use crate::seal::Sealed;
use crate::unavailable::Unavailable;

/// A session as it is kept.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// Whose it is; the index under which it is listed.
    pub user_id: String,
    /// Its public name.
    pub handle: SessionHandle,
    /// Its contents, which only the holder of the sealing keys can read.
    pub sealed: Sealed,
    /// When it dies if nobody touches it.
    pub idle_at: Timestamp,
    /// When it dies whatever happens.
    pub dead_at: Timestamp,
}

/// What a look at a key found.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// It lives.
    Live(StoredSession),
    /// It was ended; remembered until it would have died by itself.
    Ended,
    /// There is none, or not any more.
    Missing,
}

/// How a conditional write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// It was written.
    Done,
    /// Somebody else had written since it was read; nothing was written.
    Changed,
    /// It is not there any more; nothing was written.
    Gone,
}

/// One line of a user's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedSession {
    /// Its public name.
    pub handle: SessionHandle,
    /// Its key.
    pub key: SessionKey,
    /// When it was begun.
    pub created_at: Timestamp,
}

/// A place for sessions. No method is an upsert, so that no late write brings an ended session back (invariant I4).
///
/// `now` is the caller's clock; what lies before it is treated as gone.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Puts a new session; `false`, with nothing written, if the key was ever used and is remembered.
    async fn insert(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable>;
    /// Looks, and changes nothing.
    async fn read(&self, key: &SessionKey, now: Timestamp) -> Result<Lookup, Unavailable>;
    /// Writes new contents and a new idle time if the contents are still `current`.
    async fn replace(
        &self,
        key: &SessionKey,
        current: &Sealed,
        next: &Sealed,
        idle_at: Timestamp,
        now: Timestamp,
    ) -> Result<Replaced, Unavailable>;
    /// Moves a session to a new key with new contents, if the contents are still `current`. When it answers
    /// [`Replaced::Done`] the old key is ended. Ended meanwhile means ended: then neither key lives.
    async fn rename(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        current: &Sealed,
        next: &StoredSession,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<Replaced, Unavailable>;
    /// Ends a session and remembers that until `dead_at`; `false` if it did not live.
    async fn end(
        &self,
        user_id: &str,
        indexed: &IndexedSession,
        dead_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable>;
    /// The user's sessions, the oldest first. Extends nothing. May name some that are gone.
    async fn of_user(&self, user_id: &str, now: Timestamp) -> Result<Vec<IndexedSession>, Unavailable>;
    /// Removes what has died; how many that were.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
