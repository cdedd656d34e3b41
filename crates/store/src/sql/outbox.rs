//! The outbox: a durable queue with leases, in which flows (clients and sessions) take turns.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::outbox::{Outbox, UpstreamRevocation};
use maxlab_auth_core::seal::SealedValue;
use maxlab_auth_core::unavailable::Unavailable;
use serde::Serialize;
use uuid::Uuid;

use super::value::{escape_text, to_json_rows};
use super::{PooledConnection, SqlDatabase, SqlDialect, SqlRow, sql_values};
use crate::millis::{duration_ms, floor_ms, ms_to_timestamp};

/// Computes the turn of a new item: behind the last item of its flow, and not before the items that are
/// delivered now. So a flow with many items delays no other flow.
// `attempts = 0`: items that wait for a retry must not hold back the turns of new ones.
macro_rules! next_turn {
    ($greatest:literal) => {
        concat!(
            $greatest,
            "(COALESCE((SELECT max(own.turn) FROM outbox AS own WHERE own.flow = item.flow), 0),
              COALESCE((SELECT min(head.turn) FROM outbox AS head WHERE head.attempts = 0) - 1, 0))
             + row_number() OVER (PARTITION BY item.flow ORDER BY item.n)"
        )
    };
}

/// Adds any number of items, given as JSON. PostgreSQL's statement, and SQLite's.
const ENQUEUE: (&str, &str) = (
    concat!(
        "INSERT INTO outbox (id, sealed, created_at_ms, attempts, next_attempt_ms, flow, turn)
         SELECT id, sealed, created_at_ms, attempts, due_at_ms, flow, ",
        next_turn!("GREATEST"),
        " FROM json_to_recordset($1::json) AS item(
             n bigint, id text, sealed text, created_at_ms bigint, due_at_ms bigint, attempts bigint, flow text)
         ON CONFLICT (id) DO NOTHING"
    ),
    concat!(
        "INSERT INTO outbox (id, sealed, created_at_ms, attempts, next_attempt_ms, flow, turn)
         SELECT id, sealed, created_at_ms, attempts, due_at_ms, flow, ",
        next_turn!("max"),
        " FROM (SELECT value ->> 'n' AS n, value ->> 'id' AS id, value ->> 'sealed' AS sealed,
                    value ->> 'created_at_ms' AS created_at_ms, value ->> 'due_at_ms' AS due_at_ms,
                    value ->> 'attempts' AS attempts,
                    value ->> 'flow' AS flow
                FROM json_each($1)) AS item
         WHERE true
         ON CONFLICT (id) DO NOTHING"
    ),
);

/// Leases the due rows that have no lease. On PostgreSQL `$lock` makes takers skip locked rows.
// MATERIALIZED: inlined, the locking query might run once per row and lease more than the limit.
macro_rules! take_due {
    ($lock:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (
                 SELECT id FROM outbox WHERE next_attempt_ms <= $1 AND leased_until_ms <= $1
                 ORDER BY turn, id LIMIT $3",
            $lock,
            ") UPDATE outbox SET leased_until_ms = $2 FROM due WHERE outbox.id = due.id
             RETURNING outbox.id, sealed, created_at_ms, attempts, flow, turn, next_attempt_ms"
        )
    };
}

#[async_trait]
impl Outbox for SqlDatabase {
    #[tracing::instrument(name = "outbox.enqueue", level = "debug", skip_all)]
    async fn enqueue(&self, items: &[UpstreamRevocation]) -> Result<(), Unavailable> {
        let mut conn = self.database.begin_write().await?;
        enqueue_items(&mut conn, items).await?;
        conn.commit().await
    }

    #[tracing::instrument(name = "outbox.take_due", level = "debug", skip_all)]
    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<UpstreamRevocation>, Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        let take = match conn.dialect() {
            SqlDialect::Postgres => take_due!(" FOR UPDATE SKIP LOCKED"),
            SqlDialect::Sqlite => take_due!(""),
        };
        let now_ms = floor_ms(now);
        let until = now_ms.saturating_add(duration_ms(lease));
        let rows = conn.fetch_all(take, &sql_values![now_ms, until, limit]).await?;
        // RETURNING has no order, so the turns are restored here.
        let mut items: Vec<_> = rows
            .iter()
            .map(|row| Ok((row.int(5)?, item_from_row(row)?)))
            .collect::<Result<_, Unavailable>>()?;
        items.sort_by_key(|(turn, item)| (*turn, item.created_at, item.id));
        Ok(items.into_iter().map(|(_, item)| item).collect())
    }

    #[tracing::instrument(name = "outbox.mark_delivered", level = "debug", skip_all)]
    async fn mark_delivered(&self, id: Uuid) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(
            // Deleted and not marked: the sealed token is not kept longer than necessary.
            "DELETE FROM outbox WHERE id = $1",
            &sql_values![id.to_string().as_str()],
        )
        .await
        .map(drop)
    }

    #[tracing::instrument(name = "outbox.retry_at", level = "debug", skip_all)]
    async fn retry_at(&self, id: Uuid, next_attempt_at: Timestamp) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(
            // The lease ends with the attempt: until `next_attempt_at` the row is not due anyway.
            "UPDATE outbox SET attempts = attempts + 1, next_attempt_ms = $2, leased_until_ms = 0 WHERE id = $1",
            &sql_values![id.to_string().as_str(), floor_ms(next_attempt_at)],
        )
        .await
        .map(drop)
    }

    #[tracing::instrument(name = "outbox.release", level = "debug", skip_all)]
    async fn release(&self, fairness_key: &str, now: Timestamp) -> Result<u64, Unavailable> {
        let flow = escape_text(fairness_key);
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(
            // Only what was never tried: a failed attempt has its own time.
            "UPDATE outbox SET next_attempt_ms = $2 WHERE flow = $1 AND attempts = 0 AND next_attempt_ms > $2",
            &sql_values![flow.as_str(), floor_ms(now)],
        )
        .await?;
        let waiting = conn
            .fetch_first(
                "SELECT count(*) FROM outbox WHERE flow = $1",
                &sql_values![flow.as_str()],
            )
            .await?;
        let waiting = waiting.map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(waiting).unwrap_or(0))
    }

    #[tracing::instrument(name = "outbox.backlog", level = "debug", skip_all)]
    async fn backlog(&self) -> Result<(u64, Option<Timestamp>), Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let Some(row) = conn
            // One statement, so that the count and the oldest time belong together.
            .fetch_first("SELECT count(*), min(created_at_ms) FROM outbox", &[])
            .await?
        else {
            return Ok((0, None));
        };
        Ok((
            u64::try_from(row.int(0)?).unwrap_or(0),
            row.opt_int(1)?.map(ms_to_timestamp),
        ))
    }
}

/// Adds items within the caller's transaction.
pub(super) async fn enqueue_items(
    conn: &mut PooledConnection,
    items: &[UpstreamRevocation],
) -> Result<(), Unavailable> {
    if items.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(n, item)| OutboxRow {
            // The position in the call. Items of one flow keep their order.
            n,
            flow: escape_text(&item.fairness_key),
            id: item.id,
            sealed: item.sealed.as_str(),
            created_at_ms: floor_ms(item.created_at),
            due_at_ms: floor_ms(item.due_at),
            attempts: item.attempts,
        })
        .collect();
    let enqueue = conn.dialect().pick(ENQUEUE);
    conn.execute(enqueue, &sql_values![to_json_rows(&rows)?.as_str()])
        .await
        .map(drop)
}

/// An item in the form of the columns.
#[derive(Serialize)]
struct OutboxRow<'i> {
    n: usize,
    flow: String,
    id: Uuid,
    sealed: &'i str,
    created_at_ms: i64,
    due_at_ms: i64,
    attempts: u32,
}

fn item_from_row(row: &SqlRow) -> Result<UpstreamRevocation, Unavailable> {
    Ok(UpstreamRevocation {
        id: Uuid::parse_str(&row.text(0)?).map_err(|_| row.decode_error("outbox id"))?,
        sealed: SealedValue::from_stored(row.text(1)?),
        created_at: ms_to_timestamp(row.int(2)?),
        attempts: u32::try_from(row.int(3)?).unwrap_or(u32::MAX),
        fairness_key: row.text(4)?,
        due_at: ms_to_timestamp(row.int(6)?),
    })
}
