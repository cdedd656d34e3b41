//! Logout that an OpenID provider asks for, behind the person's back or in a frame of its own page.

pub(super) mod backchannel;
pub(super) mod frontchannel;

use maxlab_auth_core::engine::ProviderLogoutFault;
use maxlab_auth_core::provider_logout::{LogoutProvider, LogoutScope};

pub use backchannel::backchannel_logout;
pub use frontchannel::frontchannel_logout;

use super::error::ApiError;

/// Providers that may end sessions here, and how.
#[derive(Debug, Default)]
pub struct ProviderLogouts {
    /// Providers with a client of the gateway.
    pub providers: Vec<LogoutProvider>,
    /// `BACKCHANNEL_LOGOUT_SCOPE`.
    pub scope: LogoutScope,
    /// `FRONTCHANNEL_LOGOUT`.
    pub allows_front_channel: bool,
}

impl ProviderLogouts {
    /// Returns the provider with the id in the path. The only place that knows where providers come from.
    fn find(&self, id: &str) -> Result<&LogoutProvider, ApiError> {
        let found = self.providers.iter().find(|provider| provider.id == id);
        found.ok_or(ApiError::NotFound("There is no such provider"))
    }
}

impl From<ProviderLogoutFault> for ApiError {
    fn from(fault: ProviderLogoutFault) -> Self {
        match fault {
            ProviderLogoutFault::Token(fault) => Self::InvalidRequest(fault.to_string()),
            ProviderLogoutFault::Termination(fault) => fault.into(),
        }
    }
}
