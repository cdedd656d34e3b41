//! The Redis client: shared connections, replaced when they break, and the only place that sends commands
//! (docs/decisions/0011).
//!
//! | file | content |
//! |---|---|
//! | `standalone`, `sentinel`, `cluster` | finding and confirming the masters of one topology |
//! | `dialer`, `identity` | making a connection; recognising the server behind it |
//! | `masters` | the masters that are connected now |
//! | `pipeline_run`, `slots` | routing of commands to masters |
//! | `maintenance` | connecting, checking and giving up connections |
//! | `scan`, `dedicated` | scans over all masters; a connection for one caller |

mod cluster;
mod dedicated;
mod dialer;
mod failure;
mod identity;
mod maintenance;
mod masters;
mod pipeline_run;
mod scan;
mod sentinel;
mod slots;
mod standalone;
mod topology;

use std::fmt;
use std::sync::Arc;

use maxlab_auth_core::unavailable::Unavailable;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError};
use tokio::time::{Instant, sleep_until, timeout_at};

pub(super) use dedicated::DedicatedConnection;
use identity::ServerIdentity;
pub(super) use scan::ScanCursor;

use super::nodes::{RedisCaCertificates, RedisNodes};
use cluster::ClusterTopology;
use failure::{REQUEST_LIMIT, RedisFailure, timed_out};
use maintenance::{RECONNECT_PAUSE, RedisClientInner};
use masters::ConnectedMasters;
use pipeline_run::{PipelineRun, SlotOrder};
use sentinel::SentinelTopology;
use standalone::StandaloneTopology;
use topology::RedisTopology;

/// Number of times that a pipeline may be redirected before it fails.
const MAX_REDIRECT_ROUNDS: usize = 3;

/// A client for any topology of Redis. Cheap to clone.
#[derive(Clone)]
pub(super) struct RedisClient(Arc<RedisClientInner>);

impl fmt::Debug for RedisClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The topology contains credentials.
        f.write_str("RedisClient(..)")
    }
}

impl RedisClient {
    /// Creates a client for the single Redis at a `redis://` or `rediss://` URL.
    pub(super) fn new(url: &str, ca: Option<RedisCaCertificates>) -> Result<Self, Unavailable> {
        Ok(Self::with_topology(StandaloneTopology::new(url, ca)?))
    }

    /// Creates a client for the master that the Sentinels at these addresses name.
    pub(super) fn for_sentinel(nodes: &RedisNodes) -> Self {
        Self::with_topology(SentinelTopology::new(nodes))
    }

    /// Creates a client for the Cluster that these addresses belong to.
    pub(super) fn for_cluster(nodes: &RedisNodes) -> Self {
        Self::with_topology(ClusterTopology::new(nodes))
    }

    fn with_topology(topology: impl RedisTopology + 'static) -> Self {
        Self(Arc::new(RedisClientInner::new(topology)))
    }

    /// Sends one command.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command.clone());
        let (answer,): (T,) = self.pipeline_ordered(&pipeline).await?;
        Ok(answer)
    }

    /// Sends several commands, which Redis runs in this order. One failure fails the call. Nothing is sent
    /// twice.
    ///
    /// In a Cluster the order costs one round trip for each change of slot, and commands after a failure are
    /// not sent. If the order does not matter, use [`pipeline_unordered`](Self::pipeline_unordered). The
    /// pipeline options `atomic` and `ignore` do not work in a Cluster.
    pub(super) async fn pipeline_ordered<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
    ) -> Result<T, Unavailable> {
        let (answer, _) = self.pipeline_ordered_with_identity(pipeline).await?;
        Ok(answer)
    }

    /// Like [`pipeline_ordered`](Self::pipeline_ordered), and returns the identity of the servers.
    pub(super) async fn pipeline_ordered_with_identity<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
    ) -> Result<(T, ServerIdentity), Unavailable> {
        self.run_pipeline(pipeline, SlotOrder::Sequential).await
    }

    /// Like [`pipeline_ordered`](Self::pipeline_ordered), but different slots run at the same time.
    pub(super) async fn pipeline_unordered<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
    ) -> Result<T, Unavailable> {
        let (answer, _) = self.pipeline_unordered_with_identity(pipeline).await?;
        Ok(answer)
    }

    /// Like [`pipeline_unordered`](Self::pipeline_unordered), and returns the identity of the servers.
    pub(super) async fn pipeline_unordered_with_identity<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
    ) -> Result<(T, ServerIdentity), Unavailable> {
        self.run_pipeline(pipeline, SlotOrder::Concurrent).await
    }

    /// Returns the identity of the current servers. Connects if necessary.
    #[cfg(test)]
    pub(super) async fn identity(&self) -> Result<ServerIdentity, Unavailable> {
        let servers = self.masters_by_deadline(Instant::now() + REQUEST_LIMIT).await?;
        Ok(servers.identity().clone())
    }

    /// Asks every master for its identity again and returns the combined one. If it has changed, all
    /// connections are replaced first.
    pub(super) async fn refresh_identity(&self) -> Result<ServerIdentity, Unavailable> {
        let deadline = Instant::now() + REQUEST_LIMIT;
        let servers = self.masters_by_deadline(deadline).await?;
        let now = self
            .run_with_deadline(&servers, deadline, servers.fetch_identity())
            .await?;
        if now == *servers.identity() {
            return Ok(now);
        }
        // For example, the server became a replica and a master again on the same connection.
        self.discard(&servers);
        let servers = self.masters_by_deadline(deadline).await?;
        Ok(servers.identity().clone())
    }

    /// Confirms from outside that the current servers are still the masters, and returns their identity.
    ///
    /// * Sentinel: a majority of all Sentinels in the URL must name this address.
    /// * Cluster: a majority of the masters must have the client's slot map and report `cluster_state:ok`.
    /// * A single server is always confirmed, because there is no one else to ask.
    pub(super) async fn confirm(&self) -> Result<ServerIdentity, Unavailable> {
        let deadline = Instant::now() + REQUEST_LIMIT;
        let servers = self.masters_by_deadline(deadline).await?;
        let confirmed = timeout_at(deadline, self.confirm_or_discard(&servers)).await;
        confirmed.map_err(|_| timed_out())??;
        Ok(servers.identity().clone())
    }

    async fn run_pipeline<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
        order: SlotOrder,
    ) -> Result<(T, ServerIdentity), Unavailable> {
        let deadline = Instant::now() + REQUEST_LIMIT;
        let mut run = PipelineRun::new(pipeline, order);
        let mut earlier: Option<Arc<ConnectedMasters>> = None;
        // Bounded, because a misconfigured Cluster redirects for ever.
        for _ in 0..MAX_REDIRECT_ROUNDS {
            let servers = self.masters_by_deadline(deadline).await?;
            // The commands of earlier rounds may be lost if their master was replaced since.
            if earlier.is_some_and(|earlier| !servers.includes_all_of(&earlier)) {
                return Err(Unavailable::store("the Redis masters changed during a pipeline"));
            }
            let pass = run.send_pending(&servers, self.0.topology.dialer());
            if let Some(answers) = self.run_with_deadline(&servers, deadline, pass).await? {
                let answer = T::from_redis_value(answers);
                let answer = answer.map_err(|error| RedisFailure::from(RedisError::from(error)))?;
                return Ok((answer, servers.identity().clone()));
            }
            // Not every server knows the new owner at once, so connections are replaced at most once a pause.
            sleep_until(deadline.min(servers.connected_at + RECONNECT_PAUSE)).await;
            self.discard(&servers);
            earlier = Some(servers);
        }
        Err(Unavailable::store("a slot of the Cluster keeps moving"))
    }
}

#[cfg(test)]
mod tests;
