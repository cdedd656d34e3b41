//! The stream as it is pushed to one instance, over a connection of its own.

use std::time::Duration;

use async_trait::async_trait;
use maxlab_auth_core::revocation::{Delivered, Follow, Instance, LogFault, News, Position};
use maxlab_auth_core::unavailable::Unavailable;
use redis::streams::{StreamId, StreamReadReply};
use redis::{FromRedisValue, Value};

use super::link::{Dedicated, Link};
use super::log::{NOTICES, STREAM};
use super::revocations::unreadable;
use crate::line;

/// How many entries come at once.
const AT_ONCE: usize = 1_000;
/// Beyond the patience, so long an answer may be under way before the line counts as broken.
const UNDER_WAY: Duration = Duration::from_secs(1);

pub(super) struct Stream {
    connection: Dedicated,
    position: Position,
    notice: String,
}

impl Stream {
    pub(super) async fn open(link: &Link, behind: Position) -> Result<Self, Unavailable> {
        let mut connection = link.dedicated().await?;
        let mut last = redis::cmd("XREVRANGE");
        last.arg(NOTICES).arg("+").arg("-").arg("COUNT").arg(1);
        let last: Vec<(String, Value)> = connection.ask(&last, UNDER_WAY).await?;
        let notice = last
            .into_iter()
            .next()
            .map_or_else(|| "0-0".to_owned(), |(id, _)| id);
        Ok(Self {
            connection,
            position: behind,
            notice,
        })
    }

    pub(super) fn server(&self) -> String {
        self.connection.identity().to_string()
    }
}

#[async_trait]
impl Follow for Stream {
    async fn next(&mut self, patience: Duration) -> Result<News, LogFault> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(AT_ONCE);
        read.arg("BLOCK").arg(patience.as_millis().max(1).to_string());
        read.arg("STREAMS").arg(STREAM).arg(NOTICES);
        read.arg(format!("{}-0", self.position)).arg(&self.notice);
        let reply: Option<StreamReadReply> = self.connection.ask(&read, patience + UNDER_WAY).await?;
        let mut news = News::default();
        for stream in reply.into_iter().flat_map(|reply| reply.keys) {
            for id in stream.ids {
                if stream.key == STREAM {
                    let delivered = delivered(&id)?;
                    self.position = delivered.position;
                    news.entries.push(delivered);
                } else {
                    self.notice.clone_from(&id.id);
                    news.applied.push(notice(&id)?);
                }
            }
        }
        Ok(news)
    }
}

/// Entries are numbered without a gap, so the one before is known; whether it was delivered the follower sees.
fn delivered(id: &StreamId) -> Result<Delivered, Unavailable> {
    let number = id
        .id
        .split_once('-')
        .and_then(|(number, _)| number.parse::<Position>().ok());
    let position = number.filter(|position| *position > 0).ok_or_else(unreadable)?;
    let entry = text(id, "e").as_deref().and_then(line::read);
    Ok(Delivered {
        before: position - 1,
        position,
        entry: entry.ok_or_else(unreadable)?,
    })
}

fn notice(id: &StreamId) -> Result<(Instance, Position), Unavailable> {
    let position = text(id, "p").and_then(|text| text.parse().ok());
    Ok((
        Instance::new(text(id, "i").ok_or_else(unreadable)?),
        position.ok_or_else(unreadable)?,
    ))
}

fn text(id: &StreamId, field: &str) -> Option<String> {
    let value = id.map.get(field)?.clone();
    String::from_redis_value(value).ok()
}
