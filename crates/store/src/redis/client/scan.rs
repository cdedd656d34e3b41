//! Operations on every master: the scan over all keys, and a command for each.

use std::fmt;
use std::sync::Arc;

use maxlab_auth_core::unavailable::Unavailable;
use redis::{Cmd, FromRedisValue};
use tokio::time::Instant;

use super::RedisClient;
use super::failure::{REQUEST_LIMIT, RedisFailure, unexpected_reply};
use super::masters::{ConnectedMasters, MasterConnection};

/// Position in a scan over all keys: a cursor of `SCAN`, and in a Cluster the node that it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::redis) struct ScanCursor {
    cursor: u64,
    node: Option<Arc<str>>,
}

impl ScanCursor {
    /// Parses a text that `Display` wrote. Any other text is the beginning of the scan.
    pub(in crate::redis) fn parse(text: &str) -> Self {
        let (cursor, node) = match text.split_once('@') {
            Some((cursor, node)) => (cursor, Some(node.into())),
            None => (text, None),
        };
        Self {
            cursor: cursor.parse().unwrap_or(0),
            node,
        }
    }
}

/// Writes `cursor` or `cursor@node`, without a colon.
impl fmt::Display for ScanCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cursor)?;
        self.node.iter().try_for_each(|node| write!(f, "@{node}"))
    }
}

impl RedisClient {
    /// Scans the next part of the keyspace. Returns the next position, if there is one, and the keys.
    pub(in crate::redis) async fn scan(
        &self,
        cursor: &ScanCursor,
        pattern: &str,
        count: usize,
    ) -> Result<(Option<ScanCursor>, Vec<Vec<u8>>), Unavailable> {
        let deadline = Instant::now() + REQUEST_LIMIT;
        let servers = self.masters_by_deadline(deadline).await?;
        let masters = sorted_by_node(&servers);
        let index = match &cursor.node {
            Some(_) => masters.iter().position(|master| master.node == cursor.node),
            None => Some(0),
        };
        // A cursor is valid on its own master only. If that node is gone, the scan cannot go on.
        let Some((master, later)) = index.and_then(|index| masters.get(index..)?.split_first()) else {
            return Err(Unavailable::store(
                "the Redis masters changed during a scan over all keys: start the request again",
            ));
        };
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor.cursor)
            .arg("MATCH")
            .arg(pattern)
            .arg("COUNT")
            .arg(count);
        let step = async {
            let mut connection = master.connection.clone();
            Ok(scan.query_async::<(u64, Vec<Vec<u8>>)>(&mut connection).await?)
        };
        let (cursor, keys) = self.run_with_deadline(&servers, deadline, step).await?;
        let (cursor, next) = match (cursor, later.first()) {
            // Cursor 0 is the end of one master's keys (the documentation of SCAN).
            (0, None) => return Ok((None, keys)),
            // The next master begins with cursor 0.
            (0, Some(later)) => (0, later),
            (cursor, _) => (cursor, master),
        };
        let node = next.node.clone();
        Ok((Some(ScanCursor { cursor, node }), keys))
    }

    /// Sends one command to every master at the same time. Fails if one of them fails.
    pub(in crate::redis) async fn query_all_masters<T: FromRedisValue>(
        &self,
        command: &Cmd,
    ) -> Result<Vec<T>, Unavailable> {
        let deadline = Instant::now() + REQUEST_LIMIT;
        let servers = self.masters_by_deadline(deadline).await?;
        let queries = servers.query_all(command);
        let answers = self
            .run_with_deadline(&servers, deadline, queries)
            .await?
            .into_iter();
        let typed: Result<_, RedisFailure> = answers
            .map(|answer| T::from_redis_value(answer).map_err(|_| unexpected_reply()))
            .collect();
        Ok(typed?)
    }
}

/// Returns the masters sorted by node name, so that a scan visits each of them once.
fn sorted_by_node(servers: &ConnectedMasters) -> Vec<&MasterConnection> {
    let mut masters: Vec<_> = servers.masters().iter().collect();
    masters.sort_by(|one, other| one.node.cmp(&other.node));
    masters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back() {
        for text in ["0", "17", "0@abc", "18446744073709551615@f00"] {
            assert_eq!(ScanCursor::parse(text).to_string(), text);
        }
        for junk in ["", "x", "-1"] {
            assert_eq!(ScanCursor::parse(junk), ScanCursor::default());
        }
    }
}
