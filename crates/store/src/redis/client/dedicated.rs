//! A connection for a single caller, for commands that block.

use std::fmt;
use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use tokio::time::{Instant, timeout};

use super::RedisClient;
use super::failure::{REQUEST_LIMIT, RedisFailure, timed_out};
use super::identity::ServerIdentity;

/// A connection to the master that owns the key `revocations`.
pub(in crate::redis) struct DedicatedConnection {
    connection: MultiplexedConnection,
    identity: ServerIdentity,
    /// Set during each query, so that it stays set after an error and after a cancelled call.
    has_failed: bool,
}

impl fmt::Debug for DedicatedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DedicatedConnection(..)")
    }
}

impl RedisClient {
    /// Opens a connection that no other caller uses, to the current master; in a Cluster, to the master that
    /// owns the key `revocations`.
    ///
    /// # Errors
    /// No connection is available within the time limit, or another server has this address now.
    pub(in crate::redis) async fn open_dedicated(&self) -> Result<DedicatedConnection, Unavailable> {
        let deadline = Instant::now() + REQUEST_LIMIT;
        let servers = self.masters_by_deadline(deadline).await?;
        let open = async {
            // The stream is on the master of the default key. Notices share its slot.
            let master = servers
                .default_master()
                .ok_or_else(|| RedisFailure::connection_fault("a slot has no master"))?;
            master.open_another(self.0.topology.dialer()).await
        };
        Ok(DedicatedConnection {
            connection: self.run_with_deadline(&servers, deadline, open).await?,
            identity: servers.identity().clone(),
            has_failed: false,
        })
    }
}

impl DedicatedConnection {
    /// Returns the identity of the servers at the time of connecting. The client's own may change later.
    pub(in crate::redis) fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// Sends one command and waits at most `limit`, which must be longer than the command blocks.
    ///
    /// # Errors
    /// Redis refused the command, did not answer in time, or an earlier call on this connection failed.
    pub(in crate::redis) async fn query<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
        limit: Duration,
    ) -> Result<T, Unavailable> {
        // A late reply to a failed call would be taken for the reply to the next one.
        if std::mem::replace(&mut self.has_failed, true) {
            return Err(Unavailable::store("this connection has failed before"));
        }
        let reply = timeout(limit, command.query_async(&mut self.connection)).await;
        let answer = reply.map_err(|_| timed_out())?.map_err(RedisFailure::from)?;
        self.has_failed = false;
        Ok(answer)
    }
}
