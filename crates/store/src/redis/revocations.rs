//! Revocations in Redis: the entries that direct reads find.

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::{
    CutoffExemption, FoundRevocation, JournalEntry, Revocation, RevocationFindings, RevocationReason,
    RevocationStore,
};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{Epoch, RevocationKey, TokenKey};
use redis::{Cmd, Pipeline, Value};

use super::client::ScanCursor;
use super::log_keys::GENERATION;
use super::reply::{convert_reply, ttl_ms, unexpected_reply};
use super::script::{DELETE_WITHOUT_TTL, NOTE_USER_TOKEN, RECORD_LATEST, REVOKE_TOKEN, eval_command};
use super::{MAX_PIPELINE_COMMANDS, RedisStore, denylist_entry};
use crate::millis::{ceil_ms, floor_ms, ms_to_timestamp};

/// Number of keys that Redis examines in one SCAN step (a hint).
const SCAN_COUNT: usize = 200;

/// Number of tokens that are recorded for one user. Beyond it, those that expire first are dropped.
const MAX_USER_TOKENS: usize = 1_000;

#[async_trait]
impl RevocationStore for RedisStore {
    /// Reads the generation last. Redis answers in order, so data that was lost before any other answer shows
    /// in this one. In a Cluster it shows a loss on one master only; a loss on another shows in the identity
    /// of the servers.
    async fn find(
        &self,
        revocation_keys: &[RevocationKey],
        exemption_keys: &[RevocationKey],
        _now: Timestamp,
    ) -> Result<RevocationFindings, Unavailable> {
        let mut pipeline = Pipeline::with_capacity(revocation_keys.len() + exemption_keys.len() + 1);
        for key in revocation_keys {
            match key {
                // A denylist entry of the guide is a string, every other entry is a hash.
                RevocationKey::Token(_) => pipeline.cmd("GET").arg(revocation_redis_key(key)),
                _ => pipeline
                    .cmd("HMGET")
                    .arg(revocation_redis_key(key))
                    .arg(&["reason", "at_ms"]),
            };
        }
        for key in exemption_keys {
            pipeline.cmd("HGET").arg(exemption_redis_key(key)).arg("at_ms");
        }
        pipeline.cmd("GET").arg(GENERATION);
        // Unordered across slots: one round trip, also in a Cluster.
        let (answers, server) = self
            .client
            .pipeline_unordered_with_identity::<Vec<Value>>(&pipeline)
            .await?;
        let mut answers = answers.into_iter();
        let mut next = || answers.next().ok_or_else(unexpected_reply);
        Ok(RevocationFindings {
            revoked: revocation_keys
                .iter()
                .map(|key| parse_finding(key, next()?))
                .collect::<Result<_, _>>()?,
            exempt_since: exemption_keys
                .iter()
                .map(|_| Ok(convert_reply::<Option<i64>>(next()?)?.map(ms_to_timestamp)))
                .collect::<Result<_, Unavailable>>()?,
            epoch: convert_reply::<Option<String>>(next()?)?
                .map(|generation| Epoch::new(format!("{generation}@{server}"))),
        })
    }

    #[tracing::instrument(name = "revocation_store.shared_time", level = "debug", skip_all)]
    async fn shared_time(&self, _: Timestamp) -> Result<Timestamp, Unavailable> {
        // In a Cluster, TIME goes to one fixed master, so that all instances read one clock.
        let (seconds, micros): (i64, i64) = self.client.query(&::redis::cmd("TIME")).await?;
        Timestamp::from_microsecond(seconds.saturating_mul(1_000_000).saturating_add(micros))
            .map_err(|_| Unavailable::store("the clock of Redis is out of range"))
    }

    #[tracing::instrument(name = "revocation_store.list", level = "debug", skip_all)]
    async fn list(
        &self,
        subject: Option<&Subject>,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<(Vec<Revocation>, Option<String>), Unavailable> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        self.list_denylist(subject, after.unwrap_or_default(), limit, now)
            .await
    }

    /// Removes denylist entries without a time to live, like the guide's clean-up. Redis removes the others.
    #[tracing::instrument(name = "revocation_store.purge", level = "debug", skip_all)]
    async fn purge(&self, _now: Timestamp) -> Result<u64, Unavailable> {
        let (mut cursor, mut removed) = (Some(ScanCursor::default()), 0);
        while let Some(here) = cursor {
            let (next, names) = self.scan_step(&here, "blacklist:*", "").await?;
            for batch in names.chunks(MAX_PIPELINE_COMMANDS) {
                let mut pipeline = Pipeline::with_capacity(batch.len());
                for key in batch {
                    // A script, because the entry may get a time to live between a check and a DEL.
                    pipeline.add_command(eval_command(DELETE_WITHOUT_TTL, &[key]));
                }
                removed += self
                    .client
                    .pipeline_unordered::<Vec<u64>>(&pipeline)
                    .await?
                    .into_iter()
                    .sum::<u64>();
            }
            cursor = next;
        }
        Ok(removed)
    }

    #[tracing::instrument(name = "revocation_store.record_user_token", level = "debug", skip_all)]
    async fn record_user_token(
        &self,
        subject: &Subject,
        token: &TokenKey,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let Some(remaining) = ttl_ms(expires_at, now) else {
            // An expired token need not be revoked any more.
            return Ok(());
        };
        // The first key is the hash tag of the second, so that both are in one slot.
        let set = user_tokens_redis_key(subject);
        let mut command = eval_command(
            NOTE_USER_TOKEN,
            &[&set, &format!("gateway:user_token_expiry:{{{set}}}")],
        );
        command
            .arg(token.as_str())
            .arg(ceil_ms(expires_at))
            .arg(remaining)
            .arg(floor_ms(now))
            .arg(MAX_USER_TOKENS);
        self.client.query(&command).await
    }

    #[tracing::instrument(name = "revocation_store.user_tokens", level = "debug", skip_all)]
    async fn user_tokens(&self, subject: &Subject) -> Result<Vec<TokenKey>, Unavailable> {
        // Bytes and not text: other programs write this set too.
        let members: Vec<Vec<u8>> = self
            .client
            .query(redis::cmd("SMEMBERS").arg(user_tokens_redis_key(subject)))
            .await?;
        Ok(members
            .iter()
            .map(|name| TokenKey::from_stored(String::from_utf8_lossy(name)))
            .collect())
    }
}

impl RedisStore {
    /// Writes entries where direct reads find them, the exemptions first.
    pub(super) async fn write_entries(
        &self,
        entries: &[JournalEntry],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let exemptions = entries.iter().filter_map(|entry| match entry {
            JournalEntry::Exempted(exemption) => exempt_command(exemption, now),
            JournalEntry::Revoked(_) => None,
        });
        let revocations = entries.iter().filter_map(|entry| match entry {
            JournalEntry::Revoked(revocation) => revoke_command(revocation, now),
            JournalEntry::Exempted(_) => None,
        });
        // In two rounds: commands of one round may run in any order in a Cluster.
        self.send_all(exemptions).await?;
        self.send_all(revocations).await
    }

    /// Sends commands that do not depend on each other.
    async fn send_all(&self, commands: impl Iterator<Item = Cmd> + Send) -> Result<(), Unavailable> {
        let commands: Vec<_> = commands.collect();
        for batch in commands.chunks(MAX_PIPELINE_COMMANDS) {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for command in batch {
                pipeline.add_command(command.clone());
            }
            self.client.pipeline_unordered::<Vec<Value>>(&pipeline).await?;
        }
        Ok(())
    }

    /// Scans the next part of the keyspace. Returns the next cursor, and the sorted names without the prefix.
    pub(super) async fn scan_step(
        &self,
        cursor: &ScanCursor,
        pattern: &str,
        prefix: &str,
    ) -> Result<(Option<ScanCursor>, Vec<String>), Unavailable> {
        let (next, keys) = self.client.scan(cursor, pattern, SCAN_COUNT).await?;
        let mut names: Vec<String> = keys
            .iter()
            .filter_map(|key| Some(std::str::from_utf8(key).ok()?.strip_prefix(prefix)?.to_owned()))
            .collect();
        // SCAN may return a key twice.
        names.sort();
        names.dedup();
        Ok((next, names))
    }
}

/// Builds the command that records a revocation; `None` if it has expired.
fn revoke_command(revocation: &Revocation, now: Timestamp) -> Option<Cmd> {
    let remaining = ttl_ms(revocation.expires_at, now)?;
    let key = revocation_redis_key(&revocation.key);
    if let RevocationKey::Token(_) = revocation.key {
        let mut command = eval_command(REVOKE_TOKEN, &[&key]);
        command.arg(denylist_entry::encode(revocation)).arg(remaining);
        return Some(command);
    }
    // 0 for a name: the script keeps the later time, and a name has none.
    let at = if revocation.key.is_cutoff() {
        ceil_ms(revocation.cutoff.unwrap_or(revocation.revoked_at))
    } else {
        0
    };
    let mut command = eval_command(RECORD_LATEST, &[&key]);
    command
        .arg(at)
        .arg(remaining)
        .arg(revocation.reason.as_str())
        .arg(floor_ms(revocation.revoked_at));
    command.arg(subject_text(revocation.subject.as_ref()));
    Some(command)
}

/// Builds the command that records an exemption; `None` if it has expired.
fn exempt_command(exemption: &CutoffExemption, now: Timestamp) -> Option<Cmd> {
    let remaining = ttl_ms(exemption.expires_at, now)?;
    let mut command = eval_command(RECORD_LATEST, &[&exemption_redis_key(&exemption.key)]);
    command
        .arg(floor_ms(exemption.began_at))
        .arg(remaining)
        .arg("")
        .arg(floor_ms(now))
        .arg(subject_text(exemption.subject.as_ref()));
    Some(command)
}

/// Returns the text form of a user; empty if no user is known.
fn subject_text(subject: Option<&Subject>) -> String {
    subject.map(Subject::to_string).unwrap_or_default()
}

/// Parses the answer for a key. An existing entry is a revocation, even if its content cannot be read.
fn parse_finding(key: &RevocationKey, answer: Value) -> Result<Option<FoundRevocation>, Unavailable> {
    if let RevocationKey::Token(_) = key {
        let value: Option<Vec<u8>> = convert_reply(answer)?;
        return Ok(value.map(|value| FoundRevocation {
            reason: denylist_entry::decode_reason(&value),
            cutoff: None,
        }));
    }
    let (reason, at): (Option<String>, Option<i64>) = convert_reply(answer)?;
    // A cut-off without a readable time covers everything: an unknown content must not weaken a revocation.
    Ok(reason.map(|word| FoundRevocation {
        reason: RevocationReason::parse(&word),
        cutoff: key
            .is_cutoff()
            .then(|| at.map_or(Timestamp::MAX, ms_to_timestamp)),
    }))
}

fn revocation_redis_key(key: &RevocationKey) -> String {
    match key {
        RevocationKey::Token(_) => format!("{}{}", denylist_entry::DENYLIST_PREFIX, key.name()),
        RevocationKey::Session(_) => format!("gateway:revoked:session:{}", key.name()),
        RevocationKey::Cutoff(_) => format!("gateway:cutoff:{}:{}", key.kind(), key.name()),
    }
}

fn exemption_redis_key(key: &RevocationKey) -> String {
    format!("gateway:spared:{}:{}", key.kind(), key.name())
}

fn user_tokens_redis_key(subject: &Subject) -> String {
    format!("user_tokens:{}", RevocationKey::user(subject).name())
}
