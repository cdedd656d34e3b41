//! The masters that are connected now, and sending commands to them.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Cmd, ConnectionAddr, Pipeline, Value};
use tokio::time::Instant;

use super::dialer::RedisDialer;
use super::failure::{REQUEST_LIMIT, RedisFailure, unexpected_reply};
use super::identity::{self, ServerIdentity};
use super::slots::{DEFAULT_KEY, SlotMap, slot_of_key};

/// A connected master.
#[derive(Clone)]
pub(super) struct MasterConnection {
    pub(super) address: ConnectionAddr,
    /// Name of the node in its Cluster.
    pub(super) node: Option<Arc<str>>,
    pub(super) connection: MultiplexedConnection,
    pub(super) identity: ServerIdentity,
}

/// All masters of a deployment, connected and given up together: most operations need several of them, and
/// the identity needs all.
pub(super) struct ConnectedMasters {
    /// Never empty.
    masters: Vec<MasterConnection>,
    /// Owner of each slot; `None` without a Cluster.
    pub(super) slots: Option<SlotMap>,
    identity: ServerIdentity,
    pub(super) connected_at: Instant,
}

impl MasterConnection {
    /// Connects to a server, which must report that it is a master.
    pub(super) async fn connect(
        dialer: &RedisDialer,
        address: ConnectionAddr,
        node: Option<Arc<str>>,
    ) -> Result<Self, RedisFailure> {
        Self::connect_with(dialer, address, node, Some(REQUEST_LIMIT)).await
    }

    async fn connect_with(
        dialer: &RedisDialer,
        address: ConnectionAddr,
        node: Option<Arc<str>>,
        reply_timeout: Option<Duration>,
    ) -> Result<Self, RedisFailure> {
        // The identity is read on this very connection: another one might reach another server.
        let mut connection = dialer.dial(&address, reply_timeout).await?;
        let identity = identity::fetch_identity(&mut connection).await?;
        Ok(Self {
            address,
            node,
            connection,
            identity,
        })
    }

    /// Opens another connection to this server, without a reply time limit. Fails if the server has changed.
    pub(super) async fn open_another(
        &self,
        dialer: &RedisDialer,
    ) -> Result<MultiplexedConnection, RedisFailure> {
        let other = Self::connect_with(dialer, self.address.clone(), self.node.clone(), None).await?;
        if other.identity == self.identity {
            Ok(other.connection)
        } else {
            Err(RedisFailure::connection_fault(
                "another server has this address now",
            ))
        }
    }

    /// Sends several commands. Their errors are among the replies.
    pub(super) async fn query(&self, commands: &[&Cmd]) -> Result<Vec<Value>, RedisFailure> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command((*command).clone());
        }
        // A multiplexed connection: clones share one socket.
        let mut connection = self.connection.clone();
        // `query_async` would fail on the first error. The caller needs each reply, to follow redirections.
        let answers = connection
            .req_packed_commands(&pipeline, 0, commands.len())
            .await?;
        if answers.len() == commands.len() {
            Ok(answers)
        } else {
            Err(unexpected_reply())
        }
    }
}

impl ConnectedMasters {
    /// Creates the set of one master without slots.
    pub(super) fn single(master: MasterConnection) -> Self {
        Self {
            identity: master.identity.clone(),
            masters: vec![master],
            slots: None,
            connected_at: Instant::now(),
        }
    }

    /// Creates the set of a Cluster's masters. The slot map refers to them by index.
    pub(super) fn sharded(masters: Vec<MasterConnection>, slots: SlotMap) -> Self {
        let identities: Vec<_> = masters.iter().map(|master| &master.identity).collect();
        Self {
            identity: ServerIdentity::combine(&identities),
            masters,
            slots: Some(slots),
            connected_at: Instant::now(),
        }
    }

    /// Returns the combined identity from the time of connecting.
    pub(super) fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// Reports whether all masters in `earlier` are in this set, unchanged. An added master, which got its
    /// first slots, does not matter.
    pub(super) fn includes_all_of(&self, earlier: &Self) -> bool {
        let mut earlier = earlier.masters.iter();
        earlier.all(|before| {
            self.masters
                .iter()
                .any(|master| master.identity == before.identity)
        })
    }

    pub(super) fn masters(&self) -> &[MasterConnection] {
        &self.masters
    }

    /// Returns the master for commands without a key, such as TIME. It also owns the revocation stream.
    pub(super) fn default_master(&self) -> Option<&MasterConnection> {
        let index = self
            .slots
            .as_ref()
            .map_or(0, |slots| slots.owner(slot_of_key(DEFAULT_KEY)));
        self.masters.get(index)
    }

    /// Sends one command to every master. Fails if one of them fails.
    pub(super) async fn query_all(&self, command: &Cmd) -> Result<Vec<Value>, RedisFailure> {
        let queries = self.masters.iter().map(|master| {
            let mut connection = master.connection.clone();
            async move { command.query_async::<Value>(&mut connection).await }
        });
        Ok(try_join_all(queries).await?)
    }

    /// Fetches the identities of all masters again and combines them.
    pub(super) async fn fetch_identity(&self) -> Result<ServerIdentity, RedisFailure> {
        let queries = self.masters.iter().map(|master| {
            let mut connection = master.connection.clone();
            async move { identity::fetch_identity(&mut connection).await }
        });
        let identities = try_join_all(queries).await?;
        Ok(ServerIdentity::combine(&identities.iter().collect::<Vec<_>>()))
    }

    /// Sends each master its own commands at the same time. One failure does not stop the others.
    pub(super) async fn query_each<'c>(
        &self,
        parts: impl Iterator<Item = (usize, Vec<&'c Cmd>)>,
    ) -> Vec<Result<Vec<Value>, RedisFailure>> {
        let queries = parts.map(async |(index, commands)| match self.masters.get(index) {
            Some(master) => master.query(&commands).await,
            None => Err(unexpected_reply()),
        });
        join_all(queries).await
    }
}
