//! The snapshot of the embedded store: all unexpired rows, read in pages for an instance that joins.

use jiff::Timestamp;
use maxlab_auth_core::revocation::{CutoffExemption, JournalEntry, Revocation, RevocationReason};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::RevocationKey;

use super::EmbeddedStore;
use crate::millis::{floor_ms, ms_to_timestamp};
use crate::sql::{SqlRow, sql_values};

/// Number of rows in a page. Between two pages the connection is free for other readers.
const PAGE_ROWS: u32 = 10_000;

/// Selects a page of revocations. Kind and name come first: the next page begins after those of the last row.
pub(super) const SELECT_REVOKED_PAGE: &str =
    "SELECT kind, name, cutoff_ms, reason, revoked_at_ms, expires_at_ms FROM revoked
     WHERE (kind, name) > ($1, $2) AND expires_at_ms > $3 ORDER BY kind, name LIMIT $4";

/// Selects a page of exemptions, in the same form.
pub(super) const SELECT_EXEMPTION_PAGE: &str = "SELECT kind, name, began_at_ms, expires_at_ms FROM spared
     WHERE (kind, name) > ($1, $2) AND expires_at_ms > $3 ORDER BY kind, name LIMIT $4";

impl EmbeddedStore {
    /// Reads all unexpired rows of a table, page by page, and passes each entry to `sink`.
    pub(super) async fn read_in_pages(
        &self,
        page: &'static str,
        read: fn(&SqlRow) -> Result<JournalEntry, Unavailable>,
        now: Timestamp,
        sink: &mut (dyn FnMut(JournalEntry) + Send),
    ) -> Result<(), Unavailable> {
        // Every stored kind is longer than the empty text, so the first page begins before all rows.
        let (mut kind, mut name) = (String::new(), String::new());
        loop {
            // One connection per page: its time limit counts for a page and not for the whole table.
            let mut conn = self.database.acquire_reader().await?;
            let values = sql_values![kind.as_str(), name.as_str(), floor_ms(now), PAGE_ROWS];
            let rows = conn.fetch_all(page, &values).await?;
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

/// Converts a row of [`SELECT_REVOKED_PAGE`].
pub(super) fn revoked_from_row(row: &SqlRow) -> Result<JournalEntry, Unavailable> {
    let key = key_from_row(row)?;
    Ok(JournalEntry::Revoked(Revocation {
        cutoff: row.opt_int(2)?.map(ms_to_timestamp).filter(|_| key.is_cutoff()),
        key,
        reason: RevocationReason::parse(&row.text(3)?),
        revoked_at: ms_to_timestamp(row.int(4)?),
        expires_at: ms_to_timestamp(row.int(5)?),
        token_expires_at: None,
        subject: None,
    }))
}

/// Converts a row of [`SELECT_EXEMPTION_PAGE`].
pub(super) fn exemption_from_row(row: &SqlRow) -> Result<JournalEntry, Unavailable> {
    Ok(JournalEntry::Exempted(CutoffExemption {
        key: key_from_row(row)?,
        began_at: ms_to_timestamp(row.int(2)?),
        expires_at: ms_to_timestamp(row.int(3)?),
        // A replica does not need the user of an exemption.
        subject: None,
    }))
}

fn key_from_row(row: &SqlRow) -> Result<RevocationKey, Unavailable> {
    RevocationKey::from_parts(&row.text(0)?, &row.text(1)?).ok_or_else(|| row.decode_error("revocation key"))
}
