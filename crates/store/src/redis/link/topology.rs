//! What differs between one server, Sentinel and Cluster: how the masters are found, and who confirms them.

use std::time::Duration;

use async_trait::async_trait;
use maxlab_auth_core::unavailable::Unavailable;

use super::dialer::Dialer;
use super::servers::Servers;

/// One way in which Redis is deployed.
#[async_trait]
pub(super) trait Topology: Send + Sync {
    /// Finds the masters and connects to them.
    async fn connect(&self) -> Result<Servers, Unavailable>;

    /// Asks those who know, apart from these servers, whether they are still the masters.
    async fn confirm(&self, servers: &Servers) -> Result<(), Doubt>;

    /// How connections are made.
    fn dialer(&self) -> &Dialer;

    /// How often to [`confirm`](Self::confirm) unasked, if ever.
    fn watched_every(&self) -> Option<Duration> {
        None
    }
}

/// Why masters were not confirmed.
#[derive(Debug)]
pub(super) enum Doubt {
    /// Others are the masters now.
    Displaced(Unavailable),
    /// Too few answered.
    Unknown(Unavailable),
}

impl From<Doubt> for Unavailable {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Displaced(why) | Doubt::Unknown(why) => why,
        }
    }
}
