//! Appending to the journal: a few statements, however many entries there are.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use maxlab_auth_core::credential::sha256;
use maxlab_auth_core::revocation::{JournalEntry, Journalled, Revocation, RevocationKey, Spare};
use maxlab_auth_core::unavailable::Unavailable;
use serde::Serialize;

use super::journal::lines_at;
use super::value::{escaped, json};
use super::{Dialect, Held, values};
use crate::moment::{ceil_ms, floor_ms, moment};

/// One append at a time per stripe of keys, so that two callers with one order see each other's line.
const LOCK_STRIPES: &str = "SELECT pg_advisory_xact_lock(70221, stripe.value::int)
     FROM json_array_elements_text($1::json) AS stripe";

/// What is done with lines that are given as JSON, in the words of each database.
macro_rules! with_given {
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

/// For each line the place of the first that makes it needless. `+ 0` keeps PostgreSQL, before it has counted what is
/// there, from looking through all that lasts as long, or through all places: a line is found by its name.
const STANDING: (&str, &str) = with_given!(
    "SELECT n, (SELECT min(s.position + 0) FROM revocations AS s
         WHERE s.name = given.name AND s.kind = given.kind AND s.entry = given.entry
             AND s.expires_at_ms + 0 >= given.until_ms AND s.at_ms >= given.from_ms AND s.applied <= given.done)
     FROM given"
);

const APPEND: (&str, &str) = with_given!(
    "INSERT INTO revocations
         (name, kind, entry, at_ms, reason, revoked_at_ms, expires_at_ms, user_id, token_expires_at_ms)
     SELECT name, kind, entry, at_ms, reason, revoked_at_ms, expires_at_ms, user_id, token_expires_at_ms
     FROM given ORDER BY n RETURNING position"
);

/// A line's words, as they are kept, and what another line must have to stand for it.
#[derive(Serialize)]
struct Line {
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
    /// It expires then or later.
    until_ms: i64,
    /// Its moment is this or later.
    from_ms: i64,
    /// 1 if it may have reached the store already.
    done: i64,
}

impl Line {
    /// Moments round to the side on which more stays revoked: cut-offs and expiries up, the beginnings of spared
    /// logins down.
    fn of(n: usize, entry: &JournalEntry, now: Timestamp) -> Self {
        match entry {
            JournalEntry::Revoked(order) => Self::revoked(n, order, now),
            JournalEntry::Spared(spare) => Self::spared(n, spare, now),
        }
    }

    fn revoked(n: usize, order: &Revocation, now: Timestamp) -> Self {
        let is_cutoff = order.key.is_cutoff();
        let at_ms = if is_cutoff {
            ceil_ms(order.cutoff.unwrap_or(order.revoked_at))
        } else {
            0
        };
        let expires_at_ms = ceil_ms(order.expires_at);
        let (until_ms, from_ms) = if is_cutoff {
            (floor_ms(now).saturating_add(1), floor_ms(Timestamp::MIN))
        } else {
            (expires_at_ms, at_ms)
        };
        Self {
            n,
            name: escaped(&order.key.name()),
            kind: order.key.kind(),
            entry: "revoked",
            at_ms,
            reason: order.reason.as_str(),
            revoked_at_ms: floor_ms(order.revoked_at),
            expires_at_ms,
            user_id: order.user_id.as_deref().map(escaped),
            token_expires_at_ms: order.token_expires_at.map(ceil_ms),
            until_ms,
            from_ms,
            done: i64::from(!is_cutoff),
        }
    }

    fn spared(n: usize, spare: &Spare, now: Timestamp) -> Self {
        let (at_ms, expires_at_ms) = (floor_ms(spare.began_at), ceil_ms(spare.expires_at));
        Self {
            n,
            name: escaped(&spare.key.name()),
            kind: spare.key.kind(),
            entry: "spared",
            at_ms,
            reason: "",
            revoked_at_ms: floor_ms(now),
            expires_at_ms,
            user_id: Some(escaped(&spare.user_id)),
            token_expires_at_ms: None,
            until_ms: expires_at_ms,
            from_ms: at_ms,
            done: 1,
        }
    }

    /// What a line that stands for it has in common with it.
    fn subject(&self) -> (&str, &str, &str) {
        (self.name.as_str(), self.kind, self.entry)
    }

    /// Whether a new line of this kind stands for another one.
    fn stands_for(&self, other: &Self) -> bool {
        self.expires_at_ms >= other.until_ms && self.at_ms >= other.from_ms
    }
}

/// Where an entry's line is.
enum Place {
    Stands(Journalled),
    /// Among the new ones.
    New(usize),
}

/// Appends what does not stand there yet, within the caller's transaction; for each entry its line.
pub(super) async fn append_entries(
    held: &mut Held,
    entries: &[JournalEntry],
    now: Timestamp,
) -> Result<Vec<Journalled>, Unavailable> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    if held.dialect() == Dialect::Postgres {
        lock(held, entries).await?;
    }
    let numbered = entries.iter().enumerate();
    let lines: Vec<_> = numbered.map(|(n, entry)| Line::of(n, entry, now)).collect();
    let (places, new) = placed(&lines, standing(held, &lines).await?);
    let positions = insert(held, &new).await?;
    let written = |index: usize| {
        Some(Journalled {
            position: *positions.get(index)?,
            entry: as_kept(entries.get(new.get(index)?.n)?),
        })
    };
    let answers = places.into_iter().map(|place| match place {
        Place::Stands(line) => Some(line),
        Place::New(index) => written(index),
    });
    answers
        .collect::<Option<_>>()
        .ok_or_else(|| Unavailable::database("an append answered too few positions"))
}

/// Where each line is, and those that are to be written: as if they came one after the other, a line that an earlier one
/// of the same call stands for is not.
fn placed(lines: &[Line], mut standing: HashMap<usize, Journalled>) -> (Vec<Place>, Vec<&Line>) {
    let mut new: Vec<&Line> = Vec::new();
    let mut new_of: HashMap<_, Vec<usize>> = HashMap::new();
    let places = lines.iter().map(|line| {
        if let Some(there) = standing.remove(&line.n) {
            return Place::Stands(there);
        }
        let alike = new_of.entry(line.subject()).or_default();
        let stands_for = |index: &&usize| new.get(**index).is_some_and(|other| other.stands_for(line));
        if let Some(index) = alike.iter().find(stands_for) {
            return Place::New(*index);
        }
        alike.push(new.len());
        new.push(line);
        Place::New(new.len() - 1)
    });
    (places.collect(), new)
}

async fn lock(held: &mut Held, entries: &[JournalEntry]) -> Result<(), Unavailable> {
    let stripe = |entry: &JournalEntry| {
        let digest = sha256(key(entry).to_string().as_bytes());
        // 512 stripes, always taken in one order: no deadlock, and never more locks than a server has.
        u16::from_be_bytes([digest[0], digest[1]]) % 512
    };
    let stripes: BTreeSet<u16> = entries.iter().map(stripe).collect();
    held.rows(LOCK_STRIPES, &values![json(&stripes)?.as_str()])
        .await
        .map(drop)
}

fn key(entry: &JournalEntry) -> &RevocationKey {
    match entry {
        JournalEntry::Revoked(order) => &order.key,
        JournalEntry::Spared(spare) => &spare.key,
    }
}

/// The lines that stand already, by the number of the one that they make needless.
async fn standing(held: &mut Held, lines: &[Line]) -> Result<HashMap<usize, Journalled>, Unavailable> {
    let find = held.dialect().of(STANDING);
    let rows = held.rows(find, &values![json(lines)?.as_str()]).await?;
    let mut places = HashMap::new();
    for row in &rows {
        if let Some(position) = row.opt_int(1)? {
            let n = usize::try_from(row.int(0)?).map_err(|_| row.unreadable("number of a line"))?;
            places.insert(n, position);
        }
    }
    if places.is_empty() {
        return Ok(HashMap::new());
    }
    let positions: BTreeSet<i64> = places.values().copied().collect();
    let there: HashMap<_, _> = lines_at(held, &positions)
        .await?
        .into_iter()
        .map(|line| (line.position, line))
        .collect();
    let line = |(n, position)| Some((n, there.get(&position)?.clone()));
    Ok(places.into_iter().filter_map(line).collect())
}

/// The positions of new lines, in their order: they are given in that order, and come back in any.
async fn insert(held: &mut Held, lines: &[&Line]) -> Result<Vec<i64>, Unavailable> {
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let append = held.dialect().of(APPEND);
    let rows = held.rows(append, &values![json(lines)?.as_str()]).await?;
    let mut positions: Vec<_> = rows.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
    positions.sort_unstable();
    Ok(positions)
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
