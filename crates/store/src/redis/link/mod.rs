//! The connections to Redis: shared, renewed when they break; and the only place where commands are sent.
//!
//! | file | what it knows |
//! |---|---|
//! | `standalone`, `sentinel`, `cluster` | how the masters of one topology are found, and who confirms them |
//! | `servers` | the masters that are connected at the moment |
//! | `journey`, `slots` | which command goes to which master |
//! | `upkeep` | connecting, and what is done that it stays so |
//! | `walk`, `dedicated` | all masters one after the other; a connection for one caller |

mod cluster;
mod dedicated;
mod dialer;
mod identity;
mod journey;
mod sentinel;
mod servers;
mod slots;
mod standalone;
mod topology;
mod trouble;
mod upkeep;
mod walk;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError};
use tokio::time::{Instant, sleep_until, timeout_at};

pub(super) use dedicated::Dedicated;
use identity::ServerIdentity;
pub(super) use walk::Place;

use super::RedisNodes;
use cluster::Cluster;
use journey::{Journey, Order};
use sentinel::Sentinels;
use servers::Servers;
use standalone::Standalone;
use topology::Topology;
use trouble::{Trouble, too_late};
use upkeep::{Inner, PAUSE};

/// How long one trip may take, with the wait for a connection.
const TRIP_LIMIT: Duration = Duration::from_secs(2);

/// How often one trip may be told that a slot has moved.
const ROUNDS: usize = 3;

/// Redis, whatever its topology. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(..)")
    }
}

impl Link {
    /// To the one Redis at a `redis://` or `rediss://` URL.
    pub(super) fn new(url: &str) -> Result<Self, Unavailable> {
        Ok(Self::over(Standalone::new(url)?))
    }

    /// To the master that the Sentinels at these addresses name.
    pub(super) fn sentinel(nodes: &RedisNodes) -> Self {
        Self::over(Sentinels::new(nodes))
    }

    /// To the Cluster that these addresses belong to.
    pub(super) fn cluster(nodes: &RedisNodes) -> Self {
        Self::over(Cluster::new(nodes))
    }

    fn over(topology: impl Topology + 'static) -> Self {
        Self(Arc::new(Inner::new(topology)))
    }

    /// Sends one command.
    pub(super) async fn one<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command.clone());
        let (answer,): (T,) = self.trip(&pipeline).await?;
        Ok(answer)
    }

    /// Sends several commands at once, which Redis runs in this order; an error of any is an error of all. Nothing is
    /// ever sent twice.
    ///
    /// In a Cluster the order costs one round trip for each change of slot (where it does not matter:
    /// [`gather`](Self::gather)), what follows a failure is not sent, and neither `atomic` nor `ignore` of a pipeline work.
    pub(super) async fn trip<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Unavailable> {
        let (answer, _) = self.trip_with_identity(pipeline).await?;
        Ok(answer)
    }

    /// As [`trip`](Self::trip), and who answered.
    pub(super) async fn trip_with_identity<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
    ) -> Result<(T, ServerIdentity), Unavailable> {
        self.send(pipeline, Order::Kept).await
    }

    /// As [`trip`](Self::trip), but commands whose keys are in different slots run in any order, at the same time.
    pub(super) async fn gather<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Unavailable> {
        let (answer, _) = self.gather_with_identity(pipeline).await?;
        Ok(answer)
    }

    /// As [`gather`](Self::gather), and who answered.
    pub(super) async fn gather_with_identity<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
    ) -> Result<(T, ServerIdentity), Unavailable> {
        self.send(pipeline, Order::Any).await
    }

    /// Which data set the link talks to at the moment; it connects if it must.
    #[cfg(test)]
    pub(super) async fn identity(&self) -> Result<ServerIdentity, Unavailable> {
        let servers = self.servers_by(Instant::now() + TRIP_LIMIT).await?;
        Ok(servers.identity().clone())
    }

    /// As [`identity`](Self::identity), but every master is asked again. If one has become another, or none, all
    /// connections are made anew.
    pub(super) async fn refresh(&self) -> Result<ServerIdentity, Unavailable> {
        let deadline = Instant::now() + TRIP_LIMIT;
        let servers = self.servers_by(deadline).await?;
        let now = self.within(&servers, deadline, servers.identity_now()).await?;
        if now == *servers.identity() {
            return Ok(now);
        }
        self.forget(&servers);
        let servers = self.servers_by(deadline).await?;
        Ok(servers.identity().clone())
    }

    /// Asks those who know, apart from the servers that the link talks to, whether these are still the masters; who
    /// was confirmed.
    ///
    /// With Sentinel, a majority of all Sentinels of the URL must name this address. In a Cluster, a majority of the
    /// masters must have the map of slots that the link goes by, and say that the Cluster is well. Of one server alone
    /// nobody else knows, so that it is always confirmed.
    pub(super) async fn confirm(&self) -> Result<ServerIdentity, Unavailable> {
        let deadline = Instant::now() + TRIP_LIMIT;
        let servers = self.servers_by(deadline).await?;
        let confirmed = timeout_at(deadline, self.confirmed(&servers)).await;
        confirmed.map_err(|_| too_late())??;
        Ok(servers.identity().clone())
    }

    async fn send<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
        order: Order,
    ) -> Result<(T, ServerIdentity), Unavailable> {
        let deadline = Instant::now() + TRIP_LIMIT;
        let mut journey = Journey::new(pipeline, order);
        let mut earlier: Option<Arc<Servers>> = None;
        for _ in 0..ROUNDS {
            let servers = self.servers_by(deadline).await?;
            if earlier.is_some_and(|earlier| !servers.include(&earlier)) {
                return Err(Unavailable::store("the masters changed during a trip"));
            }
            let passed = journey.pass(&servers, self.0.topology.dialer());
            if let Some(answers) = self.within(&servers, deadline, passed).await? {
                let answer = T::from_redis_value(answers);
                let answer = answer.map_err(|error| Trouble::from(RedisError::from(error)))?;
                return Ok((answer, servers.identity().clone()));
            }
            sleep_until(deadline.min(servers.born + PAUSE)).await;
            self.forget(&servers);
            earlier = Some(servers);
        }
        Err(Unavailable::store("a slot of the Cluster keeps moving"))
    }
}

#[cfg(test)]
mod tests;
