//! Issuer of a token that names none: an opaque token, or a signed one without `iss`.

use std::sync::Arc;

use jiff::Timestamp;

use super::jwt::JwtCheck;

/// Names of the authorization server as an issuer. It is the issuer of every token
/// that it accepts and that names none.
#[derive(Debug, Default)]
pub struct DefaultIssuers {
    jwt: Option<Arc<JwtCheck>>,
    fallback: Vec<String>,
}

impl DefaultIssuers {
    /// Creates the issuers from the configured or discovered issuer.
    pub(super) fn new(jwt: Option<Arc<JwtCheck>>) -> Self {
        Self {
            jwt,
            fallback: Vec::new(),
        }
    }

    /// Sets the names that are used while no issuer is configured or discovered.
    pub(super) fn with_fallback(self, fallback: Vec<String>) -> Self {
        Self { fallback, ..self }
    }

    /// Returns the configured or discovered issuer, or else the fallback names.
    pub fn names(&self, now: Timestamp) -> Vec<String> {
        match self.jwt.as_ref().and_then(|check| check.issuer(now)) {
            Some(issuer) => vec![issuer.into_owned()],
            // Both spellings of the server's address, with and without a slash at the end: an issuer is
            // compared exactly, and an operator may cut off either.
            None => self.fallback.clone(),
        }
    }
}
