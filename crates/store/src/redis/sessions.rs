//! Sessions in Redis.
//!
//! A session is put first and lives later, once it stands in its user's index: so whoever lists the index sees every
//! session that lives. A move to a new key goes: put the new one, not living; end the old one if it is still as it was
//! read; index the new one; let it live unless it was ended meanwhile. Wherever that stops, at most one of the two lives,
//! and none if either was ended.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::clock;
use maxlab_auth_core::credential::{SessionHandle, SessionKey};
use maxlab_auth_core::seal::Sealed;
use maxlab_auth_core::session::{IndexedSession, Lookup, Replaced, SessionStore, StoredSession};
use maxlab_auth_core::unavailable::Unavailable;
use redis::{Cmd, Pipeline};

use super::RedisStore;
use super::revocations::left_ms;
use super::script::{SESSION_END, SESSION_GO_LIVE, SESSION_LEAVE, SESSION_PUT, SESSION_REPLACE, eval};
use super::session_index::{PRUNE_ABOVE, index_drop, index_put};
use crate::moment::{ceil_ms, floor_ms, moment};

/// How long a session that was put may wait to live: longer than its maker may take, by far.
const PENDING: Duration = Duration::from_secs(30);

#[async_trait]
impl SessionStore for RedisStore {
    async fn insert(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        if !self.put(key, session).await? {
            return Ok(false);
        }
        // Ended by someone who saw it in the index: then it was there, and is over.
        self.go_live(key, session, created_at, now).await.map(|_| true)
    }

    /// The session is read before the mark of its end, so that one that ends in between shows as ended.
    async fn read(&self, key: &SessionKey, now: Timestamp) -> Result<Lookup, Unavailable> {
        type Fields = (
            Option<String>,
            Option<String>,
            Option<String>,
            Option<i64>,
            Option<i64>,
            Option<String>,
        );
        let names = Names::of(key);
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
        pipeline.cmd("EXISTS").arg(&names.ended);
        let (fields, ended): (Fields, bool) = self.link.trip(&pipeline).await?;
        if ended {
            return Ok(Lookup::Ended);
        }
        let (Some(sealed), Some(user_id), Some(handle), Some(idle_at), Some(dead_at), None) = fields else {
            return Ok(Lookup::Missing);
        };
        let handle = SessionHandle::parse(&handle)
            .ok_or_else(|| Unavailable::store("a stored session handle cannot be read"))?;
        let (idle_at, dead_at) = (moment(idle_at), moment(dead_at));
        if idle_at <= now || dead_at <= now {
            return Ok(Lookup::Missing);
        }
        let sealed = Sealed::from_stored(sealed);
        Ok(Lookup::Live(StoredSession {
            user_id,
            handle,
            sealed,
            idle_at,
            dead_at,
        }))
    }

    async fn replace(
        &self,
        key: &SessionKey,
        current: &Sealed,
        next: &Sealed,
        idle_at: Timestamp,
        now: Timestamp,
    ) -> Result<Replaced, Unavailable> {
        let mut command = Names::of(key).eval(SESSION_REPLACE);
        command
            .arg(current.as_str())
            .arg(floor_ms(now))
            .arg(next.as_str())
            .arg(ceil_ms(idle_at));
        self.conditional(&command).await
    }

    async fn rename(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        current: &Sealed,
        next: &StoredSession,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<Replaced, Unavailable> {
        if !self.put(new, next).await? {
            return Err(Unavailable::store(
                "the key that a session should move to was used before",
            ));
        }
        let mut leave = Names::of(old).eval(SESSION_LEAVE);
        leave.arg(current.as_str()).arg(floor_ms(now));
        let left = self.conditional(&leave).await?;
        if left != Replaced::Done {
            self.link
                .one::<()>(redis::cmd("DEL").arg(Names::of(new).session))
                .await?;
            return Ok(left);
        }
        let lives = self.go_live(new, next, created_at, now).await?;
        Ok(if lives { Replaced::Done } else { Replaced::Gone })
    }

    async fn end(
        &self,
        user_id: &str,
        indexed: &IndexedSession,
        dead_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let mut end = Names::of(&indexed.key).eval(SESSION_END);
        end.arg(ceil_ms(dead_at)).arg(floor_ms(now));
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(end);
        pipeline.add_command(index_drop(user_id, indexed));
        let (lived, _): (bool, u64) = self.link.trip(&pipeline).await?;
        Ok(lived)
    }

    /// Lines of sessions that are gone are dropped on the way; nothing that lives is touched.
    async fn of_user(&self, user_id: &str, _now: Timestamp) -> Result<Vec<IndexedSession>, Unavailable> {
        self.pruned_index(user_id).await.map(|(lines, _)| lines)
    }

    /// Redis removes what has died by itself; this drops the lines that indexes still hold of it.
    async fn purge(&self, _now: Timestamp) -> Result<u64, Unavailable> {
        self.prune_every_index().await
    }
}

impl RedisStore {
    async fn put(&self, key: &SessionKey, session: &StoredSession) -> Result<bool, Unavailable> {
        let mut put = Names::of(key).eval(SESSION_PUT);
        put.arg(session.sealed.as_str())
            .arg(&session.user_id)
            .arg(session.handle.as_str());
        put.arg(ceil_ms(session.idle_at))
            .arg(ceil_ms(session.dead_at))
            .arg(PENDING.as_secs() * 1_000);
        self.link.one(&put).await
    }

    /// Indexes a session that was put, and lets it live; `false` if it was ended meanwhile.
    async fn go_live(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        created_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let line = IndexedSession {
            handle: session.handle.clone(),
            key: key.clone(),
            created_at,
        };
        let dies = session.idle_at.min(session.dead_at);
        let mut live = Names::of(key).eval(SESSION_GO_LIVE);
        live.arg(left_ms(dies, now).unwrap_or(0));
        let mut pipeline = Pipeline::with_capacity(2);
        // An index outlasts the session a little, so that it never goes first.
        let index_until = clock::after(session.dead_at, PENDING);
        pipeline.add_command(index_put(
            &session.user_id,
            &line,
            left_ms(index_until, now).unwrap_or(1),
        ));
        pipeline.add_command(live);
        let (lines, lives): (usize, i64) = self.link.trip(&pipeline).await?;
        if lines > PRUNE_ABOVE {
            self.pruned_index(&session.user_id).await?;
        }
        match lives {
            1 => Ok(true),
            0 => Ok(false),
            _ => Err(Unavailable::store("a new session was lost before it lived")),
        }
    }

    async fn conditional(&self, command: &Cmd) -> Result<Replaced, Unavailable> {
        Ok(match self.link.one::<i64>(command).await? {
            1 => Replaced::Done,
            0 => Replaced::Changed,
            _ => Replaced::Gone,
        })
    }
}

/// The two keys of a session, in one slot.
pub(super) struct Names {
    pub(super) session: String,
    ended: String,
}

impl Names {
    pub(super) fn of(key: &SessionKey) -> Self {
        let session = format!("session:{}", key.as_str());
        Self {
            ended: format!("session_ended:{{{session}}}"),
            session,
        }
    }

    fn eval(&self, script: &'static str) -> Cmd {
        eval(script, &[&self.session, &self.ended])
    }
}
