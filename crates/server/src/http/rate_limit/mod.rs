//! Limits of the writes and upstream requests that one caller may cause: by address, by client, by user.
//!
//! Answers from memory are not limited. A caller over its limit gets 429 with `Retry-After`, and nothing is
//! done.

mod budget;
mod keyed_limit;

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use governor::clock::DefaultClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use maxlab_auth_core::unavailable::Unavailable;
use metrics::counter;

pub use budget::CallerBudget;

use self::keyed_limit::KeyedLimit;
use crate::config::RateLimitSettings;
use crate::metrics::RATE_LIMITED;

/// Cells in each half of the table of addresses: 1 MiB altogether.
const ADDRESS_CELLS: usize = 1 << 16;
/// Cells in each half of the tables of clients and of users: 256 KiB each.
const OTHER_CELLS: usize = 1 << 14;
/// Least time between two warnings about reached limits.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// Attribute by which a caller is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// Address of the client.
    Address,
    /// OAuth client that authenticated itself.
    Client,
    /// User who is logged in.
    Person,
}

impl LimitedBy {
    /// Returns the label value in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Client => "client",
            Self::Person => "person",
        }
    }
}

/// All pairs of a route and an attribute that can be limited, so that each counter begins at 0.
const LIMITED_ROUTES: &[(&str, &[LimitedBy])] = {
    use LimitedBy::{Address, Client, Person};
    &[
        ("/oauth/authorize", &[Address]),
        ("/oauth/token", &[Address]),
        ("/oauth/token/validate", &[Address]),
        ("/oauth/userinfo", &[Address]),
        ("/oauth/revoke", &[Address, Client]),
        ("/oauth/introspect", &[Address, Client]),
        ("/auth/verify", &[Address]),
        ("/auth/backchannel-logout/{id}", &[Address]),
        ("/auth/frontchannel-logout/{id}", &[Address]),
        ("/api/v1/auth/me", &[Address]),
        ("/api/v1/auth/logout", &[Address, Person]),
        ("/api/v1/auth/logout/all", &[Address, Person]),
        ("/api/v1/auth/sessions", &[Address]),
        ("/api/v1/auth/sessions/rotate", &[Address, Person]),
        ("/api/v1/auth/sessions/{session_id}", &[Address, Person]),
        ("/api/v1/auth/access/admin", &[Address, Person]),
        ("/api/v1/auth/access/groups/{group}", &[Address]),
        ("/api/v1/auth/access/workspaces/{workspace_id}", &[Address]),
        ("/api/v1/admin/denylist", &[Address, Person]),
        ("/api/v1/admin/audit", &[Address, Person]),
        ("/api/v1/admin/revocations", &[Address, Person]),
        ("/api/v1/admin/users/{user_id}/logout", &[Address, Person]),
    ]
};

/// Rate limits of a gateway. `None` for a limit that is switched off.
pub struct RateLimits {
    by_address: Option<KeyedLimit>,
    by_client: Option<KeyedLimit>,
    by_person: Option<KeyedLimit>,
    /// Limit of the warnings about reached limits.
    log: Option<RateLimiter<NotKeyed, InMemoryState, DefaultClock>>,
    /// `true` after the warning about a proxy that forwards no addresses.
    is_unnamed_warned: AtomicBool,
}

impl fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimits").finish_non_exhaustive()
    }
}

impl RateLimits {
    /// Creates the limits of the settings, and their counters with the value 0.
    pub fn new(settings: &RateLimitSettings) -> Self {
        // Prometheus sees no increase in a counter that first appears with the value 1.
        for (route, limits) in LIMITED_ROUTES {
            for by in *limits {
                counter!(RATE_LIMITED, "route" => *route, "by" => by.as_str()).increment(0);
            }
        }
        let limit = |limit, half| Option::and_then(limit, |limit| KeyedLimit::new(limit, half));
        Self {
            by_address: limit(settings.per_address, ADDRESS_CELLS),
            by_client: limit(settings.per_client, OTHER_CELLS),
            by_person: limit(settings.per_person, OTHER_CELLS),
            log: Quota::with_period(LOG_PERIOD).map(RateLimiter::direct),
            is_unnamed_warned: AtomicBool::new(false),
        }
    }

    /// Spends one request of `key`.
    ///
    /// # Errors
    /// The limit is reached for now.
    fn try_spend(&self, by: LimitedBy, key: &impl Hash, route: &str) -> Result<(), Unavailable> {
        let limit = match by {
            LimitedBy::Address => &self.by_address,
            LimitedBy::Client => &self.by_client,
            LimitedBy::Person => &self.by_person,
        };
        // Switched off in the settings.
        let Some(limit) = limit else { return Ok(()) };
        limit.try_spend(key).map_err(|retry_after| {
            counter!(RATE_LIMITED, "route" => route.to_owned(), "by" => by.as_str()).increment(1);
            Unavailable::throttled(format_args!("the limit by {}", by.as_str()), retry_after)
        })
    }

    /// Returns `true` if a reached limit may be logged now.
    fn may_log(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.check().is_ok())
    }

    /// Warns once that a trusted proxy does not forward the addresses of its clients.
    fn warn_unnamed_once(&self, proxy: IpAddr) {
        // Relaxed: the flag guards no other data, and the swap lets only one thread log.
        if !self.is_unnamed_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %proxy,
                "X-Forwarded-For not sent by a trusted proxy, its clients have no limit by address"
            );
        }
    }
}

/// Returns the limit's key of an address. An IPv6 site has at least a /64 (RFC 6177), so that network is one
/// caller.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_caller() {
        let key = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(key("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_ne!(key("2001:db8:1:3::1"), key("2001:db8:1:2::1"));
        assert_eq!(key("198.51.100.7"), "198.51.100.7");
        assert_eq!(key("::ffff:198.51.100.7"), "198.51.100.7");
    }
}
