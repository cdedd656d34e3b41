//! A connection for one caller alone, for commands that block.

use std::fmt;
use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use tokio::time::{Instant, timeout};

use super::identity::ServerIdentity;
use super::trouble::{Trouble, too_late};
use super::{Link, TRIP_LIMIT};

/// A connection to the master that has the key `revocations`.
pub(in crate::redis) struct Dedicated {
    connection: MultiplexedConnection,
    identity: ServerIdentity,
    broken: bool,
}

impl fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dedicated(..)")
    }
}

impl Link {
    /// A new connection that nobody else uses, to the server that the link talks to at the moment; of a Cluster, to the
    /// master that has the key `revocations`.
    ///
    /// # Errors
    /// There is no connection to be had within the time limit of a trip, or another server sits there by now.
    pub(in crate::redis) async fn dedicated(&self) -> Result<Dedicated, Unavailable> {
        let deadline = Instant::now() + TRIP_LIMIT;
        let servers = self.servers_by(deadline).await?;
        let opened = async {
            let home = servers
                .home()
                .ok_or_else(|| Trouble::of_the_servers("a slot has no master"))?;
            home.again(self.0.topology.dialer()).await
        };
        Ok(Dedicated {
            connection: self.within(&servers, deadline, opened).await?,
            identity: servers.identity().clone(),
            broken: false,
        })
    }
}

impl Dedicated {
    /// What [`Link::identity`] was when this connection was made. It does not change; the link's own may.
    pub(in crate::redis) fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// Sends one command and waits at most so long, which must be longer than the command blocks. After any failure
    /// the connection is of no use any more, and says so.
    ///
    /// # Errors
    /// Redis refused, or did not answer in time, or an earlier call failed.
    pub(in crate::redis) async fn ask<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
        limit: Duration,
    ) -> Result<T, Unavailable> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(Unavailable::store("this connection has failed before"));
        }
        let asked = timeout(limit, command.query_async(&mut self.connection)).await;
        let answer = asked.map_err(|_| too_late())?.map_err(Trouble::from)?;
        self.broken = false;
        Ok(answer)
    }
}
