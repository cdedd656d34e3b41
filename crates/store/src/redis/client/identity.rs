//! The identity of the server behind a connection.

use std::fmt;
use std::sync::Arc;

use maxlab_auth_core::credential::{hex, sha256};
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};

use super::failure::{RedisFailure, unexpected_reply};

/// Identity of a server: `run_id` and `master_replid` of its `INFO`. In a Cluster, a digest over those of all
/// masters, independent of their slots.
///
/// The identity changes after a restart, after a failover, and if another server has the same address. A
/// change does not mean that data was lost. It means that the data set must be checked again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::redis) struct ServerIdentity(Arc<str>);

impl ServerIdentity {
    /// Combines the identities of several masters.
    pub(super) fn combine(masters: &[&Self]) -> Self {
        if let [only] = masters {
            return (*only).clone();
        }
        let mut names: Vec<&str> = masters.iter().map(|master| &*master.0).collect();
        // Sorted, so that the order in which the masters were found does not matter.
        names.sort_unstable();
        Self(hex(&sha256(names.join(" ").as_bytes())).into())
    }

    fn parse_info(info: &str) -> Result<Self, RedisFailure> {
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
                .filter(|value| !value.is_empty())
        };
        match (field("role"), field("run_id"), field("master_replid")) {
            (Some("master"), Some(run), Some(history)) => Ok(Self(format!("{run}:{history}").into())),
            (Some("master") | None, _, _) => Err(RedisFailure::connection_fault(
                "INFO has no run_id or master_replid",
            )),
            // READONLY is Redis' own code for a write to a replica. Reads are refused too: it may lag.
            (Some(_), _, _) => Err(RedisFailure::connection_fault(
                "READONLY the server is a replica, not a master",
            )),
        }
    }
}

impl fmt::Display for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fetches the identity of a server, which must be a master.
pub(super) async fn fetch_identity(
    connection: &mut MultiplexedConnection,
) -> Result<ServerIdentity, RedisFailure> {
    let mut pipeline = Pipeline::with_capacity(2);
    pipeline.cmd("INFO").arg("server");
    pipeline.cmd("INFO").arg("replication");
    let sections: Vec<Value> = pipeline.query_async(connection).await?;
    let texts: Result<Vec<String>, _> = sections.into_iter().map(redis::from_redis_value).collect();
    ServerIdentity::parse_info(&texts.map_err(|_| unexpected_reply())?.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_master_has_an_identity_and_each_part_counts() {
        let info = |role: &str, run: &str, history: &str| {
            format!(
                "# Server\r\nrun_id:{run}\r\n# Replication\r\nrole:{role}\r\nmaster_replid:{history}\r\nmaster_replid2:0\r\n"
            )
        };
        let one = ServerIdentity::parse_info(&info("master", "a", "b")).unwrap();
        assert_eq!(
            one,
            ServerIdentity::parse_info(&info("master", "a", "b")).unwrap()
        );
        assert_ne!(
            one,
            ServerIdentity::parse_info(&info("master", "a", "c")).unwrap()
        );
        assert_ne!(
            one,
            ServerIdentity::parse_info(&info("master", "c", "b")).unwrap()
        );
        for wrong in [
            info("slave", "a", "b"),
            info("master", "", "b"),
            info("master", "a", ""),
            String::new(),
        ] {
            assert!(ServerIdentity::parse_info(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn that_of_a_cluster_is_of_all_its_masters_in_any_order() {
        let [a, b, c] = ["a", "b", "c"].map(|name| ServerIdentity(name.into()));
        assert_eq!(ServerIdentity::combine(&[&a]), a);
        let all = ServerIdentity::combine(&[&a, &b, &c]);
        assert_eq!(all, ServerIdentity::combine(&[&c, &a, &b]));
        assert_ne!(all, ServerIdentity::combine(&[&a, &b]));
        assert_ne!(all, ServerIdentity::combine(&[&a, &b, &b]));
    }
}
