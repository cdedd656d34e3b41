//! Making connections: with which name, password and database, and whether over TLS.

use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult,
};
use secrecy::ExposeSecret as _;

use crate::redis::RedisNodes;

/// How long connecting may take; less than a trip, so that those who wait behind it learn of its failure.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_millis(1_500);

/// Makes connections to any address of one deployment.
#[derive(Clone)]
pub(super) struct Dialer {
    tls: bool,
    settings: RedisConnectionInfo,
}

impl Dialer {
    /// For what a `redis://` or `rediss://` URL names, and its address.
    pub(super) fn of_url(url: &str) -> Result<(Self, ConnectionAddr), Unavailable> {
        let known = ["redis://", "rediss://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        let info = url.into_connection_info().ok().filter(|_| known);
        let info = info.ok_or_else(|| Unavailable::store("the URL is not one of redis:// or rediss://"))?;
        let dialer = Self {
            tls: url.starts_with("rediss://"),
            settings: info.redis_settings().clone(),
        };
        Ok((dialer, info.addr().clone()))
    }

    /// For the servers of a deployment of several.
    pub(super) fn of_nodes(nodes: &RedisNodes) -> Self {
        let mut settings = RedisConnectionInfo::default().set_db(nodes.database.into());
        if let Some(name) = &nodes.username {
            settings = settings.set_username(name);
        }
        if let Some(password) = &nodes.password {
            settings = settings.set_password(password.expose_secret());
        }
        Self {
            tls: nodes.tls,
            settings,
        }
    }

    /// For the Sentinels of a deployment: how they are spoken to first, and how if they want a password.
    pub(super) fn of_sentinels(nodes: &RedisNodes) -> (Self, Self) {
        let settings = RedisConnectionInfo::default();
        let tls = nodes.tls;
        match &nodes.sentinel_password {
            Some(password) => {
                let settings = settings.set_password(password.expose_secret());
                let dialer = Self { tls, settings };
                (dialer.clone(), dialer)
            }
            None => (Self { tls, settings }, Self::of_nodes(nodes).without_database()),
        }
    }

    /// The same without a database: Sentinels have none, and a Cluster has one.
    pub(super) fn without_database(mut self) -> Self {
        self.settings = self.settings.set_db(0);
        self
    }

    /// The address of a host, whose IPv6 may stand in brackets.
    pub(super) fn address(&self, host: &str, port: u16) -> ConnectionAddr {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if self.tls {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }

    /// A connection that gives an answer up after `patience`, or never by itself.
    pub(super) async fn dial(
        &self,
        address: &ConnectionAddr,
        patience: Option<Duration>,
    ) -> RedisResult<MultiplexedConnection> {
        let info = address
            .clone()
            .into_connection_info()?
            .set_redis_settings(self.settings.clone());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(patience);
        Client::open(info)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}
