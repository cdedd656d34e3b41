//! The journal of revocations: the record from which every store can be filled again.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{
    Epoch, Journal, JournalEntry, Journalled, Reason, Record, Revocation, RevocationKey, Spare, Term,
};
use maxlab_auth_core::unavailable::Unavailable;

use super::append::append_entries;
use super::audit::append_events;
use super::outbox::enqueue_items;
use super::register;
use super::value::json;
use super::{Held, Row, SqlDatabase, values};
use crate::moment::{floor_ms, moment};

/// The columns of a line, in the order in which [`journalled`] reads them.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT position, entry, kind, name, at_ms, reason, revoked_at_ms, expires_at_ms, user_id,
                 token_expires_at_ms FROM revocations ",
            $rest
        )
    };
}

/// PostgreSQL's statement, and SQLite's.
const APPLIED: (&str, &str) = (
    "UPDATE revocations SET applied = 1 WHERE position IN
         (SELECT value::bigint FROM json_array_elements_text($1::json))",
    "UPDATE revocations SET applied = 1 WHERE position IN (SELECT value FROM json_each($1))",
);

/// The same.
const AT: (&str, &str) = (
    select!("WHERE position IN (SELECT value::bigint FROM json_array_elements_text($1::json))"),
    select!("WHERE position IN (SELECT value FROM json_each($1))"),
);

#[async_trait]
impl Journal for SqlDatabase {
    async fn append(&self, record: Record<'_>, now: Timestamp) -> Result<Vec<Journalled>, Unavailable> {
        let mut held = self.database.begin().await?;
        let lines = append_entries(&mut held, record.entries, now).await?;
        append_events(&mut held, record.audit).await?;
        enqueue_items(&mut held, record.upstream).await?;
        held.commit().await?;
        Ok(lines)
    }

    async fn applied(&self, positions: &[i64]) -> Result<(), Unavailable> {
        let mut held = self.database.writer().await?;
        let update = held.dialect().of(APPLIED);
        held.execute(update, &values![json(positions)?.as_str()])
            .await
            .map(drop)
    }

    async fn unapplied(&self, limit: u32) -> Result<Vec<Journalled>, Unavailable> {
        let mut held = self.database.reader().await?;
        let rows = held
            .rows(
                select!("WHERE applied = 0 ORDER BY position LIMIT $1"),
                &values![limit],
            )
            .await?;
        rows.iter().map(journalled).collect()
    }

    async fn live_after(
        &self,
        position: i64,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Journalled>, Unavailable> {
        let mut held = self.database.reader().await?;
        let rows = held
            .rows(
                select!("WHERE position > $1 AND expires_at_ms > $2 ORDER BY position LIMIT $3"),
                &values![position, floor_ms(now), limit],
            )
            .await?;
        rows.iter().map(journalled).collect()
    }

    async fn id(&self) -> Result<String, Unavailable> {
        register::journal_id(&self.database).await
    }

    async fn term(&self) -> Result<Option<Term>, Unavailable> {
        register::term(&self.database).await
    }

    async fn announce(&self, current: Option<&Term>, epoch: &Epoch) -> Result<Option<Term>, Unavailable> {
        register::announce(&self.database, current, epoch).await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        self.database
            .delete_in_batches(
                "DELETE FROM revocations WHERE position IN
                 (SELECT position FROM revocations WHERE expires_at_ms <= $1 LIMIT $2)",
                floor_ms(now),
            )
            .await
    }
}

/// The lines at these places.
pub(super) async fn lines_at(
    held: &mut Held,
    positions: &BTreeSet<i64>,
) -> Result<Vec<Journalled>, Unavailable> {
    let at = held.dialect().of(AT);
    let rows = held.rows(at, &values![json(positions)?.as_str()]).await?;
    rows.iter().map(journalled).collect()
}

fn journalled(row: &Row) -> Result<Journalled, Unavailable> {
    let key = RevocationKey::from_parts(&row.text(2)?, &row.text(3)?)
        .ok_or_else(|| row.unreadable("revocation key"))?;
    let at = moment(row.int(4)?);
    let expires_at = moment(row.int(7)?);
    let user_id = row.opt_text(8)?;
    let entry = if row.text(1)? == "spared" {
        JournalEntry::Spared(Spare {
            key,
            began_at: at,
            expires_at,
            user_id: user_id.unwrap_or_default(),
        })
    } else {
        JournalEntry::Revoked(Revocation {
            cutoff: key.is_cutoff().then_some(at),
            key,
            reason: Reason::parse(&row.text(5)?),
            revoked_at: moment(row.int(6)?),
            expires_at,
            token_expires_at: row.opt_int(9)?.map(moment),
            user_id,
        })
    };
    Ok(Journalled {
        position: row.int(0)?,
        entry,
    })
}
