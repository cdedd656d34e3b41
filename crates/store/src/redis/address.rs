//! Where a Redis of several servers is.

use std::fmt;

use secrecy::SecretString;

/// Several Redis addresses, and what is said to all of them.
#[derive(Debug, Clone)]
pub struct RedisNodes {
    /// Host (IPv6 in brackets) and port of each.
    pub nodes: Vec<(String, u16)>,
    /// The name of the master the Sentinels watch; empty for a Cluster.
    pub service: String,
    /// The database number; always 0 for a Cluster.
    pub database: u16,
    /// The ACL user, if one is named.
    pub username: Option<String>,
    /// The password, if there is one.
    pub password: Option<SecretString>,
    /// The password of the Sentinels. Without it, those that want one are given name and password of Redis.
    pub sentinel_password: Option<SecretString>,
    /// Whether connections are TLS (`rediss+…`).
    pub tls: bool,
}

impl fmt::Display for RedisNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (host, port)) in self.nodes.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{host}:{port}")?;
        }
        Ok(())
    }
}
