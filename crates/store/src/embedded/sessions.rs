//! Sessions in the embedded store.

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::credential::{SessionHandle, SessionKey};
use maxlab_auth_core::seal::Sealed;
use maxlab_auth_core::session::{IndexedSession, Lookup, Replaced, SessionStore, StoredSession};
use maxlab_auth_core::unavailable::Unavailable;

use super::EmbeddedStore;
use crate::moment::{ceil_ms, floor_ms, moment};
use crate::sql::{Held, Row, values};

const INSERT: &str = "INSERT INTO sessions
     (key, user_id, handle, sealed, created_at_ms, idle_at_ms, dead_at_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO NOTHING";

const READ: &str =
    "SELECT user_id, handle, sealed, idle_at_ms, dead_at_ms, ended FROM sessions WHERE key = $1";

/// A row that is ended keeps its key only, until the session would have died by itself.
const END: &str =
    "UPDATE sessions SET ended = 1, sealed = '', dead_at_ms = max(dead_at_ms, $2) WHERE key = $1";

const REPLACE: &str = "UPDATE sessions SET sealed = $2, idle_at_ms = $3 WHERE key = $1";

const OF_USER: &str = "SELECT handle, key, created_at_ms FROM sessions
     WHERE user_id = $1 AND ended = 0 AND idle_at_ms > $2 AND dead_at_ms > $2
     ORDER BY created_at_ms, handle";

const PURGE: &str = "DELETE FROM sessions WHERE key IN
     (SELECT key FROM sessions WHERE dead_at_ms <= $1 OR (ended = 0 AND idle_at_ms <= $1) LIMIT $2)";

#[async_trait]
impl SessionStore for EmbeddedStore {
    async fn insert(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        created_at: Timestamp,
        _now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let mut held = self.database.writer().await?;
        insert(&mut held, key, session, created_at).await
    }

    async fn read(&self, key: &SessionKey, now: Timestamp) -> Result<Lookup, Unavailable> {
        let mut held = self.database.reader().await?;
        look(&mut held, key, now).await
    }

    async fn replace(
        &self,
        key: &SessionKey,
        current: &Sealed,
        next: &Sealed,
        idle_at: Timestamp,
        now: Timestamp,
    ) -> Result<Replaced, Unavailable> {
        let mut held = self.database.begin().await?;
        let answer = compare(&look(&mut held, key, now).await?, current);
        if answer == Replaced::Done {
            held.execute(REPLACE, &values![key.as_str(), next.as_str(), ceil_ms(idle_at)])
                .await?;
        }
        held.commit().await?;
        Ok(answer)
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
        let mut held = self.database.begin().await?;
        let answer = compare(&look(&mut held, old, now).await?, current);
        if answer == Replaced::Done {
            held.execute(END, &values![old.as_str(), ceil_ms(next.dead_at)])
                .await?;
            if !insert(&mut held, new, next, created_at).await? {
                return Err(Unavailable::store(
                    "the key that a session should move to was used before",
                ));
            }
        }
        held.commit().await?;
        Ok(answer)
    }

    async fn end(
        &self,
        _user_id: &str,
        indexed: &IndexedSession,
        dead_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let mut held = self.database.begin().await?;
        let lived = matches!(look(&mut held, &indexed.key, now).await?, Lookup::Live(_));
        held.execute(END, &values![indexed.key.as_str(), ceil_ms(dead_at)])
            .await?;
        held.commit().await?;
        Ok(lived)
    }

    async fn of_user(&self, user_id: &str, now: Timestamp) -> Result<Vec<IndexedSession>, Unavailable> {
        let mut held = self.database.reader().await?;
        held.rows(OF_USER, &values![user_id, floor_ms(now)])
            .await?
            .iter()
            .map(indexed)
            .collect()
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        self.database.delete_in_batches(PURGE, floor_ms(now)).await
    }
}

async fn insert(
    held: &mut Held,
    key: &SessionKey,
    session: &StoredSession,
    created_at: Timestamp,
) -> Result<bool, Unavailable> {
    let values = values![
        key.as_str(),
        session.user_id.as_str(),
        session.handle.as_str(),
        session.sealed.as_str(),
        floor_ms(created_at),
        ceil_ms(session.idle_at),
        ceil_ms(session.dead_at),
    ];
    Ok(held.execute(INSERT, &values).await? > 0)
}

async fn look(held: &mut Held, key: &SessionKey, now: Timestamp) -> Result<Lookup, Unavailable> {
    let Some(row) = held.row(READ, &values![key.as_str()]).await? else {
        return Ok(Lookup::Missing);
    };
    let session = StoredSession {
        user_id: row.text(0)?,
        handle: handle(&row, 1)?,
        sealed: Sealed::from_stored(row.text(2)?),
        idle_at: moment(row.int(3)?),
        dead_at: moment(row.int(4)?),
    };
    if session.dead_at <= now {
        return Ok(Lookup::Missing);
    }
    Ok(match row.int(5)? {
        0 if session.idle_at <= now => Lookup::Missing,
        0 => Lookup::Live(session),
        _ => Lookup::Ended,
    })
}

fn compare(found: &Lookup, current: &Sealed) -> Replaced {
    match found {
        Lookup::Live(session) if session.sealed == *current => Replaced::Done,
        Lookup::Live(_) => Replaced::Changed,
        Lookup::Ended | Lookup::Missing => Replaced::Gone,
    }
}

fn handle(row: &Row, column: usize) -> Result<SessionHandle, Unavailable> {
    SessionHandle::parse(&row.text(column)?).ok_or_else(|| row.unreadable("session handle"))
}

fn indexed(row: &Row) -> Result<IndexedSession, Unavailable> {
    Ok(IndexedSession {
        handle: handle(row, 0)?,
        key: SessionKey::from_stored(row.text(1)?),
        created_at: moment(row.int(2)?),
    })
}
