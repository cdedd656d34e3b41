//! The index of a user's sessions in Redis: lines `handle → key|created_at_ms`, pruned of what is gone.

use maxlab_auth_core::credential::{SessionHandle, SessionKey};
use maxlab_auth_core::revocation::RevocationKey;
use maxlab_auth_core::session::IndexedSession;
use maxlab_auth_core::unavailable::Unavailable;
use redis::{Cmd, Pipeline};

use super::link::Place;
use super::script::{INDEX_DROP, INDEX_PUT, eval};
use super::sessions::Names;
use super::{BATCH, RedisStore};
use crate::moment::{floor_ms, moment};

const PREFIX: &str = "user_sessions:";

/// A login that finds more lines than this prunes them.
pub(super) const PRUNE_ABOVE: usize = 32;

pub(super) fn index_put(user_id: &str, line: &IndexedSession, left_ms: i64) -> Cmd {
    let value = format!("{}|{}", line.key.as_str(), floor_ms(line.created_at));
    let mut command = eval(INDEX_PUT, &[&index_key(user_id)]);
    command.arg(line.handle.as_str()).arg(value).arg(left_ms);
    command
}

pub(super) fn index_drop(user_id: &str, line: &IndexedSession) -> Cmd {
    drop_line(&index_key(user_id), line)
}

impl RedisStore {
    /// The lines whose sessions are there, the oldest first, and how many others were dropped.
    ///
    /// A session is put before it is indexed, so a line without a session is one whose session is gone.
    pub(super) async fn pruned_index(
        &self,
        user_id: &str,
    ) -> Result<(Vec<IndexedSession>, u64), Unavailable> {
        self.pruned(&index_key(user_id)).await
    }

    pub(super) async fn prune_every_index(&self) -> Result<u64, Unavailable> {
        let (mut place, mut dropped) = (Some(Place::default()), 0);
        while let Some(here) = place {
            let (next, keys) = self.step(&here, "user_sessions:*", "").await?;
            for key in keys {
                dropped += self.pruned(&key).await?.1;
            }
            place = next;
        }
        Ok(dropped)
    }

    async fn pruned(&self, index: &str) -> Result<(Vec<IndexedSession>, u64), Unavailable> {
        let fields: Vec<(String, String)> = self.link.one(redis::cmd("HGETALL").arg(index)).await?;
        let lines: Vec<_> = fields
            .iter()
            .filter_map(|(handle, value)| line(handle, value))
            .collect();
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for batch in lines.chunks(BATCH) {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for line in batch {
                pipeline.cmd("EXISTS").arg(Names::of(&line.key).session);
            }
            let exist: Vec<bool> = self.link.gather(&pipeline).await?;
            for (line, exists) in batch.iter().zip(exist) {
                if exists {
                    there.push(line.clone());
                } else {
                    gone.push(line);
                }
            }
        }
        let mut dropped = 0;
        for batch in gone.chunks(BATCH) {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for line in batch {
                pipeline.add_command(drop_line(index, line));
            }
            dropped += self
                .link
                .trip::<Vec<u64>>(&pipeline)
                .await?
                .into_iter()
                .sum::<u64>();
        }
        there.sort_by(|a, b| (a.created_at, a.handle.as_str()).cmp(&(b.created_at, b.handle.as_str())));
        Ok((there, dropped))
    }
}

fn drop_line(index: &str, line: &IndexedSession) -> Cmd {
    let mut command = eval(INDEX_DROP, &[index]);
    command
        .arg(line.handle.as_str())
        .arg(format!("{}|", line.key.as_str()));
    command
}

fn line(handle: &str, value: &str) -> Option<IndexedSession> {
    let (key, created_at) = value.rsplit_once('|')?;
    Some(IndexedSession {
        handle: SessionHandle::parse(handle)?,
        key: SessionKey::from_stored(key),
        created_at: moment(created_at.parse().ok()?),
    })
}

fn index_key(user_id: &str) -> String {
    format!("{PREFIX}{}", RevocationKey::user(user_id).name())
}
