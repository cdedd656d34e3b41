//! Sessions in the SQL database (decision 37). They survive whatever happens to the shared store.

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::credential::{SessionHandle, SessionKey};
use maxlab_auth_core::identity::{Subject, UpstreamSession};
use maxlab_auth_core::seal::SealedValue;
use maxlab_auth_core::session::{
    IndexedSession, InsertOutcome, ReplaceOutcome, SessionChange, SessionLookup, SessionStore, StoredSession,
};
use maxlab_auth_core::unavailable::Unavailable;
use serde::Serialize;

use super::{PooledConnection, SqlDatabase, SqlDialect, SqlRow, sql_values, to_json_rows};
use crate::millis::{ceil_ms, floor_ms, ms_to_timestamp};

/// Admits one insertion at a time for each user, so that of two logins at the same time the second one finds
/// the first. SQLite needs no lock: it has one writer.
// 70223 is the class of these locks. The journal uses 70221, unproven tokens 70222. Two users with the same
// hash only wait for each other.
const LOCK_USER: &str = "SELECT pg_advisory_xact_lock(70223, hashtext($1))";

/// Inserts under a key that was never used. An ended session keeps its row, so its key is taken as well.
const INSERT: &str = "INSERT INTO sessions
     (key, user_id, handle, sealed, created_at_ms, idle_at_ms, dead_at_ms, upstream_session)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (key) DO NOTHING";

const READ: &str = "SELECT user_id, handle, sealed, idle_at_ms, dead_at_ms, ended, moved_to, upstream_session
     FROM sessions WHERE key = $1";

/// Ends a session that is active at `$3`. Its row stays, without the contents, until the session would have
/// expired: a tombstone.
const END_ACTIVE: &str = "UPDATE sessions SET ended = 1, sealed = '',
         dead_at_ms = CASE WHEN dead_at_ms < $2 THEN $2 ELSE dead_at_ms END
     WHERE key = $1 AND ended = 0 AND idle_at_ms > $3 AND dead_at_ms > $3";

/// Leaves a tombstone of a session that is not active: an idle one must stay ended too.
const END_INACTIVE: &str = "UPDATE sessions SET ended = 1, sealed = '',
         dead_at_ms = CASE WHEN dead_at_ms < $2 THEN $2 ELSE dead_at_ms END
     WHERE key = $1";

/// Ends a session that is moved, if it is active at `$5` with the contents `$4`. Its tombstone names the new
/// key.
const MOVE_AWAY: &str = "UPDATE sessions SET ended = 1, sealed = '', moved_to = $3,
         dead_at_ms = CASE WHEN dead_at_ms < $2 THEN $2 ELSE dead_at_ms END
     WHERE key = $1 AND sealed = $4 AND ended = 0 AND idle_at_ms > $5 AND dead_at_ms > $5";

/// Replaces the contents `$2` of a session that is active at `$5`.
const REPLACE: &str = "UPDATE sessions SET sealed = $3, idle_at_ms = $4
     WHERE key = $1 AND sealed = $2 AND ended = 0 AND idle_at_ms > $5 AND dead_at_ms > $5";

/// Does what [`REPLACE`] does for any number of sessions, in one statement.
///
/// PostgreSQL skips rows that another transaction is changing: waiting for them could deadlock, and what
/// changes a session now is newer than these changes.
const REPLACE_MANY: (&str, &str) = (
    "WITH given AS (SELECT * FROM json_to_recordset($1::json) AS change(
             session text, old_sealed text, new_sealed text, idle_ms bigint, from_ms bigint)),
         free AS MATERIALIZED (SELECT key FROM sessions JOIN given ON key = session
             FOR UPDATE OF sessions SKIP LOCKED)
     UPDATE sessions SET sealed = new_sealed, idle_at_ms = idle_ms FROM given JOIN free ON free.key = session
     WHERE sessions.key = session AND sealed = old_sealed AND ended = 0
         AND idle_at_ms > from_ms AND dead_at_ms > from_ms",
    "WITH given AS (SELECT value ->> 'session' AS session, value ->> 'old_sealed' AS old_sealed,
             value ->> 'new_sealed' AS new_sealed, value ->> 'idle_ms' AS idle_ms, value ->> 'from_ms' AS from_ms
         FROM json_each($1))
     UPDATE sessions SET sealed = new_sealed, idle_at_ms = idle_ms FROM given
     WHERE key = session AND sealed = old_sealed AND ended = 0
         AND idle_at_ms > from_ms AND dead_at_ms > from_ms",
);

const OF_USER: &str = "SELECT handle, key, created_at_ms FROM sessions
     WHERE user_id = $1 AND ended = 0 AND idle_at_ms > $2 AND dead_at_ms > $2
     ORDER BY created_at_ms, handle";

const OF_UPSTREAM: &str = "SELECT handle, key, created_at_ms, user_id FROM sessions
     WHERE upstream_session = $1 AND ended = 0 AND idle_at_ms > $2 AND dead_at_ms > $2
     ORDER BY created_at_ms, handle";

// An ended session keeps its tombstone for its whole absolute age; an active one may be removed when idle.
const PURGE: &str = "DELETE FROM sessions WHERE key IN
     (SELECT key FROM sessions WHERE dead_at_ms <= $1 OR (ended = 0 AND idle_at_ms <= $1) LIMIT $2)";

/// One change of [`REPLACE_MANY`].
// Nothing is escaped: keys are digits, and sealed contents are base64.
#[derive(Serialize)]
struct ChangeRow<'c> {
    session: &'c str,
    old_sealed: &'c str,
    new_sealed: &'c str,
    idle_ms: i64,
    from_ms: i64,
}

#[async_trait]
impl SessionStore for SqlDatabase {
    #[tracing::instrument(name = "session_store.insert", level = "debug", skip_all)]
    async fn insert(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        created_at: Timestamp,
        limit: usize,
        now: Timestamp,
    ) -> Result<InsertOutcome, Unavailable> {
        let mut conn = self.database.begin_write().await?;
        // Released with the transaction.
        if conn.dialect() == SqlDialect::Postgres {
            let user = session.subject.storage_name();
            conn.fetch_all(LOCK_USER, &sql_values![&*user]).await?;
        }
        if !insert_session(&mut conn, key, session, created_at).await? {
            conn.commit().await?;
            return Ok(InsertOutcome::KeyTaken);
        }
        // Counted within the transaction, under the lock.
        let all = sessions_of_user(&mut conn, &session.subject, now).await?;
        conn.commit().await?;
        Ok(InsertOutcome::inserted_among(all, &session.handle, limit))
    }

    #[tracing::instrument(name = "session_store.read", level = "debug", skip_all)]
    async fn read(&self, key: &SessionKey, now: Timestamp) -> Result<SessionLookup, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        lookup_session(&mut conn, key, now).await
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
        let mut conn = self.database.acquire_writer().await?;
        let values = sql_values![
            key.as_str(),
            current.as_str(),
            next.as_str(),
            ceil_ms(idle_at),
            floor_ms(now),
        ];
        if conn.execute(REPLACE, &values).await? > 0 {
            return Ok(ReplaceOutcome::Replaced);
        }
        unchanged_outcome(&mut conn, key, now).await
    }

    #[tracing::instrument(name = "session_store.replace_many", level = "debug", skip_all, fields(sessions = changes.len()))]
    async fn replace_many(&self, changes: &[SessionChange]) -> Result<(), Unavailable> {
        let rows: Vec<_> = changes
            .iter()
            .map(|change| ChangeRow {
                session: change.key.as_str(),
                old_sealed: change.current.as_str(),
                new_sealed: change.next.as_str(),
                idle_ms: ceil_ms(change.idle_expires_at),
                from_ms: floor_ms(change.at),
            })
            .collect();
        let mut conn = self.database.acquire_writer().await?;
        let replace = conn.dialect().pick(REPLACE_MANY);
        conn.execute(replace, &sql_values![to_json_rows(&rows)?.as_str()])
            .await
            .map(drop)
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
        let mut conn = self.database.begin_write().await?;
        let values = sql_values![
            old.as_str(),
            ceil_ms(next.expires_at),
            new.as_str(),
            current.as_str(),
            floor_ms(now),
        ];
        if conn.execute(MOVE_AWAY, &values).await? == 0 {
            let outcome = unchanged_outcome(&mut conn, old, now).await?;
            conn.commit().await?;
            return Ok(outcome);
        }
        // The early return rolls the tombstone of the old key back, so that the move can be tried again.
        if !insert_session(&mut conn, new, next, created_at).await? {
            return Err(Unavailable::database(
                "the new key of a moved session is already in use",
            ));
        }
        conn.commit().await?;
        Ok(ReplaceOutcome::Replaced)
    }

    #[tracing::instrument(name = "session_store.end", level = "debug", skip_all)]
    async fn end(
        &self,
        _subject: &Subject,
        indexed: &IndexedSession,
        dead_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        let (key, dead_ms) = (indexed.key.as_str(), ceil_ms(dead_at));
        // Each statement is a transaction of its own: what the first one ends, the second one leaves ended.
        let was_active = conn
            .execute(END_ACTIVE, &sql_values![key, dead_ms, floor_ms(now)])
            .await?
            > 0;
        if !was_active {
            conn.execute(END_INACTIVE, &sql_values![key, dead_ms]).await?;
        }
        Ok(was_active)
    }

    #[tracing::instrument(name = "session_store.of_user", level = "debug", skip_all)]
    async fn of_user(&self, subject: &Subject, now: Timestamp) -> Result<Vec<IndexedSession>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        sessions_of_user(&mut conn, subject, now).await
    }

    #[tracing::instrument(name = "session_store.of_upstream", level = "debug", skip_all)]
    async fn of_upstream(
        &self,
        upstream: &UpstreamSession,
        now: Timestamp,
    ) -> Result<Vec<(Subject, IndexedSession)>, Unavailable> {
        let values = sql_values![&*upstream.storage_name(), floor_ms(now)];
        let mut conn = self.database.acquire_reader().await?;
        let rows = conn.fetch_all(OF_UPSTREAM, &values).await?;
        rows.iter()
            .map(|row| Ok((Subject::from_storage_name(&row.text(3)?), indexed_from_row(row)?)))
            .collect()
    }

    #[tracing::instrument(name = "session_store.purge", level = "debug", skip_all)]
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        self.database.delete_in_batches(PURGE, floor_ms(now)).await
    }
}

async fn insert_session(
    conn: &mut PooledConnection,
    key: &SessionKey,
    session: &StoredSession,
    created_at: Timestamp,
) -> Result<bool, Unavailable> {
    let user_id = session.subject.storage_name();
    let upstream = session.upstream.as_ref().map(UpstreamSession::storage_name);
    let values = sql_values![
        key.as_str(),
        &*user_id,
        session.handle.as_str(),
        session.sealed.as_str(),
        floor_ms(created_at),
        ceil_ms(session.idle_expires_at),
        ceil_ms(session.expires_at),
        upstream.as_deref(),
    ];
    Ok(conn.execute(INSERT, &values).await? > 0)
}

async fn sessions_of_user(
    conn: &mut PooledConnection,
    subject: &Subject,
    now: Timestamp,
) -> Result<Vec<IndexedSession>, Unavailable> {
    let values = sql_values![&*subject.storage_name(), floor_ms(now)];
    conn.fetch_all(OF_USER, &values)
        .await?
        .iter()
        .map(indexed_from_row)
        .collect()
}

async fn lookup_session(
    conn: &mut PooledConnection,
    key: &SessionKey,
    now: Timestamp,
) -> Result<SessionLookup, Unavailable> {
    let Some(row) = conn.fetch_first(READ, &sql_values![key.as_str()]).await? else {
        return Ok(SessionLookup::Missing);
    };
    let session = StoredSession {
        subject: Subject::from_storage_name(&row.text(0)?),
        handle: handle_from_row(&row, 1)?,
        upstream: row
            .opt_text(7)?
            .map(|text| UpstreamSession::from_storage_name(&text)),
        sealed: SealedValue::from_stored(row.text(2)?),
        idle_expires_at: ms_to_timestamp(row.int(3)?),
        expires_at: ms_to_timestamp(row.int(4)?),
    };
    if session.expires_at <= now {
        return Ok(SessionLookup::Missing);
    }
    // Column 5 is `ended`. A tombstone is reported even if the session would be idle by now.
    Ok(match row.int(5)? {
        0 if session.idle_expires_at <= now => SessionLookup::Missing,
        0 => SessionLookup::Active(session),
        _ => match row.opt_text(6)? {
            Some(to) => SessionLookup::Moved(SessionKey::from_stored(to)),
            None => SessionLookup::Ended,
        },
    })
}

/// Returns why a conditional write changed nothing.
async fn unchanged_outcome(
    conn: &mut PooledConnection,
    key: &SessionKey,
    now: Timestamp,
) -> Result<ReplaceOutcome, Unavailable> {
    Ok(match lookup_session(conn, key, now).await? {
        // Active, so the contents were not those that the caller read.
        SessionLookup::Active(_) => ReplaceOutcome::Conflict,
        SessionLookup::Ended | SessionLookup::Moved(_) | SessionLookup::Missing => ReplaceOutcome::Gone,
    })
}

fn handle_from_row(row: &SqlRow, column: usize) -> Result<SessionHandle, Unavailable> {
    SessionHandle::parse(&row.text(column)?).ok_or_else(|| row.decode_error("session handle"))
}

fn indexed_from_row(row: &SqlRow) -> Result<IndexedSession, Unavailable> {
    Ok(IndexedSession {
        handle: handle_from_row(row, 0)?,
        key: SessionKey::from_stored(row.text(1)?),
        created_at: ms_to_timestamp(row.int(2)?),
    })
}
