//! Addresses of endpoints that settings name, for a server whose metadata name addresses that cannot be used.

use url::Url;

use crate::AuthServerEndpoint;

/// Configured addresses of endpoints. Each wins over the discovered one.
///
/// For example, metadata may name public addresses that this machine cannot reach (split horizon).
#[derive(Clone, Debug, Default)]
pub struct EndpointUrls {
    /// Authorization endpoint, to which browsers are sent (`AUTHORIZATION_URL`).
    pub authorization: Option<Url>,
    /// Token endpoint (`TOKEN_URL`).
    pub token: Option<Url>,
    /// Userinfo endpoint (`USERINFO_URL`).
    pub userinfo: Option<Url>,
    /// Revocation endpoint (`REVOCATION_URL`).
    pub revocation: Option<Url>,
    /// Introspection endpoint (`INTROSPECTION_URL`).
    pub introspection: Option<Url>,
}

impl EndpointUrls {
    /// Returns the configured address of an endpoint. The key set has a setting of its own
    /// ([`JwksEndpoint`](crate::JwksEndpoint)).
    pub fn find(&self, endpoint: AuthServerEndpoint) -> Option<&Url> {
        match endpoint {
            AuthServerEndpoint::Authorize => self.authorization.as_ref(),
            AuthServerEndpoint::Token => self.token.as_ref(),
            AuthServerEndpoint::Userinfo => self.userinfo.as_ref(),
            AuthServerEndpoint::Revoke => self.revocation.as_ref(),
            AuthServerEndpoint::Introspect => self.introspection.as_ref(),
            AuthServerEndpoint::Account
            | AuthServerEndpoint::EndSession
            | AuthServerEndpoint::Health
            | AuthServerEndpoint::Jwks
            | AuthServerEndpoint::Metadata => None,
        }
    }
}
