//! Budget of the caller of a request.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::UpstreamBudget;

use super::{LimitedBy, RateLimits, network_of};
use crate::http::app_state::SharedState;
use crate::http::peer::{ClientIp, PeerAddr};

/// Budget that a request is charged to: by default that of the client's address.
#[derive(Clone, Debug)]
pub struct CallerBudget {
    limits: Arc<RateLimits>,
    route: Option<MatchedPath>,
    /// `None` if the request came from inside this process; it has no limit.
    caller: Option<LimitedCaller>,
    /// `true` if the peer is no trusted proxy and sends `X-Forwarded-For`: perhaps a proxy that the settings
    /// do not name.
    sends_forwarded_for: bool,
}

#[derive(Clone, Debug)]
enum LimitedCaller {
    Address(IpAddr),
    /// A client behind a trusted proxy that does not forward addresses. Not limited: the proxy's limit would
    /// be one for the whole site.
    Unnamed(IpAddr),
    Client(Box<str>),
    Person(Box<str>),
}

impl CallerBudget {
    /// Returns the budget of an authenticated OAuth client: a service calls for all its users from one
    /// address.
    pub fn for_client(&self, client_id: &str) -> Self {
        self.with_caller(LimitedCaller::Client(client_id.into()))
    }

    /// Returns the budget of the user who is logged in.
    pub fn for_person(&self, subject: &Subject) -> Self {
        self.with_caller(LimitedCaller::Person(subject.storage_name().into()))
    }

    fn with_caller(&self, caller: LimitedCaller) -> Self {
        Self {
            caller: Some(caller),
            ..self.clone()
        }
    }

    fn log(&self, by: LimitedBy, fault: &Unavailable) {
        let route = self.route();
        tracing::debug!(by = by.as_str(), route, %fault, "request limited");
        // WARN at most once each `LOG_PERIOD`, because a client causes this as often as it likes.
        if self.limits.may_log() {
            let address = match &self.caller {
                Some(LimitedCaller::Address(address)) => Some(address.to_string()),
                // Ids of clients and users are texts of the client, which stay out of levels above DEBUG.
                _ => None,
            };
            tracing::warn!(
                by = by.as_str(),
                route,
                address,
                sends_x_forwarded_for = self.sends_forwarded_for,
                "rate limit reached"
            );
        }
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or("unmatched", MatchedPath::as_str)
    }
}

impl UpstreamBudget for CallerBudget {
    fn try_spend(&self) -> Result<(), Unavailable> {
        let (limits, route) = (&self.limits, self.route());
        let (by, spent) = match &self.caller {
            None => return Ok(()),
            // The warning names the fault in the proxy's settings.
            Some(LimitedCaller::Unnamed(proxy)) => {
                limits.warn_unnamed_once(*proxy);
                return Ok(());
            }
            Some(LimitedCaller::Address(address)) => (
                LimitedBy::Address,
                limits.try_spend(LimitedBy::Address, &network_of(*address), route),
            ),
            Some(LimitedCaller::Client(id)) => {
                (LimitedBy::Client, limits.try_spend(LimitedBy::Client, id, route))
            }
            Some(LimitedCaller::Person(id)) => {
                (LimitedBy::Person, limits.try_spend(LimitedBy::Person, id, route))
            }
        };
        spent.inspect_err(|fault| self.log(by, fault))
    }
}

impl FromRequestParts<SharedState> for CallerBudget {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &SharedState) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<PeerAddr>().copied();
        let client = parts
            .extensions
            .get::<ClientIp>()
            .map(|ClientIp(address)| *address);
        let trusted = &gateway.trusted_proxies;
        let is_proxy = peer.is_some_and(|peer| peer.is_trusted(trusted));
        let caller = match client {
            // `client_address` found no address but the proxy's own.
            Some(address) if is_proxy && (Some(address) == peer.map(PeerAddr::ip)) => {
                Some(LimitedCaller::Unnamed(address))
            }
            // No connection: the request comes from inside this process.
            Some(address) if address.is_unspecified() => None,
            client => client.map(LimitedCaller::Address),
        };
        Ok(Self {
            limits: Arc::clone(&gateway.rate_limits),
            route: parts.extensions.get::<MatchedPath>().cloned(),
            caller,
            sends_forwarded_for: !is_proxy && parts.headers.contains_key("x-forwarded-for"),
        })
    }
}
