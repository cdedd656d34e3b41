//! The journal's register of the store's data sets: which one counts, under which number.

use maxlab_auth_core::revocation::{Epoch, Term};
use maxlab_auth_core::unavailable::Unavailable;
use uuid::Uuid;

use super::{Database, values};

const JOURNAL_ID: &str = "journal_id";
const TERM: &str = "store_term";

/// The journal's own name, drawn once.
pub(super) async fn journal_id(database: &Database) -> Result<String, Unavailable> {
    if let Some(id) = meta(database, JOURNAL_ID).await? {
        return Ok(id);
    }
    insert(database, JOURNAL_ID, &Uuid::new_v4().simple().to_string()).await?;
    meta(database, JOURNAL_ID)
        .await?
        .ok_or_else(|| Unavailable::database("the journal's name did not stay"))
}

/// What is registered.
pub(super) async fn term(database: &Database) -> Result<Option<Term>, Unavailable> {
    let Some(kept) = meta(database, TERM).await? else {
        return Ok(None);
    };
    let (number, epoch) = kept
        .split_once(':')
        .and_then(|(number, epoch)| Some((number.parse().ok()?, epoch)))
        .ok_or_else(|| Unavailable::database("the register of data sets cannot be read"))?;
    Ok(Some(Term {
        number,
        epoch: Epoch::new(epoch),
    }))
}

/// Registers the next data set if `current` is what stands.
pub(super) async fn announce(
    database: &Database,
    current: Option<&Term>,
    epoch: &Epoch,
) -> Result<Option<Term>, Unavailable> {
    let next = Term {
        number: current.map_or(1, |term| term.number.saturating_add(1)),
        epoch: epoch.clone(),
    };
    let done = match current {
        None => insert(database, TERM, &next.mark()).await?,
        Some(current) => {
            let mut held = database.writer().await?;
            held.execute(
                "UPDATE gateway_meta SET value = $3 WHERE name = $1 AND value = $2",
                &values![TERM, current.mark().as_str(), next.mark().as_str()],
            )
            .await?
        }
    };
    Ok((done == 1).then_some(next))
}

async fn meta(database: &Database, name: &str) -> Result<Option<String>, Unavailable> {
    let mut held = database.reader().await?;
    let row = held
        .row("SELECT value FROM gateway_meta WHERE name = $1", &values![name])
        .await?;
    row.map(|row| row.text(0)).transpose()
}

async fn insert(database: &Database, name: &str, value: &str) -> Result<u64, Unavailable> {
    let mut held = database.writer().await?;
    held.execute(
        "INSERT INTO gateway_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        &values![name, value],
    )
    .await
}
