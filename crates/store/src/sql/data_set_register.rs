//! The register of data sets in the journal, changed by compare-and-set only (docs/REVOCATION.md).

use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{Epoch, Term};
use uuid::Uuid;

use super::{PooledDatabase, sql_values};

const JOURNAL_ID_NAME: &str = "journal_id";
const TERM_NAME: &str = "store_term";

/// Returns the journal's random name, which is drawn at the first call.
pub(super) async fn load_or_create_journal_id(database: &PooledDatabase) -> Result<String, Unavailable> {
    if let Some(id) = load_meta(database, JOURNAL_ID_NAME).await? {
        return Ok(id);
    }
    // Read back: if two instances start at the same time, both use the name that was inserted first.
    insert_meta(database, JOURNAL_ID_NAME, &Uuid::new_v4().simple().to_string()).await?;
    load_meta(database, JOURNAL_ID_NAME)
        .await?
        .ok_or_else(|| Unavailable::database("the journal's name was not stored"))
}

/// Returns the registered term; `None` before the first.
pub(super) async fn load_term(database: &PooledDatabase) -> Result<Option<Term>, Unavailable> {
    let Some(mark) = load_meta(database, TERM_NAME).await? else {
        return Ok(None);
    };
    // An unreadable register is an error, not "no term yet": without the term nothing can be acknowledged.
    let (number, epoch) = mark
        .split_once(':')
        .and_then(|(number, epoch)| Some((number.parse().ok()?, epoch)))
        .ok_or_else(|| Unavailable::database("the register of data sets cannot be read"))?;
    Ok(Some(Term {
        number,
        epoch: Epoch::new(epoch),
    }))
}

/// Registers the next term if `current` is still registered; `None` if it is not.
pub(super) async fn register_next_term(
    database: &PooledDatabase,
    current: Option<&Term>,
    epoch: &Epoch,
) -> Result<Option<Term>, Unavailable> {
    let next = Term {
        number: current.map_or(1, |term| term.number.saturating_add(1)),
        epoch: epoch.clone(),
    };
    let changed = match current {
        // The row does not exist yet, and of two inserts one does nothing.
        None => insert_meta(database, TERM_NAME, &next.mark()).await?,
        Some(current) => {
            let mut conn = database.acquire_writer().await?;
            conn.execute(
                "UPDATE gateway_meta SET value = $3 WHERE name = $1 AND value = $2",
                &sql_values![TERM_NAME, current.mark().as_str(), next.mark().as_str()],
            )
            .await?
        }
    };
    Ok((changed == 1).then_some(next))
}

async fn load_meta(database: &PooledDatabase, name: &str) -> Result<Option<String>, Unavailable> {
    let mut conn = database.acquire_reader().await?;
    let row = conn
        .fetch_first(
            "SELECT value FROM gateway_meta WHERE name = $1",
            &sql_values![name],
        )
        .await?;
    row.map(|row| row.text(0)).transpose()
}

async fn insert_meta(database: &PooledDatabase, name: &str, value: &str) -> Result<u64, Unavailable> {
    let mut conn = database.acquire_writer().await?;
    conn.execute(
        "INSERT INTO gateway_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        &sql_values![name, value],
    )
    .await
}
