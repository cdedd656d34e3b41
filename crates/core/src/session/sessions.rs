//! Session manager: creates, loads, lists, renews and removes sessions. Only this module knows their
//! contents.

use std::sync::Arc;

use jiff::Timestamp;

use super::cached_session::{SessionCacheLimits, SessionVerdicts};
use super::fault::SessionFault;
use super::loaded_session::LoadedSession;
use super::policy::SessionPolicy;
use super::record::{CreatedSession, NewSession, SessionRecord, SessionToken};
use super::store::{
    IndexedSession, InsertOutcome, ReplaceOutcome, SessionLookup, SessionStore, StoredSession,
};
use super::touches::PendingTouches;
use crate::clock;
use crate::credential::{SessionHandle, SessionId, SessionKey};
use crate::identity::{Identity, Subject};
use crate::seal::{SealedValue, SealingKeys};
use crate::unavailable::Unavailable;
use crate::verdict::Verified;

/// Number of attempts of a conditional write when another writer was faster.
pub(super) const MAX_ATTEMPTS: usize = 5;
/// Maximum number of moves from an old id of a session to its current one. Each
/// unacknowledged rotation adds a move.
const MAX_MOVES: usize = 32;

/// Manages sessions. They are sealed and bound to their key, so that the store cannot read or exchange them.
pub struct SessionManager {
    pub(super) store: Arc<dyn SessionStore>,
    keys: Arc<SealingKeys>,
    pub(super) policy: SessionPolicy,
    pub(super) touches: PendingTouches,
    /// `None` if no verdict is cached.
    verdicts: Option<SessionVerdicts>,
}

impl std::fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionManager")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl SessionManager {
    /// Creates a manager of the sessions in a store, sealed with these keys.
    pub fn new(store: Arc<dyn SessionStore>, keys: Arc<SealingKeys>, policy: SessionPolicy) -> Self {
        Self {
            store,
            keys,
            policy,
            touches: PendingTouches::default(),
            verdicts: None,
        }
    }

    /// Adds a cache, so that a cookie is verified from memory after its first request.
    #[must_use]
    pub fn with_cache(self, limits: SessionCacheLimits) -> Self {
        Self {
            verdicts: SessionVerdicts::new(limits),
            ..self
        }
    }

    /// Returns the session policy.
    pub fn policy(&self) -> &SessionPolicy {
        &self.policy
    }

    /// Creates a session.
    ///
    /// # Errors
    /// Fails if the store does not answer. The caller must not use a session then.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn create(&self, new: NewSession, now: Timestamp) -> Result<CreatedSession, Unavailable> {
        let id = SessionId::generate()?;
        let key = id.store_key();
        let record = SessionRecord::new(new, &key, now);
        let stored = self.seal_record(&record, now)?;
        let limit = self.policy.max_per_user;
        let inserted = self
            .store
            .insert(&key, &stored, record.created_at, limit, now)
            .await?;
        match inserted {
            InsertOutcome::Inserted(evicted) => Ok(CreatedSession {
                id,
                record,
                evicted,
                key,
            }),
            // 256 random bits do not collide: a taken key means a broken random source or store.
            InsertOutcome::KeyTaken => Err(Unavailable::store("the key of the new session already exists")),
        }
    }

    /// Loads a session by the id in its cookie. Changes nothing; see [`touch`](Self::touch).
    ///
    /// # Errors
    /// Fails if the session does not exist, has expired or was ended, or if the store does not answer.
    pub async fn load(&self, id: &SessionId, now: Timestamp) -> Result<LoadedSession, SessionFault> {
        self.load_by_key(&id.store_key(), now).await
    }

    /// Returns the cached verdict of a cookie, if there is one. Like any verdict it must pass the gate.
    pub fn lookup_cached(&self, id: &SessionId, now: Timestamp) -> Option<Verified> {
        self.verdicts.as_ref()?.lookup(&id.digest(), now)
    }

    /// Records the use of a session that passed the gate as `verified`, and caches its verdict.
    pub fn record_use(&self, loaded: &LoadedSession, verified: Verified, now: Timestamp) {
        let last_used = self.touch(loaded, now);
        if let Some(verdicts) = &self.verdicts {
            verdicts.insert(loaded, &verified.into_info(), &self.policy, last_used, now);
        }
    }

    /// Removes the cached verdict of a session that was changed here. Other instances have theirs for at most
    /// the cache time.
    pub(super) fn forget(&self, key: &SessionKey) {
        if let (Some(verdicts), Some(digest)) = (&self.verdicts, key.digest()) {
            verdicts.remove(&digest);
        }
    }

    /// Removes all cached verdicts. The sessions go on, and are loaded at their next use.
    pub(crate) fn forget_all(&self) {
        if let Some(verdicts) = &self.verdicts {
            verdicts.clear();
        }
    }

    /// Returns the time at which the session expires, however often it is used.
    pub fn expires_at(&self, record: &SessionRecord) -> Timestamp {
        clock::after(record.created_at, self.policy.max_lifetime)
    }

    /// Stores refreshed tokens with the user's session, and replaces its identity if one is given.
    ///
    /// # Errors
    /// Fails if the session no longer exists, or if the store does not answer. In the first
    /// case the tokens must be revoked.
    #[tracing::instrument(level = "debug", skip_all, fields(session = handle.as_str()))]
    pub async fn renew(
        &self,
        subject: &Subject,
        handle: &SessionHandle,
        tokens: &[SessionToken],
        identity: Option<&Identity>,
        now: Timestamp,
    ) -> Result<(), SessionFault> {
        for _ in 0..MAX_ATTEMPTS {
            let loaded = self.by_handle(subject, handle, now).await?;
            let mut record = loaded.record.clone();
            record.renew_tokens(tokens.to_vec(), now);
            // A session belongs to one user for its whole life.
            if let Some(identity) = identity.filter(|identity| identity.belongs_to(subject)) {
                record.identity.clone_from(identity);
            }
            match self.replace_record(&loaded, &record, now).await? {
                ReplaceOutcome::Replaced => {
                    self.forget(&loaded.key);
                    return Ok(());
                }
                ReplaceOutcome::Gone => return Err(SessionFault::Ended),
                // Another writer was faster, for example a touch: load the session again.
                ReplaceOutcome::Conflict => {}
            }
        }
        Err(
            Unavailable::store("the session was changed by other requests during each attempt to renew it")
                .into(),
        )
    }

    /// Removes a session from the store, and leaves a tombstone. Returns `false` if
    /// the session was no longer active.
    ///
    /// # Errors
    /// Fails if the store does not answer.
    #[tracing::instrument(level = "debug", skip_all, fields(session = indexed.handle.as_str()))]
    pub async fn remove(
        &self,
        subject: &Subject,
        indexed: &IndexedSession,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        // The tombstone lasts as long as the session could have: until then a late write could bring it back.
        let expires_at = clock::after(indexed.created_at, self.policy.max_lifetime);
        let was_active = self.store.end(subject, indexed, expires_at, now).await?;
        self.forget(&indexed.key);
        Ok(was_active)
    }

    /// Loads the session with this key, or with the key that it was moved to.
    ///
    /// # Errors
    /// Fails like [`load`](Self::load).
    pub async fn load_by_key(&self, key: &SessionKey, now: Timestamp) -> Result<LoadedSession, SessionFault> {
        let (mut key, presented_key) = (key.clone(), key);
        // A bound, because two moves in a damaged store could point at each other.
        let mut moves = 0..MAX_MOVES;
        let stored = loop {
            match self.store.read(&key, now).await? {
                SessionLookup::Active(stored) => break stored,
                SessionLookup::Moved(next_key) if moves.next().is_some() => key = next_key,
                SessionLookup::Ended | SessionLookup::Moved(_) => return Err(SessionFault::Ended),
                SessionLookup::Missing => return Err(SessionFault::Missing),
            }
        };
        let Some(mut record) = self.unseal_record(&key, &stored.sealed, now) else {
            tracing::warn!(session = %stored.handle, "stored session refused, no key opens it");
            // A client error and not 503: the contents were changed, or their key
            // was retired. A retry does not help.
            return Err(SessionFault::Missing);
        };
        let issue_time = record.correct_future_times(self.policy.touch_interval(), now);
        // The record decides, not the store's own expiry, which may be late or missing.
        let is_alive = clock::after(record.created_at, self.policy.max_lifetime) > now
            && clock::after(record.last_accessed, self.policy.idle_timeout) > now;
        if is_alive {
            Ok(LoadedSession {
                presented_key: presented_key.clone(),
                key,
                sealed: stored.sealed,
                issued: issue_time,
                record,
            })
        } else {
            Err(SessionFault::Missing)
        }
    }

    /// Replaces the contents of a session, unless another writer has changed or removed it since it was loaded.
    pub(super) async fn replace_record(
        &self,
        loaded: &LoadedSession,
        record: &SessionRecord,
        now: Timestamp,
    ) -> Result<ReplaceOutcome, Unavailable> {
        let next = self.seal_record(record, now)?;
        self.store
            .replace(
                &loaded.key,
                &loaded.sealed,
                &next.sealed,
                next.idle_expires_at,
                now,
            )
            .await
    }

    /// Seals a record, with the times until which the store must keep it.
    pub(super) fn seal_record(
        &self,
        record: &SessionRecord,
        now: Timestamp,
    ) -> Result<StoredSession, Unavailable> {
        // The JSON contains tokens, so its memory is zeroed after use.
        let plain = serde_json::to_vec(record)
            .map(zeroize::Zeroizing::new)
            .map_err(|_| Unavailable::process("the session cannot be written as JSON"))?;
        let expires_at = clock::after(record.created_at, self.policy.max_lifetime);
        Ok(StoredSession {
            subject: record.identity.subject(),
            handle: record.handle.clone(),
            upstream: record.upstream_sessions.first().cloned(),
            sealed: self.keys.seal(&plain, now),
            idle_expires_at: clock::after(record.last_accessed, self.policy.idle_timeout).min(expires_at),
            expires_at,
        })
    }

    /// Opens sealed contents. `None` if no key opens them, or if they belong to another session key.
    fn unseal_record(&self, key: &SessionKey, sealed: &SealedValue, now: Timestamp) -> Option<SessionRecord> {
        // A sealing time in the future is accepted: it is from a clock that was set back since. The record's
        // own times are corrected by `correct_future_times`.
        let plain = self
            .keys
            .open_ignoring_future(sealed, self.policy.max_lifetime, now)
            .ok()?;
        let record: SessionRecord = serde_json::from_slice(&plain).ok()?;
        // The store could put the contents of one session under the key of another.
        (record.bound_to == *key).then_some(record)
    }
}
