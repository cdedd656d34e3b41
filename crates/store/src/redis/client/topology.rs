//! The differences between a single server, Sentinel and Cluster: finding the masters, and confirming them.

use std::time::Duration;

use async_trait::async_trait;
use maxlab_auth_core::unavailable::Unavailable;

use super::dialer::RedisDialer;
use super::masters::ConnectedMasters;

/// A form of deployment of Redis.
#[async_trait]
pub(super) trait RedisTopology: Send + Sync {
    /// Finds the masters and connects to them.
    async fn connect(&self) -> Result<ConnectedMasters, Unavailable>;

    /// Asks the Sentinels, or a majority in the Cluster, whether these servers are still the masters.
    async fn confirm(&self, servers: &ConnectedMasters) -> Result<(), TopologyError>;

    /// Returns the dialer for connections to the masters.
    fn dialer(&self) -> &RedisDialer;

    /// Returns the interval of [`confirm`](Self::confirm) in the background; `None` for never.
    fn confirm_interval(&self) -> Option<Duration> {
        None
    }
}

/// Reason why the masters were not confirmed.
#[derive(Debug)]
pub(super) enum TopologyError {
    /// Other servers are the masters now.
    Displaced(Unavailable),
    /// Too few answered, so that nothing is known.
    Unknown(Unavailable),
}

impl From<TopologyError> for Unavailable {
    fn from(error: TopologyError) -> Self {
        match error {
            TopologyError::Displaced(why) | TopologyError::Unknown(why) => why,
        }
    }
}
