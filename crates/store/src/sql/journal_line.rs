//! Lines of the journal, as rows.

use std::collections::BTreeSet;

use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::{
    CutoffExemption, JournalEntry, JournalLine, Revocation, RevocationReason,
};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::RevocationKey;

use super::value::to_json_rows;
use super::{PooledConnection, SqlRow, sql_values};
use crate::millis::ms_to_timestamp;

/// Selects the columns of a line, in the order that [`line_from_row`] expects.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT position, entry, kind, name, at_ms, reason, revoked_at_ms, expires_at_ms, user_id,
                 token_expires_at_ms FROM revocations ",
            $rest
        )
    };
}
pub(super) use select;

/// Selects the lines at given positions. PostgreSQL's statement, and SQLite's.
const SELECT_AT: (&str, &str) = (
    select!("WHERE position IN (SELECT value::bigint FROM json_array_elements_text($1::json))"),
    select!("WHERE position IN (SELECT value FROM json_each($1))"),
);

/// Returns the lines at these positions, in any order.
pub(super) async fn lines_at(
    conn: &mut PooledConnection,
    positions: &BTreeSet<i64>,
) -> Result<Vec<JournalLine>, Unavailable> {
    let at = conn.dialect().pick(SELECT_AT);
    let rows = conn
        .fetch_all(at, &sql_values![to_json_rows(positions)?.as_str()])
        .await?;
    rows.iter().map(line_from_row).collect()
}

pub(super) fn line_from_row(row: &SqlRow) -> Result<JournalLine, Unavailable> {
    let key = RevocationKey::from_parts(&row.text(2)?, &row.text(3)?)
        .ok_or_else(|| row.decode_error("revocation key"))?;
    let at = ms_to_timestamp(row.int(4)?);
    let expires_at = ms_to_timestamp(row.int(7)?);
    let subject = row.opt_text(8)?.filter(|text| !text.is_empty());
    let subject = subject.map(|text| Subject::from_storage_name(&text));
    // "spared" is stored data, the older word for exempt.
    let entry = if row.text(1)? == "spared" {
        JournalEntry::Exempted(CutoffExemption {
            key,
            began_at: at,
            expires_at,
            subject,
        })
    } else {
        JournalEntry::Revoked(Revocation {
            // For a name the column is 0, which is no time.
            cutoff: key.is_cutoff().then_some(at),
            key,
            reason: RevocationReason::parse(&row.text(5)?),
            revoked_at: ms_to_timestamp(row.int(6)?),
            expires_at,
            token_expires_at: row.opt_int(9)?.map(ms_to_timestamp),
            subject,
        })
    };
    Ok(JournalLine {
        position: row.int(0)?,
        entry,
    })
}
