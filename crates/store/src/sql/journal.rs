//! The journal of revocations: the record from which every store can be filled again.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::audit::AuditEvent;
use maxlab_auth_core::credential::sha256;
use maxlab_auth_core::revocation::{
    Epoch, Journal, JournalEntry, Journalled, Reason, Revocation, RevocationKey, Spare, Term,
};
use maxlab_auth_core::unavailable::Unavailable;

use super::audit::append_events;
use super::register;
use super::{Dialect, Held, Row, SqlDatabase, values};
use crate::moment::{ceil_ms, floor_ms, moment};

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

/// One append at a time per stripe of keys, so that two callers with one order see each other's line.
const LOCK_STRIPES: &str = "SELECT pg_advisory_xact_lock(70221, stripe.value::int)
     FROM json_array_elements_text($1::json) AS stripe";

/// The line that makes a new one needless.
const STANDING: &str = select!(
    "WHERE name = $1 AND kind = $2 AND entry = $3 AND expires_at_ms >= $4 AND at_ms >= $5 AND applied <= $6
     ORDER BY position LIMIT 1"
);

const APPEND: &str = "INSERT INTO revocations
     (name, kind, entry, at_ms, reason, revoked_at_ms, expires_at_ms, user_id, token_expires_at_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING position";

#[async_trait]
impl Journal for SqlDatabase {
    async fn append(
        &self,
        entries: &[JournalEntry],
        audit: &[AuditEvent],
        now: Timestamp,
    ) -> Result<Vec<Journalled>, Unavailable> {
        let mut held = self.database.begin().await?;
        if held.dialect() == Dialect::Postgres {
            lock(&mut held, entries).await?;
        }
        let mut lines = Vec::with_capacity(entries.len());
        for entry in entries {
            lines.push(match standing(&mut held, entry, now).await? {
                Some(line) => line,
                None => append_line(&mut held, entry, now).await?,
            });
        }
        append_events(&mut held, audit).await?;
        held.commit().await?;
        Ok(lines)
    }

    async fn applied(&self, positions: &[i64]) -> Result<(), Unavailable> {
        let mut held = self.database.writer().await?;
        let update = match held.dialect() {
            Dialect::Postgres => {
                "UPDATE revocations SET applied = 1 WHERE position IN
                 (SELECT value::bigint FROM json_array_elements_text($1::json))"
            }
            Dialect::Sqlite => {
                "UPDATE revocations SET applied = 1 WHERE position IN (SELECT value FROM json_each($1))"
            }
        };
        held.execute(update, &values![json(positions).as_str()])
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

/// A line's words, as they are kept.
struct Line<'e> {
    key: &'e RevocationKey,
    entry: &'static str,
    at_ms: i64,
    reason: &'static str,
    revoked_at_ms: i64,
    expires_at_ms: i64,
    user_id: Option<&'e str>,
    token_expires_at_ms: Option<i64>,
}

impl<'e> Line<'e> {
    /// Moments round to the side on which more stays revoked: cut-offs and expiries up, the beginnings of spared
    /// logins down.
    fn of(entry: &'e JournalEntry, now: Timestamp) -> Self {
        match entry {
            JournalEntry::Revoked(order) => Self {
                key: &order.key,
                entry: "revoked",
                at_ms: if order.key.is_cutoff() {
                    ceil_ms(order.cutoff.unwrap_or(order.revoked_at))
                } else {
                    0
                },
                reason: order.reason.as_str(),
                revoked_at_ms: floor_ms(order.revoked_at),
                expires_at_ms: ceil_ms(order.expires_at),
                user_id: order.user_id.as_deref(),
                token_expires_at_ms: order.token_expires_at.map(ceil_ms),
            },
            JournalEntry::Spared(spare) => Self {
                key: &spare.key,
                entry: "spared",
                at_ms: floor_ms(spare.began_at),
                reason: "",
                revoked_at_ms: floor_ms(now),
                expires_at_ms: ceil_ms(spare.expires_at),
                user_id: Some(&spare.user_id),
                token_expires_at_ms: None,
            },
        }
    }
}

async fn lock(held: &mut Held, entries: &[JournalEntry]) -> Result<(), Unavailable> {
    let stripes: BTreeSet<i64> = entries
        .iter()
        .map(|entry| {
            let key = match entry {
                JournalEntry::Revoked(order) => &order.key,
                JournalEntry::Spared(spare) => &spare.key,
            };
            let digest = sha256(key.to_string().as_bytes());
            // 512 stripes, always taken in one order: no deadlock, and never more locks than a server has.
            i64::from(u16::from_be_bytes([digest[0], digest[1]]) % 512)
        })
        .collect();
    let stripes: Vec<i64> = stripes.into_iter().collect();
    held.rows(LOCK_STRIPES, &values![json(&stripes).as_str()])
        .await
        .map(drop)
}

async fn standing(
    held: &mut Held,
    entry: &JournalEntry,
    now: Timestamp,
) -> Result<Option<Journalled>, Unavailable> {
    let line = Line::of(entry, now);
    let (expires, at, applied): (i64, i64, i64) = match entry {
        JournalEntry::Revoked(order) if order.key.is_cutoff() => {
            (floor_ms(now).saturating_add(1), i64::MIN, 0)
        }
        _ => (line.expires_at_ms, line.at_ms, 1),
    };
    let values = values![
        line.key.name().as_str(),
        line.key.kind(),
        line.entry,
        expires,
        at,
        applied
    ];
    held.row(STANDING, &values)
        .await?
        .as_ref()
        .map(journalled)
        .transpose()
}

async fn append_line(
    held: &mut Held,
    entry: &JournalEntry,
    now: Timestamp,
) -> Result<Journalled, Unavailable> {
    let line = Line::of(entry, now);
    let values = values![
        line.key.name().as_str(),
        line.key.kind(),
        line.entry,
        line.at_ms,
        line.reason,
        line.revoked_at_ms,
        line.expires_at_ms,
        line.user_id,
        line.token_expires_at_ms,
    ];
    let row = held.row(APPEND, &values).await?;
    let position = row
        .ok_or_else(|| Unavailable::database("an append answered no position"))?
        .int(0)?;
    Ok(Journalled {
        position,
        entry: as_kept(entry),
    })
}

/// The entry as a later reader gets it: to the millisecond.
fn as_kept(entry: &JournalEntry) -> JournalEntry {
    let mut kept = entry.clone();
    match &mut kept {
        JournalEntry::Revoked(order) => {
            order.cutoff = order.cutoff.map(|at| moment(ceil_ms(at)));
            order.revoked_at = moment(floor_ms(order.revoked_at));
            order.expires_at = moment(ceil_ms(order.expires_at));
            order.token_expires_at = order.token_expires_at.map(|at| moment(ceil_ms(at)));
        }
        JournalEntry::Spared(spare) => {
            spare.began_at = moment(floor_ms(spare.began_at));
            spare.expires_at = moment(ceil_ms(spare.expires_at));
        }
    }
    kept
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

fn json(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", numbers.join(","))
}
