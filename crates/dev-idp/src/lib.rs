//! An authorization server for development only: three people, code + PKCE, rotating refresh tokens, ES256 tokens.
//!
//! It is an honest OAuth 2.0 / OpenID Connect server (RFC 6749, 6750, 7009, 7636, 7662, 8414, 9068, 9207), so that the
//! gateway can be tried and tested without any other service. Its passwords are shown on its own pages: it listens on
//! loopback only and refuses to run in production.

mod authorize;
mod clients;
mod clock;
mod config;
mod discovery;
mod error;
mod files;
mod grants;
mod idp;
mod keys;
mod oauth_error;
mod pages;
mod params;
mod people;
mod pkce;
mod random;
mod revoke;
mod scope;
mod serve;
mod token;
mod tokens;
mod userinfo;

pub use clients::{CONFIDENTIAL_CLIENT_ID, CONFIDENTIAL_CLIENT_SECRET, OAuthClient, PUBLIC_CLIENT_ID};
pub use clock::Clock;
pub use config::DevIdpConfig;
pub use error::DevIdpError;
pub use people::{Person, PersonClaims};
pub use serve::{router, serve};
