//! One Redis at one address.

use async_trait::async_trait;
use maxlab_auth_core::unavailable::Unavailable;
use redis::ConnectionAddr;

use super::dialer::Dialer;
use super::servers::{Master, Servers};
use super::topology::{Doubt, Topology};

pub(super) struct Standalone {
    dialer: Dialer,
    address: ConnectionAddr,
}

impl Standalone {
    pub(super) fn new(url: &str) -> Result<Self, Unavailable> {
        let (dialer, address) = Dialer::of_url(url)?;
        Ok(Self { dialer, address })
    }
}

#[async_trait]
impl Topology for Standalone {
    async fn connect(&self) -> Result<Servers, Unavailable> {
        let master = Master::connect(&self.dialer, self.address.clone(), None).await?;
        Ok(Servers::alone(master))
    }

    /// There is nobody else to ask: the server at this address is the master.
    async fn confirm(&self, _: &Servers) -> Result<(), Doubt> {
        Ok(())
    }

    fn dialer(&self) -> &Dialer {
        &self.dialer
    }
}
