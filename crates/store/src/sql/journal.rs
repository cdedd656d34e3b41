//! The journal of revocations: the durable record from which a store that lost its data is filled again.

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{Journal, JournalLine, JournalLineStatus, JournalTransaction};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{Epoch, RevocationKey, Term};
use serde::Serialize;

use super::append::append_entries;
use super::audit::append_events;
use super::data_set_register;
use super::journal_line::{line_from_row, select};
use super::outbox::enqueue_items;
use super::value::{escape_text, to_json_rows};
use super::{SqlDatabase, sql_values};
use crate::millis::floor_ms;

/// Marks lines as acknowledged. The column is named `applied`. PostgreSQL's statement, and SQLite's.
const MARK_APPLIED: (&str, &str) = (
    "UPDATE revocations SET applied = 1 WHERE position IN
         (SELECT value::bigint FROM json_array_elements_text($1::json))",
    "UPDATE revocations SET applied = 1 WHERE position IN (SELECT value FROM json_each($1))",
);

/// Selects the unexpired revocations of given keys: the columns of [`select`], and `applied`.
///
/// `+ 0` keeps the planner from the index on expiry, where nearly all lines match.
macro_rules! select_in_force {
    ($given:literal) => {
        concat!(
            "SELECT position, entry, line.kind, line.name, at_ms, reason, revoked_at_ms, expires_at_ms, user_id,
                 token_expires_at_ms, applied
             FROM ",
            $given,
            " JOIN revocations AS line ON line.name = given.name AND line.kind = given.kind
             WHERE entry = 'revoked' AND expires_at_ms + 0 > $2 ORDER BY position"
        )
    };
}

// DISTINCT: a caller may name one key twice, and must get its lines once.
const SELECT_IN_FORCE: (&str, &str) = (
    select_in_force!(
        "(SELECT DISTINCT name, kind FROM json_to_recordset($1::json) AS one(name text, kind text)) AS given"
    ),
    select_in_force!(
        "(SELECT DISTINCT value ->> 'name' AS name, value ->> 'kind' AS kind FROM json_each($1)) AS given"
    ),
);

/// A revocation key in the form of the columns.
#[derive(Serialize)]
struct JournalKeyRow {
    name: String,
    kind: &'static str,
}

#[async_trait]
impl Journal for SqlDatabase {
    #[tracing::instrument(name = "journal.append", level = "debug", skip_all, fields(entries = record.entries.len()))]
    async fn append(
        &self,
        record: JournalTransaction<'_>,
        now: Timestamp,
    ) -> Result<Vec<JournalLine>, Unavailable> {
        let mut conn = self.database.begin_write().await?;
        // One transaction: no revocation without its audit event and its outbox message.
        let lines = append_entries(&mut conn, record.entries, now).await?;
        append_events(&mut conn, record.audit).await?;
        enqueue_items(&mut conn, record.upstream).await?;
        conn.commit().await?;
        Ok(lines)
    }

    #[tracing::instrument(name = "journal.mark_acknowledged", level = "debug", skip_all, fields(lines = positions.len()))]
    async fn mark_acknowledged(&self, positions: &[i64]) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        // A single statement is its own transaction. Marking twice changes nothing.
        let update = conn.dialect().pick(MARK_APPLIED);
        conn.execute(update, &sql_values![to_json_rows(positions)?.as_str()])
            .await
            .map(drop)
    }

    #[tracing::instrument(name = "journal.lines_for_keys", level = "debug", skip_all)]
    async fn lines_for_keys(
        &self,
        keys: &[RevocationKey],
        now: Timestamp,
    ) -> Result<Vec<JournalLineStatus>, Unavailable> {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| JournalKeyRow {
                name: escape_text(&key.name()),
                kind: key.kind(),
            })
            .collect();
        let mut conn = self.database.acquire_reader().await?;
        let find = conn.dialect().pick(SELECT_IN_FORCE);
        let rows = conn
            .fetch_all(find, &sql_values![to_json_rows(&keys)?.as_str(), floor_ms(now)])
            .await?;
        let statuses = rows.iter().map(|row| {
            Ok(JournalLineStatus {
                line: line_from_row(row)?,
                is_acknowledged: row.int(10)? != 0,
            })
        });
        statuses.collect()
    }

    #[tracing::instrument(name = "journal.unacknowledged", level = "debug", skip_all)]
    async fn unacknowledged(&self, limit: u32) -> Result<Vec<JournalLine>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let rows = conn
            .fetch_all(
                // Served by a partial index, which contains the few unacknowledged lines only.
                select!("WHERE applied = 0 ORDER BY position LIMIT $1"),
                &sql_values![limit],
            )
            .await?;
        rows.iter().map(line_from_row).collect()
    }

    #[tracing::instrument(name = "journal.unexpired_after", level = "debug", skip_all)]
    async fn unexpired_after(
        &self,
        position: i64,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<JournalLine>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let rows = conn
            .fetch_all(
                // Pages by position: a line that is appended meanwhile comes after the last page.
                select!("WHERE position > $1 AND expires_at_ms > $2 ORDER BY position LIMIT $3"),
                &sql_values![position, floor_ms(now), limit],
            )
            .await?;
        rows.iter().map(line_from_row).collect()
    }

    #[tracing::instrument(name = "journal.id", level = "debug", skip_all)]
    async fn id(&self) -> Result<String, Unavailable> {
        data_set_register::load_or_create_journal_id(&self.database).await
    }

    #[tracing::instrument(name = "journal.current_term", level = "debug", skip_all)]
    async fn current_term(&self) -> Result<Option<Term>, Unavailable> {
        data_set_register::load_term(&self.database).await
    }

    #[tracing::instrument(name = "journal.register_term", level = "debug", skip_all)]
    async fn register_term(
        &self,
        current: Option<&Term>,
        epoch: &Epoch,
    ) -> Result<Option<Term>, Unavailable> {
        data_set_register::register_next_term(&self.database, current, epoch).await
    }

    #[tracing::instrument(name = "journal.purge", level = "debug", skip_all)]
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        self.database
            .delete_in_batches(
                // Also lines that were never acknowledged: what they revoke has expired.
                "DELETE FROM revocations WHERE position IN
                 (SELECT position FROM revocations WHERE expires_at_ms <= $1 LIMIT $2)",
                floor_ms(now),
            )
            .await
    }
}
