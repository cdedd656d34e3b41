//! Login of a session at its provider, as its ID token describes it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// Login at a provider, kept sealed with its session. `Debug` does not show the ID token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderLogin {
    /// Id of the provider.
    pub provider: String,
    /// Issuer of the ID token (`iss`).
    pub issuer: String,
    /// Session at the provider (`sid`, OpenID Connect Front-Channel Logout §3).
    pub sid: Option<String>,
    /// ID token: the hint of a logout at the provider (OpenID Connect RP-Initiated Logout §2).
    pub id_token: String,
    /// Issue time of the first ID token (`iat`), by the provider's clock.
    pub issued_at: Timestamp,
    /// Time at which the person proved who they are (`auth_time`).
    pub auth_time: Option<Timestamp>,
    /// Strength of that proof (`acr`).
    pub acr: Option<String>,
    /// Methods of that proof (`amr`, RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
}

impl Drop for ProviderLogin {
    fn drop(&mut self) {
        self.id_token.zeroize();
    }
}

impl fmt::Debug for ProviderLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ProviderLogin")
            .field("provider", &self.provider)
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}
