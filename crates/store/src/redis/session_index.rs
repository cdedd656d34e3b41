//! The index of a user's sessions in Redis: a hash `handle → key|created_at_ms`, pruned at each listing.

use maxlab_auth_core::credential::{SessionHandle, SessionKey};
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::session::IndexedSession;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::RevocationKey;
use redis::{Cmd, Pipeline};

use super::client::ScanCursor;
use super::script::{INDEX_DROP, INDEX_PUT, eval_command};
use super::session_keys::SessionRedisKeys;
use super::{MAX_PIPELINE_COMMANDS, RedisStore};
use crate::millis::{floor_ms, ms_to_timestamp};

const INDEX_PREFIX: &str = "user_sessions:";

/// Builds the command that adds a session to its user's index and returns the whole index.
pub(super) fn index_put_command(subject: &Subject, entry: &IndexedSession, ttl_ms: i64) -> Cmd {
    let value = format!("{}|{}", entry.key.as_str(), floor_ms(entry.created_at));
    let mut command = eval_command(INDEX_PUT, &[&index_key(subject)]);
    command.arg(entry.handle.as_str()).arg(value).arg(ttl_ms);
    command
}

/// Builds the command that removes a session from its user's index, unless the entry has another key by now.
pub(super) fn index_drop_command(subject: &Subject, entry: &IndexedSession) -> Cmd {
    drop_entry_command(&index_key(subject), entry)
}

impl RedisStore {
    /// Returns the entries whose sessions exist, oldest first, and the number of others, which it removes.
    ///
    /// A session is stored before it is indexed, so the session of an entry without one is gone.
    pub(super) async fn prune_user_index(
        &self,
        subject: &Subject,
    ) -> Result<(Vec<IndexedSession>, u64), Unavailable> {
        self.prune_index(&index_key(subject)).await
    }

    /// Prunes the indexes of all users. Returns the number of removed entries.
    pub(super) async fn prune_all_indexes(&self) -> Result<u64, Unavailable> {
        let (mut cursor, mut dropped) = (Some(ScanCursor::default()), 0);
        while let Some(here) = cursor {
            let (next, keys) = self.scan_step(&here, "user_sessions:*", "").await?;
            for key in keys {
                dropped += self.prune_index(&key).await?.1;
            }
            cursor = next;
        }
        Ok(dropped)
    }

    async fn prune_index(&self, index: &str) -> Result<(Vec<IndexedSession>, u64), Unavailable> {
        let fields: Vec<(String, String)> = self.client.query(redis::cmd("HGETALL").arg(index)).await?;
        let entries = parse_index(&fields);
        let (mut existing, mut gone) = (Vec::new(), Vec::new());
        for batch in entries.chunks(MAX_PIPELINE_COMMANDS) {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for entry in batch {
                // EXISTS and not a read: it needs no contents, and changes no time to live.
                pipeline
                    .cmd("EXISTS")
                    .arg(SessionRedisKeys::for_session(&entry.key).session);
            }
            let exist: Vec<bool> = self.client.pipeline_unordered(&pipeline).await?;
            for (entry, exists) in batch.iter().zip(exist) {
                if exists {
                    existing.push(entry.clone());
                } else {
                    gone.push(entry);
                }
            }
        }
        let mut dropped = 0;
        for batch in gone.chunks(MAX_PIPELINE_COMMANDS) {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for entry in batch {
                // The script compares the key: the session may have moved since the index was read.
                pipeline.add_command(drop_entry_command(index, entry));
            }
            dropped += self
                .client
                .pipeline_ordered::<Vec<u64>>(&pipeline)
                .await?
                .into_iter()
                .sum::<u64>();
        }
        // The handle makes the order total, so that every instance names the same surplus sessions.
        existing.sort_by(|a, b| (a.created_at, a.handle.as_str()).cmp(&(b.created_at, b.handle.as_str())));
        Ok((existing, dropped))
    }
}

fn drop_entry_command(index: &str, entry: &IndexedSession) -> Cmd {
    // The prefix includes the separator, so that no longer key matches.
    let mut command = eval_command(INDEX_DROP, &[index]);
    command
        .arg(entry.handle.as_str())
        .arg(format!("{}|", entry.key.as_str()));
    command
}

/// Parses an index. Fields that this version does not write are skipped.
pub(super) fn parse_index(fields: &[(String, String)]) -> Vec<IndexedSession> {
    let entries = fields.iter();
    entries
        .filter_map(|(handle, value)| parse_index_entry(handle, value))
        .collect()
}

fn parse_index_entry(handle: &str, value: &str) -> Option<IndexedSession> {
    // Split from the right: the time contains no separator.
    let (key, created_at) = value.rsplit_once('|')?;
    Some(IndexedSession {
        handle: SessionHandle::parse(handle)?,
        key: SessionKey::from_stored(key),
        created_at: ms_to_timestamp(created_at.parse().ok()?),
    })
}

fn index_key(subject: &Subject) -> String {
    format!("{INDEX_PREFIX}{}", RevocationKey::user(subject).name())
}
