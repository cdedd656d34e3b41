//! Making connections: user, password, database and TLS.

use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult,
    TlsCertificates,
};
use secrecy::ExposeSecret as _;

use crate::redis::nodes::{RedisCaCertificates, RedisNodes};

/// Time limit for connecting. Shorter than a pipeline's, so that callers that wait for it get its error.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_millis(1_500);

/// Makes connections to any address of one deployment.
#[derive(Clone)]
pub(super) struct RedisDialer {
    tls: bool,
    /// Authorities that are trusted in the place of the system's.
    ca: Option<RedisCaCertificates>,
    settings: RedisConnectionInfo,
}

impl RedisDialer {
    /// Parses a `redis://` or `rediss://` URL. Returns a dialer, and the address in the URL.
    pub(super) fn from_url(
        url: &str,
        ca: Option<RedisCaCertificates>,
    ) -> Result<(Self, ConnectionAddr), Unavailable> {
        // The library also accepts `unix:` and other URLs, which the settings do not permit.
        let is_redis = ["redis://", "rediss://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        let info = url.into_connection_info().ok().filter(|_| is_redis);
        let info = info.ok_or_else(|| Unavailable::store("not a valid redis:// or rediss:// URL"))?;
        let dialer = Self {
            tls: url.starts_with("rediss://"),
            ca,
            settings: info.redis_settings().clone(),
        };
        Ok((dialer, info.addr().clone()))
    }

    /// Creates a dialer for the servers of a Sentinel or Cluster deployment.
    pub(super) fn from_nodes(nodes: &RedisNodes) -> Self {
        let mut settings = RedisConnectionInfo::default().set_db(nodes.database.into());
        if let Some(name) = &nodes.username {
            settings = settings.set_username(name);
        }
        if let Some(password) = &nodes.password {
            settings = settings.set_password(password.expose_secret());
        }
        Self {
            tls: nodes.tls,
            ca: nodes.ca_certificates.clone(),
            settings,
        }
    }

    /// Creates the dialers for Sentinels: for the first attempt, and for one that requires a password.
    pub(super) fn for_sentinels(nodes: &RedisNodes) -> (Self, Self) {
        let settings = RedisConnectionInfo::default();
        let (tls, ca) = (nodes.tls, nodes.ca_certificates.clone());
        match &nodes.sentinel_password {
            Some(password) => {
                let settings = settings.set_password(password.expose_secret());
                let dialer = Self { tls, ca, settings };
                (dialer.clone(), dialer)
            }
            // The first attempt is without credentials: a Sentinel without a password refuses them.
            None => (
                Self { tls, ca, settings },
                Self::from_nodes(nodes).without_database(),
            ),
        }
    }

    /// Returns a dialer that selects no database: Sentinels have none, and a Cluster has only database 0.
    pub(super) fn without_database(mut self) -> Self {
        self.settings = self.settings.set_db(0);
        self
    }

    /// Builds the address of a host. An IPv6 address may be in brackets.
    pub(super) fn address(&self, host: &str, port: u16) -> ConnectionAddr {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if self.tls {
            ConnectionAddr::TcpTls {
                host,
                port,
                // The server's certificate is always verified.
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }

    /// Opens a connection. A reply that takes longer than `reply_timeout` fails; with `None` it has no limit.
    pub(super) async fn dial(
        &self,
        address: &ConnectionAddr,
        reply_timeout: Option<Duration>,
    ) -> RedisResult<MultiplexedConnection> {
        let info = address
            .clone()
            .into_connection_info()?
            .set_redis_settings(self.settings.clone());
        // The library's own limits are replaced: its defaults do not fit the deadlines of this client.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(reply_timeout);
        let client = match (&self.ca, address) {
            (Some(RedisCaCertificates(pem)), ConnectionAddr::TcpTls { .. }) => {
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(pem.to_vec()),
                };
                Client::build_with_tls(info, certificates)?
            }
            // The system's certificates, or those of SSL_CERT_FILE and SSL_CERT_DIR.
            _ => Client::open(info)?,
        };
        client.get_multiplexed_async_connection_with_config(&config).await
    }
}
