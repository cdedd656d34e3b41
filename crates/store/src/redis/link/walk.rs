//! What concerns every master: walking over all keys, and asking each.

use std::fmt;
use std::sync::Arc;

use maxlab_auth_core::unavailable::Unavailable;
use redis::{Cmd, FromRedisValue};
use tokio::time::Instant;

use super::servers::{Master, Servers};
use super::trouble::{Trouble, unreadable};
use super::{Link, TRIP_LIMIT};

/// A place in a walk over all keys: a cursor of `SCAN`, and of which master where there are several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::redis) struct Place {
    cursor: u64,
    node: Option<Arc<str>>,
}

impl Place {
    /// Reads what `Display` wrote; anything else is the beginning.
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

/// `cursor` or `cursor@master`, without a colon.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cursor)?;
        self.node.iter().try_for_each(|node| write!(f, "@{node}"))
    }
}

impl Link {
    /// One step of a walk over the keys: where to go on, if there is more, and the keys of this step.
    pub(in crate::redis) async fn scan(
        &self,
        place: &Place,
        pattern: &str,
        count: usize,
    ) -> Result<(Option<Place>, Vec<Vec<u8>>), Unavailable> {
        let deadline = Instant::now() + TRIP_LIMIT;
        let servers = self.servers_by(deadline).await?;
        let masters = in_order(&servers);
        let at = match &place.node {
            Some(_) => masters.iter().position(|master| master.node == place.node),
            None => Some(0),
        };
        let Some((master, later)) = at.and_then(|at| masters.get(at..)?.split_first()) else {
            return Err(Unavailable::store(
                "the masters changed during a walk over all keys: it must begin again",
            ));
        };
        let mut scan = redis::cmd("SCAN");
        scan.arg(place.cursor)
            .arg("MATCH")
            .arg(pattern)
            .arg("COUNT")
            .arg(count);
        let step = async {
            let mut connection = master.connection.clone();
            Ok(scan.query_async::<(u64, Vec<Vec<u8>>)>(&mut connection).await?)
        };
        let (cursor, keys) = self.within(&servers, deadline, step).await?;
        let (cursor, next) = match (cursor, later.first()) {
            (0, None) => return Ok((None, keys)),
            (0, Some(later)) => (0, later),
            (cursor, _) => (cursor, master),
        };
        let node = next.node.clone();
        Ok((Some(Place { cursor, node }), keys))
    }

    /// Sends one command to every master, all at the same time; an error of any is an error of all.
    pub(in crate::redis) async fn everywhere<T: FromRedisValue>(
        &self,
        command: &Cmd,
    ) -> Result<Vec<T>, Unavailable> {
        let deadline = Instant::now() + TRIP_LIMIT;
        let servers = self.servers_by(deadline).await?;
        let asked = servers.everywhere(command);
        let answers = self.within(&servers, deadline, asked).await?.into_iter();
        let typed: Result<_, Trouble> = answers
            .map(|answer| T::from_redis_value(answer).map_err(|_| unreadable()))
            .collect();
        Ok(typed?)
    }
}

/// The masters by their names, so that a walk knows which it has seen.
fn in_order(servers: &Servers) -> Vec<&Master> {
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
            assert_eq!(Place::parse(text).to_string(), text);
        }
        for junk in ["", "x", "-1"] {
            assert_eq!(Place::parse(junk), Place::default());
        }
    }
}
