//! The outbox: a queue with leases.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::outbox::{Outbox, UpstreamRevocation};
use maxlab_auth_core::seal::Sealed;
use maxlab_auth_core::unavailable::Unavailable;
use uuid::Uuid;

use super::{Dialect, Row, SqlDatabase, values};
use crate::moment::{floor_ms, moment, span_ms};

const ENQUEUE: &str = "INSERT INTO outbox (id, sealed, created_at_ms, attempts, next_attempt_ms)
     VALUES ($1, $2, $3, $4, $3) ON CONFLICT (id) DO NOTHING";

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
        for item in items {
            let values = values![
                item.id.to_string().as_str(),
                item.sealed.as_str(),
                floor_ms(item.created_at),
                item.attempts,
            ];
            held.execute(ENQUEUE, &values).await?;
        }
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

fn item(row: &Row) -> Result<UpstreamRevocation, Unavailable> {
    Ok(UpstreamRevocation {
        id: Uuid::parse_str(&row.text(0)?).map_err(|_| row.unreadable("outbox id"))?,
        sealed: Sealed::from_stored(row.text(1)?),
        created_at: moment(row.int(2)?),
        attempts: u32::try_from(row.int(3)?).unwrap_or(u32::MAX),
    })
}
