//! Addresses and credentials of a Redis deployment with several servers.

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;

/// Certificates in PEM of the authorities that may sign the certificates of Redis, in the place of the system's.
#[derive(Clone)]
pub struct RedisCaCertificates(pub(super) Arc<[u8]>);

impl RedisCaCertificates {
    /// Wraps the contents of a PEM file. A connection fails if they are not certificates.
    pub fn from_pem(pem: impl Into<Arc<[u8]>>) -> Self {
        Self(pem.into())
    }
}

impl fmt::Debug for RedisCaCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisCaCertificates(..)")
    }
}

/// Addresses of a Sentinel or Cluster deployment, with the settings that apply to all of them.
#[derive(Debug, Clone)]
pub struct RedisNodes {
    /// Host (IPv6 in brackets) and port of each.
    pub nodes: Vec<(String, u16)>,
    /// Name of the master at the Sentinels; empty for a Cluster.
    pub service: String,
    /// Number of the database; always 0 for a Cluster.
    pub database: u16,
    /// ACL user. Without one, Redis uses `default`.
    pub username: Option<String>,
    /// Password of the user.
    pub password: Option<SecretString>,
    /// Password of the Sentinels. Without it, those that require one get the user and password of Redis.
    pub sentinel_password: Option<SecretString>,
    /// Enables TLS (`rediss+…`).
    pub tls: bool,
    /// Authorities that are trusted in the place of the system's.
    pub ca_certificates: Option<RedisCaCertificates>,
}

impl RedisNodes {
    /// Returns the Sentinels of the master `service`, without credentials and TLS.
    pub fn sentinels<H: Into<String>>(
        service: impl Into<String>,
        nodes: impl IntoIterator<Item = (H, u16)>,
    ) -> Self {
        Self {
            nodes: nodes
                .into_iter()
                .map(|(host, port)| (host.into(), port))
                .collect(),
            service: service.into(),
            database: 0,
            username: None,
            password: None,
            sentinel_password: None,
            tls: false,
            ca_certificates: None,
        }
    }

    /// Returns servers of a Cluster, without credentials and TLS. The others are found through them.
    pub fn cluster<H: Into<String>>(nodes: impl IntoIterator<Item = (H, u16)>) -> Self {
        Self::sentinels("", nodes)
    }

    /// Sets the number of the database, under Sentinel.
    #[must_use]
    pub fn with_database(mut self, database: u16) -> Self {
        self.database = database;
        self
    }

    /// Sets the ACL user.
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets the password.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<SecretString>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sets the password of the Sentinels.
    #[must_use]
    pub fn with_sentinel_password(mut self, password: impl Into<SecretString>) -> Self {
        self.sentinel_password = Some(password.into());
        self
    }

    /// Enables TLS.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Sets the authorities that are trusted in the place of the system's.
    #[must_use]
    pub fn with_ca_certificates(mut self, certificates: RedisCaCertificates) -> Self {
        self.ca_certificates = Some(certificates);
        self
    }
}

impl fmt::Display for RedisNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses only: this text is logged, and credentials must not be.
        for (index, (host, port)) in self.nodes.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{host}:{port}")?;
        }
        Ok(())
    }
}
