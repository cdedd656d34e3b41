//! A single Redis at one address.

use async_trait::async_trait;
use maxlab_auth_core::unavailable::Unavailable;
use redis::ConnectionAddr;

use super::dialer::RedisDialer;
use super::masters::{ConnectedMasters, MasterConnection};
use super::topology::{RedisTopology, TopologyError};
use crate::redis::nodes::RedisCaCertificates;

/// The topology of a single server.
pub(super) struct StandaloneTopology {
    dialer: RedisDialer,
    address: ConnectionAddr,
}

impl StandaloneTopology {
    pub(super) fn new(url: &str, ca: Option<RedisCaCertificates>) -> Result<Self, Unavailable> {
        let (dialer, address) = RedisDialer::from_url(url, ca)?;
        Ok(Self { dialer, address })
    }
}

#[async_trait]
impl RedisTopology for StandaloneTopology {
    async fn connect(&self) -> Result<ConnectedMasters, Unavailable> {
        let master = MasterConnection::connect(&self.dialer, self.address.clone(), None).await?;
        Ok(ConnectedMasters::single(master))
    }

    /// Always succeeds: there is no one else to ask whether the server at this address is the master.
    async fn confirm(&self, _: &ConnectedMasters) -> Result<(), TopologyError> {
        Ok(())
    }

    fn dialer(&self) -> &RedisDialer {
        &self.dialer
    }
}
