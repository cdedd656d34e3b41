//! Which data set a connection talks to.

use std::fmt;
use std::sync::Arc;

use maxlab_auth_core::credential::{hex, sha256};
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};

use super::trouble::{Trouble, unreadable};

/// The names of the run and of the replication history of the server that answers (`run_id` and `master_replid` of
/// `INFO`); of a Cluster, a digest over those of all its masters, whichever slots they have.
///
/// It differs after a restart, after a failover, and when another server sits at the same address. It does not tell
/// whether that server has all the data: it tells that this must be asked again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::redis) struct ServerIdentity(Arc<str>);

impl ServerIdentity {
    /// The identity of several masters together.
    pub(super) fn of_all(masters: &[&Self]) -> Self {
        if let [only] = masters {
            return (*only).clone();
        }
        let mut names: Vec<&str> = masters.iter().map(|master| &*master.0).collect();
        names.sort_unstable();
        Self(hex(&sha256(names.join(" ").as_bytes())).into())
    }

    fn read(info: &str) -> Result<Self, Trouble> {
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
                .filter(|value| !value.is_empty())
        };
        match (field("role"), field("run_id"), field("master_replid")) {
            (Some("master"), Some(run), Some(history)) => Ok(Self(format!("{run}:{history}").into())),
            (Some("master") | None, _, _) => {
                Err(Trouble::of_the_servers("INFO does not say which server this is"))
            }
            (Some(_), _, _) => Err(Trouble::of_the_servers(
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

/// Asks a server who it is; it must be a master.
pub(super) async fn ask(connection: &mut MultiplexedConnection) -> Result<ServerIdentity, Trouble> {
    let mut pipeline = Pipeline::with_capacity(2);
    pipeline.cmd("INFO").arg("server");
    pipeline.cmd("INFO").arg("replication");
    let sections: Vec<Value> = pipeline.query_async(connection).await?;
    let texts: Result<Vec<String>, _> = sections.into_iter().map(redis::from_redis_value).collect();
    ServerIdentity::read(&texts.map_err(|_| unreadable())?.join("\n"))
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
        let one = ServerIdentity::read(&info("master", "a", "b")).unwrap();
        assert_eq!(one, ServerIdentity::read(&info("master", "a", "b")).unwrap());
        assert_ne!(one, ServerIdentity::read(&info("master", "a", "c")).unwrap());
        assert_ne!(one, ServerIdentity::read(&info("master", "c", "b")).unwrap());
        for wrong in [
            info("slave", "a", "b"),
            info("master", "", "b"),
            info("master", "a", ""),
            String::new(),
        ] {
            assert!(ServerIdentity::read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn that_of_a_cluster_is_of_all_its_masters_in_any_order() {
        let [a, b, c] = ["a", "b", "c"].map(|name| ServerIdentity(name.into()));
        assert_eq!(ServerIdentity::of_all(&[&a]), a);
        let all = ServerIdentity::of_all(&[&a, &b, &c]);
        assert_eq!(all, ServerIdentity::of_all(&[&c, &a, &b]));
        assert_ne!(all, ServerIdentity::of_all(&[&a, &b]));
        assert_ne!(all, ServerIdentity::of_all(&[&a, &b, &b]));
    }
}
