//! The revocation stream as one instance reads it, over a connection of its own.

use std::time::Duration;

use async_trait::async_trait;
use maxlab_auth_core::revocation::{
    InstanceId, LogFault, StreamBatch, StreamEntry, StreamPosition, StreamSubscription,
};
use maxlab_auth_core::unavailable::Unavailable;
use redis::streams::{StreamId, StreamReadReply};
use redis::{FromRedisValue, Value};

use super::client::{DedicatedConnection, RedisClient};
use super::log_keys::{ACK_STREAM, STREAM};
use super::reply::unexpected_reply;
use crate::entry_codec;

/// Largest number of entries in one read.
const MAX_ENTRIES_PER_READ: usize = 1_000;
/// Time beyond the blocking time after which a missing reply means that the connection is broken.
const REPLY_GRACE: Duration = Duration::from_secs(1);

/// A subscription to the stream and to the notices of applied positions.
pub(super) struct RevocationStream {
    connection: DedicatedConnection,
    position: StreamPosition,
    last_notice_id: String,
}

impl RevocationStream {
    pub(super) async fn open(client: &RedisClient, behind: StreamPosition) -> Result<Self, Unavailable> {
        let mut connection = client.open_dedicated().await?;
        // Starts behind the newest notice. `$` in XREAD would skip notices that arrive between two reads.
        let mut last = redis::cmd("XREVRANGE");
        last.arg(ACK_STREAM).arg("+").arg("-").arg("COUNT").arg(1);
        let last: Vec<(String, Value)> = connection.query(&last, REPLY_GRACE).await?;
        let last_notice_id = last
            .into_iter()
            .next()
            .map_or_else(|| "0-0".to_owned(), |(id, _)| id);
        Ok(Self {
            connection,
            position: behind,
            last_notice_id,
        })
    }

    pub(super) fn server_identity(&self) -> String {
        self.connection.identity().to_string()
    }
}

#[async_trait]
impl StreamSubscription for RevocationStream {
    async fn next(&mut self, patience: Duration) -> Result<StreamBatch, LogFault> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(MAX_ENTRIES_PER_READ);
        // BLOCK 0 would block for ever.
        read.arg("BLOCK").arg(patience.as_millis().max(1).to_string());
        // One command for both streams, so that one connection waits for either.
        read.arg("STREAMS").arg(STREAM).arg(ACK_STREAM);
        read.arg(format!("{}-0", self.position)).arg(&self.last_notice_id);
        let reply: Option<StreamReadReply> = self.connection.query(&read, patience + REPLY_GRACE).await?;
        let mut batch = StreamBatch::default();
        for stream in reply.into_iter().flat_map(|reply| reply.keys) {
            for id in stream.ids {
                if stream.key == STREAM {
                    let delivered = parse_delivered(&id)?;
                    self.position = delivered.position;
                    batch.entries.push(delivered);
                } else {
                    self.last_notice_id.clone_from(&id.id);
                    batch.applied.push(parse_notice(&id)?);
                }
            }
        }
        Ok(batch)
    }
}

/// Converts a stream entry. Entries are numbered without a gap, so the predecessor is known. The follower
/// checks that it was applied.
fn parse_delivered(id: &StreamId) -> Result<StreamEntry, Unavailable> {
    // Ids have the form `{number}-0`. Numbers begin at 1, so every entry has a predecessor.
    let number = id
        .id
        .split_once('-')
        .and_then(|(number, _)| number.parse::<StreamPosition>().ok());
    let position = number
        .filter(|position| *position > 0)
        .ok_or_else(unexpected_reply)?;
    let entry = field_text(id, "e").as_deref().and_then(entry_codec::decode);
    Ok(StreamEntry {
        before: position - 1,
        position,
        entry: entry.ok_or_else(unexpected_reply)?,
    })
}

/// Converts a notice: the instance, and the position that it has applied.
fn parse_notice(id: &StreamId) -> Result<(InstanceId, StreamPosition), Unavailable> {
    let position = field_text(id, "p").and_then(|text| text.parse().ok());
    Ok((
        InstanceId::new(field_text(id, "i").ok_or_else(unexpected_reply)?),
        position.ok_or_else(unexpected_reply)?,
    ))
}

fn field_text(id: &StreamId, field: &str) -> Option<String> {
    let value = id.map.get(field)?.clone();
    String::from_redis_value(value).ok()
}
