//! Sessions in Redis.
//!
//! A new session is stored as pending, then added to its user's index, and only then activated. So the index
//! contains every active session.
//!
//! A move to a new key has four steps:
//!
//! 1. Store the session under the new key as pending.
//! 2. Replace the old session by a tombstone that names the new key, if the contents are still those that
//!    were read.
//! 3. Add the new key to the index.
//! 4. Activate the new session, unless it was ended meanwhile.
//!
//! After an interruption at any step, at most one of the two is active, and none if either was ended.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::clock;
use maxlab_auth_core::credential::{SessionHandle, SessionKey};
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::seal::SealedValue;
use maxlab_auth_core::session::{
    IndexedSession, InsertOutcome, ReplaceOutcome, SessionLookup, SessionStore, StoredSession,
};
use maxlab_auth_core::unavailable::Unavailable;
use redis::{Cmd, Pipeline};

use super::RedisStore;
use super::reply::ttl_ms;
use super::script::{SESSION_ACTIVATE, SESSION_END, SESSION_MOVE_AWAY, SESSION_PUT, SESSION_REPLACE};
use super::session_index::{index_drop_command, index_put_command, parse_index};
use super::session_keys::SessionRedisKeys;
use crate::millis::{ceil_ms, floor_ms, ms_to_timestamp};

/// Time to live of a pending session. Much longer than its creation may take.
const PENDING_TTL: Duration = Duration::from_secs(30);

/// Tombstone of an ended session. The tombstone of a moved session contains its new key.
const ENDED_MARK: &str = "1";

#[async_trait]
impl SessionStore for RedisStore {
    #[tracing::instrument(name = "session_store.insert", level = "debug", skip_all)]
    async fn insert(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        created_at: Timestamp,
        limit: usize,
        now: Timestamp,
    ) -> Result<InsertOutcome, Unavailable> {
        // Entries of sessions that are gone must not count towards the limit.
        self.prune_user_index(&session.subject).await?;
        if !self.put_pending(key, session).await? {
            return Ok(InsertOutcome::KeyTaken);
        }
        // Another caller may have found the session in the index and ended it. Then it was inserted before.
        let (_, all) = self.activate(key, session, created_at, now).await?;
        Ok(InsertOutcome::inserted_among(all, &session.handle, limit))
    }

    /// Reads the session before its tombstone, so that a session that ends in between is reported as ended.
    #[tracing::instrument(name = "session_store.read", level = "debug", skip_all)]
    async fn read(&self, key: &SessionKey, now: Timestamp) -> Result<SessionLookup, Unavailable> {
        type SessionFields = (
            Option<String>,
            Option<String>,
            Option<String>,
            Option<i64>,
            Option<i64>,
            Option<String>,
        );
        let names = SessionRedisKeys::for_session(key);
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("HMGET").arg(&names.session);
        pipeline.arg(&[
            "sealed",
            "user_id",
            "handle",
            "idle_at_ms",
            "dead_at_ms",
            "pending",
        ]);
        pipeline.cmd("GET").arg(&names.ended);
        let (fields, ended): (SessionFields, Option<String>) =
            self.client.pipeline_ordered(&pipeline).await?;
        // The tombstone wins: a session that is both present and ended is ended.
        match ended.as_deref() {
            Some(ENDED_MARK) => return Ok(SessionLookup::Ended),
            Some(to) => return Ok(SessionLookup::Moved(SessionKey::from_stored(to))),
            None => {}
        }
        // A pending session counts as missing.
        let (Some(sealed), Some(user_id), Some(handle), Some(idle_at), Some(dead_at), None) = fields else {
            return Ok(SessionLookup::Missing);
        };
        let handle = SessionHandle::parse(&handle)
            .ok_or_else(|| Unavailable::store("a stored session handle cannot be read"))?;
        let (idle_expires_at, expires_at) = (ms_to_timestamp(idle_at), ms_to_timestamp(dead_at));
        if idle_expires_at <= now || expires_at <= now {
            return Ok(SessionLookup::Missing);
        }
        let sealed = SealedValue::from_stored(sealed);
        Ok(SessionLookup::Active(StoredSession {
            subject: Subject::from_storage_name(&user_id),
            handle,
            // Redis keeps no index by it.
            upstream: None,
            sealed,
            idle_expires_at,
            expires_at,
        }))
    }

    #[tracing::instrument(name = "session_store.replace", level = "debug", skip_all)]
    async fn replace(
        &self,
        key: &SessionKey,
        current: &SealedValue,
        next: &SealedValue,
        idle_at: Timestamp,
        now: Timestamp,
    ) -> Result<ReplaceOutcome, Unavailable> {
        let mut command = SessionRedisKeys::for_session(key).eval_on_keys(SESSION_REPLACE);
        command
            .arg(current.as_str())
            .arg(floor_ms(now))
            .arg(next.as_str())
            .arg(ceil_ms(idle_at));
        self.run_conditional(&command).await
    }

    #[tracing::instrument(name = "session_store.rename", level = "debug", skip_all)]
    async fn rename(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        current: &SealedValue,
        next: &StoredSession,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<ReplaceOutcome, Unavailable> {
        if !self.put_pending(new, next).await? {
            return Err(Unavailable::store(
                "the new key of a moved session is already in use",
            ));
        }
        let mut move_away = SessionRedisKeys::for_session(old).eval_on_keys(SESSION_MOVE_AWAY);
        move_away
            .arg(current.as_str())
            .arg(floor_ms(now))
            .arg(new.as_str());
        let outcome = self.run_conditional(&move_away).await?;
        if outcome != ReplaceOutcome::Replaced {
            // The pending session is removed, so that the caller can try again with this key.
            self.client
                .query::<()>(redis::cmd("DEL").arg(SessionRedisKeys::for_session(new).session))
                .await?;
            return Ok(outcome);
        }
        // From here on the old key leads to the new one, even if this call is interrupted.
        let (activated, _) = self.activate(new, next, created_at, now).await?;
        Ok(if activated {
            ReplaceOutcome::Replaced
        } else {
            ReplaceOutcome::Gone
        })
    }

    #[tracing::instrument(name = "session_store.end", level = "debug", skip_all)]
    async fn end(
        &self,
        subject: &Subject,
        indexed: &IndexedSession,
        dead_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let mut end = SessionRedisKeys::for_session(&indexed.key).eval_on_keys(SESSION_END);
        end.arg(ceil_ms(dead_at)).arg(floor_ms(now));
        // In this order: if the second command is lost, the next listing removes the stale index entry.
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(end);
        pipeline.add_command(index_drop_command(subject, indexed));
        let (was_active, _): (bool, u64) = self.client.pipeline_ordered(&pipeline).await?;
        Ok(was_active)
    }

    /// Removes entries of sessions that are gone on the way. Existing sessions are not changed.
    #[tracing::instrument(name = "session_store.of_user", level = "debug", skip_all)]
    async fn of_user(&self, subject: &Subject, _now: Timestamp) -> Result<Vec<IndexedSession>, Unavailable> {
        self.prune_user_index(subject).await.map(|(entries, _)| entries)
    }

    /// Removes index entries of sessions that are gone. Redis itself removes the sessions.
    #[tracing::instrument(name = "session_store.purge", level = "debug", skip_all)]
    async fn purge(&self, _now: Timestamp) -> Result<u64, Unavailable> {
        self.prune_all_indexes().await
    }
}

impl RedisStore {
    /// Stores a session that is not active yet; `false` if its key was used before.
    async fn put_pending(&self, key: &SessionKey, session: &StoredSession) -> Result<bool, Unavailable> {
        let mut put = SessionRedisKeys::for_session(key).eval_on_keys(SESSION_PUT);
        put.arg(session.sealed.as_str())
            .arg(&*session.subject.storage_name())
            .arg(session.handle.as_str());
        put.arg(ceil_ms(session.idle_expires_at))
            .arg(ceil_ms(session.expires_at))
            .arg(PENDING_TTL.as_secs() * 1_000);
        self.client.query(&put).await
    }

    /// Indexes a pending session and activates it. Returns `false` if the session was ended meanwhile, and
    /// the user's sessions as they were in the index at that moment.
    async fn activate(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<(bool, Vec<IndexedSession>), Unavailable> {
        let entry = IndexedSession {
            handle: session.handle.clone(),
            key: key.clone(),
            created_at,
        };
        let ends_at = session.idle_expires_at.min(session.expires_at);
        let mut activate = SessionRedisKeys::for_session(key).eval_on_keys(SESSION_ACTIVATE);
        // PEXPIRE with 0 deletes the key: the session has expired before it was activated.
        activate.arg(ttl_ms(ends_at, now).unwrap_or(0));
        let mut pipeline = Pipeline::with_capacity(2);
        // The index lives a little longer than the session, so that it never expires first.
        let index_until = clock::after(session.expires_at, PENDING_TTL);
        pipeline.add_command(index_put_command(
            &session.subject,
            &entry,
            ttl_ms(index_until, now).unwrap_or(1),
        ));
        pipeline.add_command(activate);
        let (entries, activated): (Vec<(String, String)>, i64) =
            self.client.pipeline_ordered(&pipeline).await?;
        match activated {
            1 => Ok((true, parse_index(&entries))),
            0 => Ok((false, parse_index(&entries))),
            _ => Err(Unavailable::store(
                "a new session expired before it was activated",
            )),
        }
    }

    /// Runs one of the scripts that begin with the comparison of the contents.
    async fn run_conditional(&self, command: &Cmd) -> Result<ReplaceOutcome, Unavailable> {
        Ok(match self.client.query::<i64>(command).await? {
            // The return values of session_compare.lua.
            1 => ReplaceOutcome::Replaced,
            0 => ReplaceOutcome::Conflict,
            _ => ReplaceOutcome::Gone,
        })
    }
}
