//! Logout that an OpenID provider asks for: rules of its logout tokens (OpenID Connect Back-Channel Logout 1.0).

mod logout_token;
mod provider;

pub(crate) use logout_token::check_type;
pub use logout_token::{LogoutToken, LogoutTokenFault, LogoutTokenRules, STANDARD_LIFETIME};
pub use provider::{LogoutProvider, LogoutScope};
