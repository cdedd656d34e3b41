//! Limits of connections.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

/// Limits of connections in number, time and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// Most open connections at each listener. For a further one, those that have been idle longest are
    /// closed. While all are busy, it is answered from the reserve ([`SlotKind::Reserve`]).
    ///
    /// [`SlotKind::Reserve`]: crate::SlotKind::Reserve
    pub max_connections: usize,
    /// Most open connections from one address, at each listener. Further ones are closed immediately.
    pub max_connections_per_address: usize,
    /// Proxies that are exempt from the limit for each address.
    pub trusted_proxies: Arc<[IpNet]>,
    /// Time from the first byte of a request head to its last, and from the start of a connection to its
    /// first request. A slower client is disconnected within twice this time.
    pub header_timeout: Duration,
    /// Time for which a client may leave an answer unread. The limit for the body of a request is the
    /// handler's.
    pub body_timeout: Duration,
    /// Time for which a connection may be idle between two requests.
    pub idle_timeout: Duration,
    /// Time for which a connection may be silent within an exchange. Longer than the limits of head, body and
    /// handler together.
    pub exchange_timeout: Duration,
    /// Time that open requests have to finish at the shutdown.
    pub drain_timeout: Duration,
    /// Longest request head, in bytes. A longer one is answered 431. At least 8 KiB.
    pub max_header_bytes: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_address: 5_000,
            trusted_proxies: Arc::default(),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(15),
            // Longer than the 60 s for which common proxies keep a connection. The proxy closes first, and
            // never sends a request on a connection that is being closed here.
            idle_timeout: Duration::from_secs(75),
            exchange_timeout: Duration::from_secs(180),
            drain_timeout: Duration::from_secs(20),
            max_header_bytes: 32 * 1024,
        }
    }
}
