//! What the embedded store holds, read in pages for an instance that joins.

use jiff::Timestamp;
use maxlab_auth_core::revocation::{JournalEntry, Reason, Revocation, RevocationKey, Spare};
use maxlab_auth_core::unavailable::Unavailable;

use super::EmbeddedStore;
use crate::moment::{floor_ms, moment};
use crate::sql::{Row, values};

/// How many rows are read at a time.
const PAGE: u32 = 10_000;

/// A page of what is revoked; kind and name come first, and tell where the next page begins.
pub(super) const REVOKED: &str =
    "SELECT kind, name, cutoff_ms, reason, revoked_at_ms, expires_at_ms FROM revoked
     WHERE (kind, name) > ($1, $2) AND expires_at_ms > $3 ORDER BY kind, name LIMIT $4";

/// A page of what is spared.
pub(super) const SPARED: &str = "SELECT kind, name, began_at_ms, expires_at_ms FROM spared
     WHERE (kind, name) > ($1, $2) AND expires_at_ms > $3 ORDER BY kind, name LIMIT $4";

impl EmbeddedStore {
    /// Hands what every row of a table says to `sink`, a page at a time.
    pub(super) async fn each(
        &self,
        page: &'static str,
        read: fn(&Row) -> Result<JournalEntry, Unavailable>,
        now: Timestamp,
        sink: &mut (dyn FnMut(JournalEntry) + Send),
    ) -> Result<(), Unavailable> {
        let (mut kind, mut name) = (String::new(), String::new());
        loop {
            let mut held = self.database.reader().await?;
            let behind = values![kind.as_str(), name.as_str(), floor_ms(now), PAGE];
            let rows = held.rows(page, &behind).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            (kind, name) = (last.text(0)?, last.text(1)?);
            for row in &rows {
                sink(read(row)?);
            }
        }
    }
}

/// A row of [`REVOKED`].
pub(super) fn revoked(row: &Row) -> Result<JournalEntry, Unavailable> {
    let key = key(row)?;
    Ok(JournalEntry::Revoked(Revocation {
        cutoff: row.opt_int(2)?.map(moment).filter(|_| key.is_cutoff()),
        key,
        reason: Reason::parse(&row.text(3)?),
        revoked_at: moment(row.int(4)?),
        expires_at: moment(row.int(5)?),
        token_expires_at: None,
        user_id: None,
    }))
}

/// A row of [`SPARED`].
pub(super) fn spared(row: &Row) -> Result<JournalEntry, Unavailable> {
    Ok(JournalEntry::Spared(Spare {
        key: key(row)?,
        began_at: moment(row.int(2)?),
        expires_at: moment(row.int(3)?),
        user_id: String::new(),
    }))
}

fn key(row: &Row) -> Result<RevocationKey, Unavailable> {
    RevocationKey::from_parts(&row.text(0)?, &row.text(1)?).ok_or_else(|| row.unreadable("revocation key"))
}
