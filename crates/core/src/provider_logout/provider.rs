//! Provider that may end sessions here, and how much one logout token of it ends.

use std::sync::Arc;

use crate::identity::Issuer;
use crate::verify::JwtCheck;

/// Provider whose logout tokens are accepted.
#[derive(Clone, Debug)]
pub struct LogoutProvider {
    /// Name of the provider in the path of the route.
    pub id: String,
    /// Issuer of the people and sessions of this provider.
    pub issuer: Issuer,
    /// Names that `iss` may have while neither the settings nor the metadata name one.
    pub fallback_issuers: Vec<String>,
    /// `client_id` of the gateway at the provider, which `aud` must contain.
    pub client_id: String,
    /// Keys and algorithms that are configured for the provider.
    pub check: Arc<JwtCheck>,
}

/// Scope of a logout token with a `sid` (`BACKCHANNEL_LOGOUT_SCOPE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogoutScope {
    /// The session at the provider, with everything that came out of it.
    #[default]
    Session,
    /// Every session of the person at that provider.
    Person,
}
