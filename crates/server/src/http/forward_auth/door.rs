//! What forward-auth goes by beside the engine: the policy file, and the maker of signed identities.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use maxlab_auth_core::identity_token::IdentityTokens;
use maxlab_auth_core::policy::{Asked, Policy};
use maxlab_auth_core::revocation::Live;

use super::super::error::Failure;
use super::super::gateway::Shared;
use super::original::Original;
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
    pub(super) fn asked<'r>(&self, original: &'r Original) -> Result<Option<Asked<'r>>, Failure> {
        if self.policy.is_none() && self.tokens.is_none() {
            return Ok(None);
        }
        let method = original.method_is_told.then_some(original.method.as_str());
        let target = original.uri.as_deref().map(str::as_bytes);
        Asked::read(method, original.host.as_deref(), target)
            .map(Some)
            .map_err(Failure::Ambiguous)
    }

    /// Puts the signed identity beside the plain ones. It is empty where there is nobody, and where no trusted proxy tells
    /// the host that it would be bound to.
    ///
    /// # Errors
    /// It could not be signed.
    pub(super) fn sign(
        &self,
        headers: &mut HeaderMap,
        live: Option<&Live>,
        asked: Option<&Asked<'_>>,
        original: &Original,
        gateway: &Shared,
    ) -> Result<(), Failure> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        let value = match (live, asked.and_then(Asked::host)) {
            (Some(live), Some(host)) => {
                let token = tokens.token_for(live, host, original.method.as_str(), gateway.engine.now())?;
                // Three parts of base64url; what is no header value would be empty, never absent.
                HeaderValue::from_str(&token).unwrap_or(HeaderValue::from_static(""))
            }
            _ => HeaderValue::from_static(""),
        };
        headers.insert(X_AUTH_IDENTITY, value);
        Ok(())
    }
}
