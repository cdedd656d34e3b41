//! Appending to the journal: a fixed number of statements for any number of entries.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use maxlab_auth_core::credential::sha256;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::{CutoffExemption, JournalEntry, JournalLine, Revocation};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::RevocationKey;
use serde::Serialize;

use super::journal_line::lines_at;
use super::value::{escape_text, to_json_rows};
use super::{PooledConnection, SqlDialect, sql_values};
use crate::millis::{ceil_ms, floor_ms, ms_to_timestamp};

/// Admits one append at a time per stripe of keys, so that two callers with one key find each other's line.
// 70221 is the class of these locks. Unproven tokens use 70222.
const LOCK_STRIPES: &str = "SELECT pg_advisory_xact_lock(70221, stripe.value::int)
     FROM json_array_elements_text($1::json) AS stripe";

/// Builds PostgreSQL's and SQLite's form of a statement on lines that are given as JSON.
// One JSON parameter and not one placeholder per value: PostgreSQL admits 65,535 placeholders.
macro_rules! with_json_rows {
    ($rest:literal) => {
        (
            concat!(
                "WITH given AS (SELECT * FROM json_to_recordset($1::json) AS line(
                     n bigint, name text, kind text, entry text, at_ms bigint, reason text, revoked_at_ms bigint,
                     expires_at_ms bigint, user_id text, token_expires_at_ms bigint,
                     until_ms bigint, from_ms bigint, done bigint)) ",
                $rest
            ),
            concat!(
                "WITH given AS (SELECT value ->> 'n' AS n, value ->> 'name' AS name, value ->> 'kind' AS kind,
                     value ->> 'entry' AS entry, value ->> 'at_ms' AS at_ms, value ->> 'reason' AS reason,
                     value ->> 'revoked_at_ms' AS revoked_at_ms, value ->> 'expires_at_ms' AS expires_at_ms,
                     value ->> 'user_id' AS user_id, value ->> 'token_expires_at_ms' AS token_expires_at_ms,
                     value ->> 'until_ms' AS until_ms, value ->> 'from_ms' AS from_ms, value ->> 'done' AS done
                 FROM json_each($1)) ",
                $rest
            ),
        )
    };
}

/// Selects for each given line the position of the first stored line that covers it.
///
/// `+ 0` keeps PostgreSQL from the indexes on expiry and position, which it would choose before it has
/// statistics, and which match nearly every line. A line is found by its name.
const FIND_COVERING_ROWS: (&str, &str) = with_json_rows!(
    "SELECT n, (SELECT min(s.position + 0) FROM revocations AS s
         WHERE s.name = given.name AND s.kind = given.kind AND s.entry = given.entry
             AND s.expires_at_ms + 0 >= given.until_ms AND s.at_ms >= given.from_ms AND s.applied <= given.done)
     FROM given"
);

/// Inserts lines. The order of `n` decides the order of the positions.
const APPEND: (&str, &str) = with_json_rows!(
    "INSERT INTO revocations
         (name, kind, entry, at_ms, reason, revoked_at_ms, expires_at_ms, user_id, token_expires_at_ms)
     SELECT name, kind, entry, at_ms, reason, revoked_at_ms, expires_at_ms, user_id, token_expires_at_ms
     FROM given ORDER BY n RETURNING position"
);

/// A line in the form of the columns, and the conditions under which another line covers it.
#[derive(Serialize)]
struct JournalRow {
    n: usize,
    name: String,
    kind: &'static str,
    entry: &'static str,
    at_ms: i64,
    reason: &'static str,
    revoked_at_ms: i64,
    expires_at_ms: i64,
    user_id: Option<String>,
    token_expires_at_ms: Option<i64>,
    /// A covering line expires at this time or later.
    until_ms: i64,
    /// A covering line has this time or a later one.
    from_ms: i64,
    /// 1 if a covering line may be acknowledged already.
    done: i64,
}

impl JournalRow {
    /// Converts an entry. Times round to the side on which more is revoked: cut-offs and expiries up, the
    /// beginnings of exempt logins down.
    fn from_entry(n: usize, entry: &JournalEntry, now: Timestamp) -> Self {
        match entry {
            JournalEntry::Revoked(revocation) => Self::from_revocation(n, revocation, now),
            JournalEntry::Exempted(exemption) => Self::from_exemption(n, exemption, now),
        }
    }

    fn from_revocation(n: usize, revocation: &Revocation, now: Timestamp) -> Self {
        let is_cutoff = revocation.key.is_cutoff();
        let at_ms = if is_cutoff {
            ceil_ms(revocation.cutoff.unwrap_or(revocation.revoked_at))
        } else {
            0
        };
        let expires_at_ms = ceil_ms(revocation.expires_at);
        // Any unexpired cut-off of the scope that is not acknowledged yet covers a new one: a caller that
        // asks again after a 503 gets the time first written. An acknowledged one does not cover a new one.
        let (until_ms, from_ms) = if is_cutoff {
            (floor_ms(now).saturating_add(1), floor_ms(Timestamp::MIN))
        } else {
            (expires_at_ms, at_ms)
        };
        Self {
            n,
            name: escape_text(&revocation.key.name()),
            kind: revocation.key.kind(),
            entry: "revoked",
            at_ms,
            reason: revocation.reason.as_str(),
            revoked_at_ms: floor_ms(revocation.revoked_at),
            expires_at_ms,
            user_id: subject_text(revocation.subject.as_ref()),
            token_expires_at_ms: revocation.token_expires_at.map(ceil_ms),
            until_ms,
            from_ms,
            done: i64::from(!is_cutoff),
        }
    }

    fn from_exemption(n: usize, exemption: &CutoffExemption, now: Timestamp) -> Self {
        let (at_ms, expires_at_ms) = (floor_ms(exemption.began_at), ceil_ms(exemption.expires_at));
        Self {
            n,
            name: escape_text(&exemption.key.name()),
            kind: exemption.key.kind(),
            // Stored data: the older word for exempt.
            entry: "spared",
            at_ms,
            // An exemption has no reason. Its time of record goes into the column of revocations.
            reason: "",
            revoked_at_ms: floor_ms(now),
            expires_at_ms,
            user_id: subject_text(exemption.subject.as_ref()),
            token_expires_at_ms: None,
            until_ms: expires_at_ms,
            from_ms: at_ms,
            done: 1,
        }
    }

    /// Returns the columns that a covering line has in common with this one.
    fn match_key(&self) -> (&str, &str, &str) {
        (self.name.as_str(), self.kind, self.entry)
    }

    /// Reports whether this new line covers another one with the same [`match_key`](Self::match_key).
    fn covers(&self, other: &Self) -> bool {
        self.expires_at_ms >= other.until_ms && self.at_ms >= other.from_ms
    }
}

fn subject_text(subject: Option<&Subject>) -> Option<String> {
    subject.map(|subject| escape_text(&subject.storage_name()))
}

/// The line of an entry.
enum AppendResult {
    /// The entry was stored before, in this line.
    Existing(JournalLine),
    /// Index among the new lines.
    New(usize),
}

/// Appends the entries that no stored line covers, in the caller's transaction. Returns the line of each.
pub(super) async fn append_entries(
    conn: &mut PooledConnection,
    entries: &[JournalEntry],
    now: Timestamp,
) -> Result<Vec<JournalLine>, Unavailable> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    // The locks come before the lookup: a line that is committed during the wait must be found.
    if conn.dialect() == SqlDialect::Postgres {
        lock_key_stripes(conn, entries).await?;
    }
    let numbered = entries.iter().enumerate();
    let lines: Vec<_> = numbered
        .map(|(n, entry)| JournalRow::from_entry(n, entry, now))
        .collect();
    let (results, new) = deduplicate(&lines, find_covering_rows(conn, &lines).await?);
    let positions = insert_rows(conn, &new).await?;
    let written = |index: usize| {
        Some(JournalLine {
            position: *positions.get(index)?,
            entry: as_stored(entries.get(new.get(index)?.n)?),
        })
    };
    let answers = results.into_iter().map(|result| match result {
        AppendResult::Existing(line) => Some(line),
        AppendResult::New(index) => written(index),
    });
    answers
        .collect::<Option<_>>()
        .ok_or_else(|| Unavailable::database("the insert returned fewer positions than lines"))
}

/// Returns the result for each line, and the lines to insert. A line that an earlier line of the same call
/// covers is not inserted, as if the lines had come one after the other.
fn deduplicate(
    lines: &[JournalRow],
    mut existing: HashMap<usize, JournalLine>,
) -> (Vec<AppendResult>, Vec<&JournalRow>) {
    let mut new: Vec<&JournalRow> = Vec::new();
    // New lines by their key columns, so that a call with many entries does not compare every pair.
    let mut new_of: HashMap<_, Vec<usize>> = HashMap::new();
    let results = lines.iter().map(|line| {
        if let Some(existing_line) = existing.remove(&line.n) {
            return AppendResult::Existing(existing_line);
        }
        let alike = new_of.entry(line.match_key()).or_default();
        let covers = |index: &&usize| new.get(**index).is_some_and(|other| other.covers(line));
        if let Some(index) = alike.iter().find(covers) {
            return AppendResult::New(*index);
        }
        alike.push(new.len());
        new.push(line);
        AppendResult::New(new.len() - 1)
    });
    (results.collect(), new)
}

async fn lock_key_stripes(conn: &mut PooledConnection, entries: &[JournalEntry]) -> Result<(), Unavailable> {
    let stripe = |entry: &JournalEntry| {
        let digest = sha256(revocation_key(entry).to_string().as_bytes());
        // The `BTreeSet` below fixes the order in which locks are taken, so that no deadlock is possible. 512
        // stripes stay below the number of locks that a server admits.
        u16::from_be_bytes([digest[0], digest[1]]) % 512
    };
    let stripes: BTreeSet<u16> = entries.iter().map(stripe).collect();
    conn.fetch_all(LOCK_STRIPES, &sql_values![to_json_rows(&stripes)?.as_str()])
        .await
        .map(drop)
}

fn revocation_key(entry: &JournalEntry) -> &RevocationKey {
    match entry {
        JournalEntry::Revoked(revocation) => &revocation.key,
        JournalEntry::Exempted(exemption) => &exemption.key,
    }
}

/// Returns the stored lines that cover a given line, by the index of the given line.
async fn find_covering_rows(
    conn: &mut PooledConnection,
    lines: &[JournalRow],
) -> Result<HashMap<usize, JournalLine>, Unavailable> {
    let find = conn.dialect().pick(FIND_COVERING_ROWS);
    let rows = conn
        .fetch_all(find, &sql_values![to_json_rows(lines)?.as_str()])
        .await?;
    let mut position_of = HashMap::new();
    for row in &rows {
        if let Some(position) = row.opt_int(1)? {
            let n = usize::try_from(row.int(0)?).map_err(|_| row.decode_error("number of a line"))?;
            position_of.insert(n, position);
        }
    }
    if position_of.is_empty() {
        return Ok(HashMap::new());
    }
    // Several given lines may share a stored line, which is read once.
    let positions: BTreeSet<i64> = position_of.values().copied().collect();
    let line_at: HashMap<_, _> = lines_at(conn, &positions)
        .await?
        .into_iter()
        .map(|line| (line.position, line))
        .collect();
    let line = |(n, position)| Some((n, line_at.get(&position)?.clone()));
    Ok(position_of.into_iter().filter_map(line).collect())
}

/// Inserts lines and returns their positions in the order of the lines.
async fn insert_rows(conn: &mut PooledConnection, lines: &[&JournalRow]) -> Result<Vec<i64>, Unavailable> {
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let append = conn.dialect().pick(APPEND);
    let rows = conn
        .fetch_all(append, &sql_values![to_json_rows(lines)?.as_str()])
        .await?;
    let mut positions: Vec<_> = rows.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
    // Positions are assigned in the order of the lines, but RETURNING may deliver them in any order.
    positions.sort_unstable();
    Ok(positions)
}

/// Rounds an entry to milliseconds, as a later reader of the line gets it.
fn as_stored(entry: &JournalEntry) -> JournalEntry {
    // Must round as the columns do: callers compare this line with one that is read later.
    let mut stored = entry.clone();
    match &mut stored {
        JournalEntry::Revoked(revocation) => {
            revocation.cutoff = revocation.cutoff.map(|at| ms_to_timestamp(ceil_ms(at)));
            revocation.revoked_at = ms_to_timestamp(floor_ms(revocation.revoked_at));
            revocation.expires_at = ms_to_timestamp(ceil_ms(revocation.expires_at));
            revocation.token_expires_at = revocation.token_expires_at.map(|at| ms_to_timestamp(ceil_ms(at)));
        }
        JournalEntry::Exempted(exemption) => {
            exemption.began_at = ms_to_timestamp(floor_ms(exemption.began_at));
            exemption.expires_at = ms_to_timestamp(ceil_ms(exemption.expires_at));
        }
    }
    stored
}
