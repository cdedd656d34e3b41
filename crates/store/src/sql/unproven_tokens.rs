//! The bounded set of unproven tokens (docs/decisions/0010).

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{PlaceReservation, UnprovenToken, UnprovenTokens};
use maxlab_auth_core::seal::SealedValue;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::TokenKey;

use super::{PooledConnection, SqlDatabase, SqlDialect, SqlRow, sql_values};
use crate::millis::{ceil_ms, duration_ms, floor_ms, ms_to_timestamp};

/// Admits one reservation at a time, so that the count of places is still true when a place is taken. SQLite
/// needs no lock: it has one writer.
// 70222 is not the class of the journal's locks (70221), so appends do not wait here.
const LOCK: &str = "SELECT pg_advisory_xact_lock(70222, 0)";

const SELECT_UNEXPIRED: &str =
    "SELECT expires_at_ms, sealed FROM unproven_tokens WHERE key = $1 AND expires_at_ms > $2";

/// Counts the places of all other tokens. A token whose text is kept holds its place beyond its line.
const SUM_OTHER_PLACES: &str = "SELECT COALESCE(CAST(SUM(places) AS BIGINT), 0) FROM unproven_tokens
     WHERE (expires_at_ms > $1 OR (sealed IS NOT NULL AND keep_until_ms > $1)) AND key <> $2";

const INSERT: &str = "INSERT INTO unproven_tokens
     (key, sealed, places, ip_address, recorded_at_ms, expires_at_ms, keep_until_ms, attempts, next_attempt_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $5)";

const SELECT_OUTLIVING: &str = "SELECT key, sealed, places, ip_address, recorded_at_ms, expires_at_ms, keep_until_ms, attempts
     FROM unproven_tokens
     WHERE sealed IS NOT NULL AND key > $1 AND expires_at_ms < $2 AND keep_until_ms > $3 AND keep_until_ms > expires_at_ms
     ORDER BY key LIMIT $4";

/// Leases the due rows that have no lease. On PostgreSQL `$lock` makes takers skip locked rows.
macro_rules! take_due {
    ($lock:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (
                 SELECT key FROM unproven_tokens
                 WHERE sealed IS NOT NULL AND next_attempt_ms <= $1 AND leased_until_ms <= $1
                 ORDER BY expires_at_ms, next_attempt_ms, key LIMIT $3",
            $lock,
            ") UPDATE unproven_tokens SET leased_until_ms = $2 FROM due WHERE unproven_tokens.key = due.key
             RETURNING unproven_tokens.key, sealed, places, ip_address, recorded_at_ms, expires_at_ms,
                 keep_until_ms, attempts"
        )
    };
}

#[async_trait]
impl UnprovenTokens for SqlDatabase {
    #[tracing::instrument(name = "unproven_tokens.reserve", level = "debug", skip_all)]
    async fn reserve(
        &self,
        token: &UnprovenToken,
        bound: u32,
        now: Timestamp,
    ) -> Result<PlaceReservation, Unavailable> {
        let mut conn = self.database.begin_write().await?;
        // Released with the transaction.
        if conn.dialect() == SqlDialect::Postgres {
            conn.fetch_all(LOCK, &[]).await?;
        }
        if let Some(expires_at) = existing_reservation(&mut conn, token, now).await? {
            conn.commit().await?;
            return Ok(PlaceReservation::AlreadyReserved(expires_at));
        }
        let others = conn
            .fetch_first(SUM_OTHER_PLACES, &sql_values![floor_ms(now), token.key.as_str()])
            .await?
            .map_or(Ok(0), |row| row.int(0))?;
        if others.saturating_add(i64::from(token.places)) > i64::from(bound) {
            conn.commit().await?;
            return Ok(PlaceReservation::Full);
        }
        // An earlier row of this token, expired or insufficient, is replaced as a whole.
        conn.execute(
            "DELETE FROM unproven_tokens WHERE key = $1",
            &sql_values![token.key.as_str()],
        )
        .await?;
        conn.execute(INSERT, &to_row(token)).await?;
        conn.commit().await?;
        Ok(PlaceReservation::Reserved)
    }

    #[tracing::instrument(name = "unproven_tokens.take_due", level = "debug", skip_all)]
    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<UnprovenToken>, Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        let take = match conn.dialect() {
            SqlDialect::Postgres => take_due!(" FOR UPDATE SKIP LOCKED"),
            SqlDialect::Sqlite => take_due!(""),
        };
        let now_ms = floor_ms(now);
        let until = now_ms.saturating_add(duration_ms(lease));
        let rows = conn.fetch_all(take, &sql_values![now_ms, until, limit]).await?;
        rows.iter().map(token_from_row).collect()
    }

    #[tracing::instrument(name = "unproven_tokens.due_for_line_renewal", level = "debug", skip_all)]
    async fn due_for_line_renewal(
        &self,
        after: Option<&TokenKey>,
        before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<UnprovenToken>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let after = after.map_or("", TokenKey::as_str);
        let rows = conn
            .fetch_all(
                SELECT_OUTLIVING,
                &sql_values![after, floor_ms(before), floor_ms(now), limit],
            )
            .await?;
        rows.iter().map(token_from_row).collect()
    }

    #[tracing::instrument(name = "unproven_tokens.retry_at", level = "debug", skip_all)]
    async fn retry_at(
        &self,
        key: &TokenKey,
        next_attempt_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(
            "UPDATE unproven_tokens SET attempts = attempts + 1, next_attempt_ms = $2, expires_at_ms = $3,
                 leased_until_ms = 0 WHERE key = $1",
            &sql_values![key.as_str(), floor_ms(next_attempt_at), ceil_ms(expires_at)],
        )
        .await
        .map(drop)
    }

    #[tracing::instrument(name = "unproven_tokens.settle_unknown", level = "debug", skip_all)]
    async fn settle_unknown(&self, key: &TokenKey) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(
            // Without its text the token takes one place, whatever its length.
            "UPDATE unproven_tokens SET sealed = NULL, places = 1 WHERE key = $1",
            &sql_values![key.as_str()],
        )
        .await
        .map(drop)
    }

    #[tracing::instrument(name = "unproven_tokens.settle_proven", level = "debug", skip_all)]
    async fn settle_proven(&self, key: &TokenKey) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(
            "DELETE FROM unproven_tokens WHERE key = $1",
            &sql_values![key.as_str()],
        )
        .await
        .map(drop)
    }

    #[tracing::instrument(name = "unproven_tokens.places_taken", level = "debug", skip_all)]
    async fn places_taken(&self, now: Timestamp) -> Result<u64, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let taken = conn
            // No token has an empty key, so "the others" are all.
            .fetch_first(SUM_OTHER_PLACES, &sql_values![floor_ms(now), ""])
            .await?;
        let taken = taken.map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(taken).unwrap_or(0))
    }

    #[tracing::instrument(name = "unproven_tokens.purge", level = "debug", skip_all)]
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        self.database
            .delete_in_batches(
                "DELETE FROM unproven_tokens WHERE key IN
                 (SELECT key FROM unproven_tokens
                  WHERE expires_at_ms <= $1 AND (sealed IS NULL OR keep_until_ms <= $1) LIMIT $2)",
                floor_ms(now),
            )
            .await
    }
}

/// Returns the expiry of the token's present line if its reservation is sufficient, else `None`.
async fn existing_reservation(
    conn: &mut PooledConnection,
    token: &UnprovenToken,
    now: Timestamp,
) -> Result<Option<Timestamp>, Unavailable> {
    let Some(row) = conn
        .fetch_first(SELECT_UNEXPIRED, &sql_values![token.key.as_str(), floor_ms(now)])
        .await?
    else {
        return Ok(None);
    };
    let (expires_at, has_text) = (row.int(0)?, row.opt_text(1)?.is_some());
    // Sufficient if half of the requested time is left and no text must be added. Otherwise each repeat of a
    // request would write a new line.
    let half = (ceil_ms(token.expires_at) - floor_ms(now)) / 2;
    let is_sufficient =
        expires_at >= floor_ms(now).saturating_add(half) && (has_text || token.sealed.is_none());
    Ok(is_sufficient.then(|| ms_to_timestamp(expires_at)))
}

fn to_row(token: &UnprovenToken) -> [super::value::SqlValue; 8] {
    sql_values![
        token.key.as_str(),
        token.sealed.as_ref().map(SealedValue::as_str),
        token.places,
        token.ip_address.as_deref(),
        floor_ms(token.recorded_at),
        ceil_ms(token.expires_at),
        ceil_ms(token.keep_until),
        token.attempts,
    ]
}

fn token_from_row(row: &SqlRow) -> Result<UnprovenToken, Unavailable> {
    Ok(UnprovenToken {
        key: TokenKey::from_stored(row.text(0)?),
        sealed: row.opt_text(1)?.map(SealedValue::from_stored),
        places: u32::try_from(row.int(2)?).unwrap_or(u32::MAX),
        ip_address: row.opt_text(3)?,
        recorded_at: ms_to_timestamp(row.int(4)?),
        expires_at: ms_to_timestamp(row.int(5)?),
        keep_until: ms_to_timestamp(row.int(6)?),
        attempts: u32::try_from(row.int(7)?).unwrap_or(u32::MAX),
    })
}
