//! Sentinel: the master is the server that a majority of the Sentinels names.
//!
//! The majority is one of all Sentinels in the URL, reachable or not. So the client never connects to an old
//! master that was cut off together with a minority. The Sentinels are polled while a connection is open:
//! their message `+switch-master` comes from a single Sentinel, may be lost, and would need the same check.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use maxlab_auth_core::unavailable::Unavailable;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ConnectionAddr, RedisError};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::dialer::RedisDialer;
use super::masters::{ConnectedMasters, MasterConnection};
use super::topology::{RedisTopology, TopologyError};
use crate::redis::nodes::RedisNodes;

/// Time limit for the answer of one Sentinel.
const QUERY_LIMIT: Duration = Duration::from_millis(500);

/// Interval at which the Sentinels are polled. It bounds how late a failover is noticed.
const CONFIRM_INTERVAL: Duration = Duration::from_millis(500);

/// The topology of a master under Sentinel.
pub(super) struct SentinelTopology {
    sentinels: Vec<SentinelClient>,
    master_query: Cmd,
    service: String,
    dialer: RedisDialer,
}

/// One Sentinel, with a connection that stays open.
struct SentinelClient {
    address: ConnectionAddr,
    open_dialer: RedisDialer,
    /// Used if the Sentinel answers `NOAUTH` without a password.
    password_dialer: RedisDialer,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl SentinelTopology {
    pub(super) fn new(nodes: &RedisNodes) -> Self {
        let dialer = RedisDialer::from_nodes(nodes);
        let (open_dialer, password_dialer) = RedisDialer::for_sentinels(nodes);
        let sentinel = |(host, port): &(String, u16)| SentinelClient {
            address: dialer.address(host, *port),
            open_dialer: open_dialer.clone(),
            password_dialer: password_dialer.clone(),
            connection: Mutex::default(),
        };
        let mut query = redis::cmd("SENTINEL");
        query.arg("GET-MASTER-ADDR-BY-NAME").arg(&nodes.service);
        Self {
            sentinels: nodes.nodes.iter().map(sentinel).collect(),
            master_query: query,
            service: nodes.service.clone(),
            dialer,
        }
    }

    /// Returns the address that a majority of all Sentinels names.
    async fn majority_master(&self) -> Result<ConnectionAddr, Unavailable> {
        let mut queries: FuturesUnordered<_> = self
            .sentinels
            .iter()
            .map(|sentinel| sentinel.query_master(&self.master_query))
            .collect();
        let mut votes: HashMap<(String, u16), usize> = HashMap::new();
        let (mut answered, mut unaware) = (0, 0);
        while let Some(answer) = queries.next().await {
            match answer {
                Some(Some((host, port))) => {
                    let count = votes.entry((host.clone(), port)).or_default();
                    *count += 1;
                    // Returns at the majority, so that a Sentinel that hangs delays nothing.
                    if *count * 2 > self.sentinels.len() {
                        return Ok(self.dialer.address(&host, port));
                    }
                    answered += 1;
                }
                Some(None) => unaware += 1,
                None => {}
            }
        }
        let (all, service) = (self.sentinels.len(), &self.service);
        let most = votes.values().max().copied().unwrap_or_default();
        Err(Unavailable::store(match (answered, unaware) {
            // All that answer do not know the service, so its name in the URL is probably wrong.
            (0, 1..) => format!("{unaware} of {all} Sentinels answer, and know no master named {service}"),
            _ => format!(
                "no majority of the {all} Sentinels names a master: {} answer, {most} agree",
                answered + unaware
            ),
        }))
    }
}

#[async_trait]
impl RedisTopology for SentinelTopology {
    async fn connect(&self) -> Result<ConnectedMasters, Unavailable> {
        let address = self.majority_master().await?;
        let master = MasterConnection::connect(&self.dialer, address, None).await?;
        Ok(ConnectedMasters::single(master))
    }

    async fn confirm(&self, servers: &ConnectedMasters) -> Result<(), TopologyError> {
        // Without a majority nothing is known. That alone does not displace a master.
        let address = self.majority_master().await.map_err(TopologyError::Unknown)?;
        if servers.masters().iter().all(|master| master.address == address) {
            return Ok(());
        }
        let why = format!("the Sentinels name {address} as the master now");
        Err(TopologyError::Displaced(Unavailable::store(why)))
    }

    fn dialer(&self) -> &RedisDialer {
        &self.dialer
    }

    fn confirm_interval(&self) -> Option<Duration> {
        Some(CONFIRM_INTERVAL)
    }
}

impl SentinelClient {
    /// Returns the address that the Sentinel names; `Some(None)` for an unknown name, `None` without an
    /// answer.
    async fn query_master(&self, query: &Cmd) -> Option<Option<(String, u16)>> {
        timeout(QUERY_LIMIT, self.query_without_limit(query))
            .await
            .ok()?
            .ok()
    }

    async fn query_without_limit(&self, query: &Cmd) -> Result<Option<(String, u16)>, RedisError> {
        // Taken out of the slot during the query: after an error or a time-out it is not put back.
        let mut connection_slot = self.connection.lock().await;
        if let Some(mut connection) = connection_slot.take()
            && let Ok(answer) = query.query_async(&mut connection).await
        {
            *connection_slot = Some(connection);
            return Ok(answer);
        }
        let mut connection = self.open_dialer.dial(&self.address, Some(QUERY_LIMIT)).await?;
        let mut answer = query.query_async(&mut connection).await;
        // The password is sent only on request: a Sentinel without one answers AUTH with an error.
        if answer
            .as_ref()
            .is_err_and(|error: &RedisError| error.code() == Some("NOAUTH"))
        {
            connection = self
                .password_dialer
                .dial(&self.address, Some(QUERY_LIMIT))
                .await?;
            answer = query.query_async(&mut connection).await;
        }
        let answer = answer?;
        *connection_slot = Some(connection);
        Ok(answer)
    }
}
