//! What forward-auth goes by beside the engine: the policy file, and the maker of signed identities.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use maxlab_auth_core::identity_token::IdentityTokens;
use maxlab_auth_core::policy::{Asked, Policy};
use maxlab_auth_core::revocation::Live;

use super::super::error::Failure;
use super::original::Told;
use crate::policy::PolicyFile;

/// The signed identity. It is always sent where it is switched on, so that a client's own copy never survives.
pub const X_AUTH_IDENTITY: HeaderName = HeaderName::from_static("x-auth-identity");

/// The policy and the signed identity, where they are switched on.
#[derive(Debug, Default)]
pub struct Door {
    /// `POLICY_FILE`.
    pub policy: Option<Arc<PolicyFile>>,
    /// `IDENTITY_TOKEN`.
    pub tokens: Option<IdentityTokens>,
}

impl Door {
    /// The policy in force.
    pub(super) fn policy(&self) -> Option<Arc<Policy>> {
        self.policy.as_ref().map(|file| file.current())
    }

    /// The original request in canonical form, where anything depends on it.
    ///
    /// # Errors
    /// It has no one reading.
    pub(super) fn asked<'r>(&self, told: Told<'r>) -> Result<Option<Asked<'r>>, Failure> {
        if self.policy.is_none() && self.tokens.is_none() {
            return Ok(None);
        }
        Asked::read(told.method, told.host, told.uri.map(str::as_bytes))
            .map(Some)
            .map_err(Failure::Ambiguous)
    }

    /// The signed identity to stand beside the plain ones, where it is switched on. It is empty where there is nobody, and
    /// where no trusted proxy tells the host that it would be bound to.
    ///
    /// # Errors
    /// It could not be signed.
    pub(super) fn signed(
        &self,
        live: Option<&Live>,
        asked: Option<&Asked<'_>>,
        method: &str,
        now: Timestamp,
    ) -> Result<Option<HeaderValue>, Failure> {
        let Some(tokens) = &self.tokens else {
            return Ok(None);
        };
        let (Some(live), Some(host)) = (live, asked.and_then(Asked::host)) else {
            return Ok(Some(HeaderValue::from_static("")));
        };
        let token = tokens.token_for(live, host, method, now)?;
        // Three parts of base64url; what is no header value would be empty, never absent.
        Ok(Some(
            HeaderValue::from_str(&token).unwrap_or(HeaderValue::from_static("")),
        ))
    }
}
