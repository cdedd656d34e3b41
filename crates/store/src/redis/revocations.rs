//! Revocations in Redis.

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{
    Epoch, Findings, Found, JournalEntry, Reason, Revocation, RevocationKey, RevocationStore, Spare, TokenKey,
};
use maxlab_auth_core::unavailable::Unavailable;
use redis::{Cmd, FromRedisValue, Pipeline, Value};

use super::link::Place;
use super::log::GENERATION;
use super::script::{DROP_ENDLESS, NOTE_USER_TOKEN, RECORD_LATEST, REVOKE_TOKEN, eval};
use super::{BATCH, RedisStore, entry};
use crate::moment::{ceil_ms, floor_ms, moment};

/// How many keys Redis looks at in one step of a walk.
const SCAN_COUNT: usize = 200;

/// After so many steps a listing answers what it has, and where to go on.
const LIST_STEPS: usize = 50;

/// Beyond this many tokens of one user, those that expire first are no longer noted.
const MOST_USER_TOKENS: usize = 1_000;

#[async_trait]
impl RevocationStore for RedisStore {
    /// The generation is read last. Redis answers in order, so if the data was lost before any of the other answers,
    /// this one shows it. Of a Cluster it shows the loss of one master's data only; that of others shows in their identity.
    async fn find(
        &self,
        revoked: &[RevocationKey],
        spared: &[RevocationKey],
        _now: Timestamp,
    ) -> Result<Findings, Unavailable> {
        let mut pipeline = Pipeline::with_capacity(revoked.len() + spared.len() + 1);
        for key in revoked {
            match key {
                RevocationKey::Token(_) => pipeline.cmd("GET").arg(revoked_key(key)),
                _ => pipeline
                    .cmd("HMGET")
                    .arg(revoked_key(key))
                    .arg(&["reason", "at_ms"]),
            };
        }
        for key in spared {
            pipeline.cmd("HGET").arg(spared_key(key)).arg("at_ms");
        }
        pipeline.cmd("GET").arg(GENERATION);
        let (answers, server) = self.link.gather_with_identity::<Vec<Value>>(&pipeline).await?;
        let mut answers = answers.into_iter();
        let mut next = || answers.next().ok_or_else(unreadable);
        Ok(Findings {
            revoked: revoked
                .iter()
                .map(|key| found(key, next()?))
                .collect::<Result<_, _>>()?,
            spared: spared
                .iter()
                .map(|_| Ok(typed::<Option<i64>>(next()?)?.map(moment)))
                .collect::<Result<_, Unavailable>>()?,
            epoch: typed::<Option<String>>(next()?)?.map(|shown| Epoch::new(format!("{shown}@{server}"))),
        })
    }

    async fn shared_time(&self, _: Timestamp) -> Result<Timestamp, Unavailable> {
        let (seconds, micros): (i64, i64) = self.link.one(&::redis::cmd("TIME")).await?;
        Timestamp::from_microsecond(seconds.saturating_mul(1_000_000).saturating_add(micros))
            .map_err(|_| Unavailable::store("its clock shows no time"))
    }

    /// Walks the keyspace. A place to go on is the walk's own, or that and the last name answered where a step found
    /// more than were asked for.
    async fn list(
        &self,
        user_id: Option<&str>,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<(Vec<Revocation>, Option<String>), Unavailable> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        let (mut here, mut seen) = place(after.unwrap_or_default());
        let mut found = Vec::new();
        for _ in 0..LIST_STEPS {
            let (next, names) = self.step(&here, "blacklist:*", entry::PREFIX).await?;
            let names: Vec<_> = names
                .into_iter()
                .filter(|name| seen.as_ref().is_none_or(|s| name > s))
                .collect();
            for order in self.entries(&names, now).await? {
                if order.expires_at <= now
                    || user_id.is_some_and(|user| order.user_id.as_deref() != Some(user))
                {
                    continue;
                }
                if found.len() == limit {
                    let last = found.last().map(|order: &Revocation| order.key.name());
                    return Ok((found, last.map(|name| format!("{here}:{name}"))));
                }
                found.push(order);
            }
            let Some(next) = next else {
                return Ok((found, None));
            };
            (here, seen) = (next, None);
            if found.len() == limit {
                break;
            }
        }
        Ok((found, Some(here.to_string())))
    }

    /// What has an end, Redis removes by itself; this removes entries without one, as the guide's clean-up does.
    async fn purge(&self, _now: Timestamp) -> Result<u64, Unavailable> {
        let (mut place, mut removed) = (Some(Place::default()), 0);
        while let Some(here) = place {
            let (next, names) = self.step(&here, "blacklist:*", "").await?;
            for batch in names.chunks(BATCH) {
                let mut pipeline = Pipeline::with_capacity(batch.len());
                for key in batch {
                    pipeline.add_command(eval(DROP_ENDLESS, &[key]));
                }
                removed += self
                    .link
                    .gather::<Vec<u64>>(&pipeline)
                    .await?
                    .into_iter()
                    .sum::<u64>();
            }
            place = next;
        }
        Ok(removed)
    }

    async fn note_user_token(
        &self,
        user_id: &str,
        token: &TokenKey,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let Some(left) = left_ms(expires_at, now) else {
            return Ok(());
        };
        let set = user_tokens_key(user_id);
        let mut note = eval(
            NOTE_USER_TOKEN,
            &[&set, &format!("gateway:user_token_expiry:{{{set}}}")],
        );
        note.arg(token.as_str())
            .arg(ceil_ms(expires_at))
            .arg(left)
            .arg(floor_ms(now))
            .arg(MOST_USER_TOKENS);
        self.link.one(&note).await
    }

    async fn user_tokens(&self, user_id: &str) -> Result<Vec<TokenKey>, Unavailable> {
        let members: Vec<Vec<u8>> = self
            .link
            .one(redis::cmd("SMEMBERS").arg(user_tokens_key(user_id)))
            .await?;
        Ok(members
            .iter()
            .map(|name| TokenKey::from_stored(String::from_utf8_lossy(name)))
            .collect())
    }
}

impl RedisStore {
    /// Writes entries where direct reads look for them, the spares first.
    pub(super) async fn write_keys(
        &self,
        entries: &[JournalEntry],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let spares = entries.iter().filter_map(|entry| match entry {
            JournalEntry::Spared(spare) => exempt(spare, now),
            JournalEntry::Revoked(_) => None,
        });
        let orders = entries.iter().filter_map(|entry| match entry {
            JournalEntry::Revoked(order) => revoke(order, now),
            JournalEntry::Spared(_) => None,
        });
        self.send_all(spares).await?;
        self.send_all(orders).await
    }

    /// Sends commands of which none depends on another.
    async fn send_all(&self, commands: impl Iterator<Item = Cmd> + Send) -> Result<(), Unavailable> {
        let commands: Vec<_> = commands.collect();
        for batch in commands.chunks(BATCH) {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for command in batch {
                pipeline.add_command(command.clone());
            }
            self.link.gather::<Vec<Value>>(&pipeline).await?;
        }
        Ok(())
    }

    /// One step of a walk over the keys: where to go on, if there is more, and the names behind the prefix, sorted.
    pub(super) async fn step(
        &self,
        place: &Place,
        pattern: &str,
        prefix: &str,
    ) -> Result<(Option<Place>, Vec<String>), Unavailable> {
        let (next, keys) = self.link.scan(place, pattern, SCAN_COUNT).await?;
        let mut names: Vec<String> = keys
            .iter()
            .filter_map(|key| Some(std::str::from_utf8(key).ok()?.strip_prefix(prefix)?.to_owned()))
            .collect();
        names.sort();
        names.dedup();
        Ok((next, names))
    }

    async fn entries(&self, names: &[String], now: Timestamp) -> Result<Vec<Revocation>, Unavailable> {
        let mut found = Vec::new();
        for batch in names.chunks(BATCH) {
            let keys: Vec<_> = batch
                .iter()
                .map(|name| format!("{}{name}", entry::PREFIX))
                .collect();
            let mut pipeline = Pipeline::with_capacity(2 * keys.len());
            for key in &keys {
                // Unlike GET, this takes a key of another type for one that is not there.
                pipeline.cmd("MGET").arg(key);
                pipeline.cmd("PTTL").arg(key);
            }
            let mut answers = self.link.gather::<Vec<Value>>(&pipeline).await?.into_iter();
            let mut next = || answers.next().ok_or_else(unreadable);
            for name in batch {
                let (value,): (Option<Vec<u8>>,) = typed(next()?)?;
                let left = typed(next()?)?;
                if let Some(value) = value {
                    found.push(entry::read(name, &value, left, now));
                }
            }
        }
        Ok(found)
    }
}

/// The command that records a revocation; none is needed for what has expired.
fn revoke(order: &Revocation, now: Timestamp) -> Option<Cmd> {
    let left = left_ms(order.expires_at, now)?;
    let key = revoked_key(&order.key);
    if let RevocationKey::Token(_) = order.key {
        let mut command = eval(REVOKE_TOKEN, &[&key]);
        command.arg(entry::write(order)).arg(left);
        return Some(command);
    }
    let at = if order.key.is_cutoff() {
        ceil_ms(order.cutoff.unwrap_or(order.revoked_at))
    } else {
        0
    };
    let mut command = eval(RECORD_LATEST, &[&key]);
    command
        .arg(at)
        .arg(left)
        .arg(order.reason.as_str())
        .arg(floor_ms(order.revoked_at));
    command.arg(order.user_id.as_deref().unwrap_or_default());
    Some(command)
}

fn exempt(spare: &Spare, now: Timestamp) -> Option<Cmd> {
    let left = left_ms(spare.expires_at, now)?;
    let mut command = eval(RECORD_LATEST, &[&spared_key(&spare.key)]);
    command
        .arg(floor_ms(spare.began_at))
        .arg(left)
        .arg("")
        .arg(floor_ms(now))
        .arg(&spare.user_id);
    Some(command)
}

/// What a key's answer says. An entry counts, whatever is in it.
fn found(key: &RevocationKey, answer: Value) -> Result<Option<Found>, Unavailable> {
    if let RevocationKey::Token(_) = key {
        let value: Option<Vec<u8>> = typed(answer)?;
        return Ok(value.map(|value| Found {
            reason: entry::reason(&value),
            cutoff: None,
        }));
    }
    let (reason, at): (Option<String>, Option<i64>) = typed(answer)?;
    Ok(reason.map(|word| Found {
        reason: Reason::parse(&word),
        cutoff: key.is_cutoff().then(|| at.map_or(Timestamp::MAX, moment)),
    }))
}

fn revoked_key(key: &RevocationKey) -> String {
    match key {
        RevocationKey::Token(_) => format!("{}{}", entry::PREFIX, key.name()),
        RevocationKey::Session(_) => format!("gateway:revoked:session:{}", key.name()),
        RevocationKey::Before(_) => format!("gateway:cutoff:{}:{}", key.kind(), key.name()),
    }
}

fn spared_key(key: &RevocationKey) -> String {
    format!("gateway:spared:{}:{}", key.kind(), key.name())
}

fn user_tokens_key(user_id: &str) -> String {
    format!("user_tokens:{}", RevocationKey::user(user_id).name())
}

/// How long it is until then, if it is at all.
pub(super) fn left_ms(expires_at: Timestamp, now: Timestamp) -> Option<i64> {
    let left = ceil_ms(expires_at).saturating_sub(floor_ms(now));
    (left > 0).then_some(left)
}

fn place(text: &str) -> (Place, Option<String>) {
    match text.split_once(':') {
        Some((walk, name)) => (Place::parse(walk), Some(name.to_owned())),
        None => (Place::parse(text), None),
    }
}

pub(super) fn typed<T: FromRedisValue>(value: Value) -> Result<T, Unavailable> {
    T::from_redis_value(value).map_err(|_| unreadable())
}

pub(super) fn unreadable() -> Unavailable {
    Unavailable::store("Redis answered something else than was asked")
}
