//! The outbox: a queue with leases.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::outbox::{Outbox, UpstreamRevocation};
use maxlab_auth_core::seal::Sealed;
use maxlab_auth_core::unavailable::Unavailable;
use serde::Serialize;
use uuid::Uuid;

use super::value::json;
use super::{Dialect, Held, Row, SqlDatabase, values};
use crate::moment::{floor_ms, moment, span_ms};

/// The items come as JSON, any number of them: PostgreSQL's statement, and SQLite's.
const ENQUEUE: (&str, &str) = (
    "INSERT INTO outbox (id, sealed, created_at_ms, attempts, next_attempt_ms)
     SELECT id, sealed, created_at_ms, attempts, created_at_ms
     FROM json_to_recordset($1::json) AS item(id text, sealed text, created_at_ms bigint, attempts bigint)
     ON CONFLICT (id) DO NOTHING",
    "INSERT INTO outbox (id, sealed, created_at_ms, attempts, next_attempt_ms)
     SELECT value ->> 'id', value ->> 'sealed', value ->> 'created_at_ms', value ->> 'attempts', value ->> 'created_at_ms'
     FROM json_each($1) WHERE true
     ON CONFLICT (id) DO NOTHING",
);

/// Takes the due rows that nobody has leased; `$lock` keeps takers on PostgreSQL from waiting for each other's rows.
macro_rules! take_due {
    ($lock:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (
                 SELECT id FROM outbox WHERE next_attempt_ms <= $1 AND leased_until_ms <= $1
                 ORDER BY next_attempt_ms, id LIMIT $3",
            $lock,
            ") UPDATE outbox SET leased_until_ms = $2 FROM due WHERE outbox.id = due.id
             RETURNING outbox.id, sealed, created_at_ms, attempts"
        )
    };
}

#[async_trait]
impl Outbox for SqlDatabase {
    async fn enqueue(&self, items: &[UpstreamRevocation]) -> Result<(), Unavailable> {
        let mut held = self.database.begin().await?;
        enqueue_items(&mut held, items).await?;
        held.commit().await
    }

    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<UpstreamRevocation>, Unavailable> {
        let mut held = self.database.writer().await?;
        let take = match held.dialect() {
            Dialect::Postgres => take_due!(" FOR UPDATE SKIP LOCKED"),
            Dialect::Sqlite => take_due!(""),
        };
        let now_ms = floor_ms(now);
        let until = now_ms.saturating_add(span_ms(lease));
        let rows = held.rows(take, &values![now_ms, until, limit]).await?;
        let mut items: Vec<_> = rows.iter().map(item).collect::<Result<_, _>>()?;
        items.sort_by_key(|item| (item.created_at, item.id));
        Ok(items)
    }

    async fn delivered(&self, id: Uuid) -> Result<(), Unavailable> {
        let mut held = self.database.writer().await?;
        held.execute(
            "DELETE FROM outbox WHERE id = $1",
            &values![id.to_string().as_str()],
        )
        .await
        .map(drop)
    }

    async fn retry_at(&self, id: Uuid, next_attempt_at: Timestamp) -> Result<(), Unavailable> {
        let mut held = self.database.writer().await?;
        held.execute(
            "UPDATE outbox SET attempts = attempts + 1, next_attempt_ms = $2, leased_until_ms = 0 WHERE id = $1",
            &values![id.to_string().as_str(), floor_ms(next_attempt_at)],
        )
        .await
        .map(drop)
    }

    async fn backlog(&self) -> Result<(u64, Option<Timestamp>), Unavailable> {
        let mut held = self.database.reader().await?;
        let Some(row) = held
            .row("SELECT count(*), min(created_at_ms) FROM outbox", &[])
            .await?
        else {
            return Ok((0, None));
        };
        Ok((
            u64::try_from(row.int(0)?).unwrap_or(0),
            row.opt_int(1)?.map(moment),
        ))
    }
}

/// Records within the caller's transaction what has to be told.
pub(super) async fn enqueue_items(held: &mut Held, items: &[UpstreamRevocation]) -> Result<(), Unavailable> {
    if items.is_empty() {
        return Ok(());
    }
    let kept: Vec<_> = items
        .iter()
        .map(|item| Kept {
            id: item.id,
            sealed: item.sealed.as_str(),
            created_at_ms: floor_ms(item.created_at),
            attempts: item.attempts,
        })
        .collect();
    let enqueue = held.dialect().of(ENQUEUE);
    held.execute(enqueue, &values![json(&kept)?.as_str()])
        .await
        .map(drop)
}

/// An item's words, as they are kept.
#[derive(Serialize)]
struct Kept<'i> {
    id: Uuid,
    sealed: &'i str,
    created_at_ms: i64,
    attempts: u32,
}

fn item(row: &Row) -> Result<UpstreamRevocation, Unavailable> {
    Ok(UpstreamRevocation {
        id: Uuid::parse_str(&row.text(0)?).map_err(|_| row.unreadable("outbox id"))?,
        sealed: Sealed::from_stored(row.text(1)?),
        created_at: moment(row.int(2)?),
        attempts: u32::try_from(row.int(3)?).unwrap_or(u32::MAX),
    })
}
