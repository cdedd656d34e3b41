//! Configuration of forward-auth: the policy file and the issuer of signed identities.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use maxlab_auth_core::access::SIGNED_IDENTITY_HEADER;
use maxlab_auth_core::identity_token::IdentityTokenIssuer;
use maxlab_auth_core::policy::{AccessPolicy, AmbiguousRequest, PolicyRequest};
use maxlab_auth_core::verdict::ActiveCredential;

use super::super::error::ApiError;
use super::headers::HeaderStyle;
use super::original_request::ForwardedRequest;
use crate::policy::PolicyFile;

/// Header with the signed identity. If signing is enabled, it is always sent, so that it replaces any copy of
/// the client.
pub const X_AUTH_IDENTITY: HeaderName = HeaderName::from_static(SIGNED_IDENTITY_HEADER);

/// Policy and signed identities, each `None` if it is not enabled.
#[derive(Debug, Default)]
pub struct ForwardAuthConfig {
    /// Policy file (`POLICY_FILE`).
    pub policy_file: Option<Arc<PolicyFile>>,
    /// Issuer of identity tokens (`IDENTITY_TOKEN`).
    pub identity_tokens: Option<IdentityTokenIssuer>,
    /// Which identity headers are sent, and how.
    pub header_style: HeaderStyle,
}

impl ForwardAuthConfig {
    /// Returns the policy in force.
    pub(in crate::http) fn current_policy(&self) -> Option<Arc<AccessPolicy>> {
        self.policy_file.as_ref().map(|file| file.current())
    }

    /// Parses the original request into its canonical form. `None` if neither a policy nor a signed identity
    /// needs it.
    ///
    /// # Errors
    /// The request can be read in more than one way.
    pub(in crate::http) fn policy_request<'r>(
        &self,
        forwarded: ForwardedRequest<'r>,
    ) -> Result<Option<PolicyRequest<'r>>, AmbiguousRequest> {
        // Without both, only the application reads the path, and it may accept one that the strict form
        // refuses.
        if self.policy_file.is_none() && self.identity_tokens.is_none() {
            return Ok(None);
        }
        PolicyRequest::parse(forwarded.method, forwarded.host, forwarded.uri).map(Some)
    }

    /// Signs the identity; `None` if signing is not enabled. The value is empty for an anonymous request, and
    /// if no trusted proxy forwards the host that the token would be bound to.
    ///
    /// # Errors
    /// Signing failed.
    pub(in crate::http) fn sign_identity(
        &self,
        active: Option<&ActiveCredential>,
        request: Option<&PolicyRequest<'_>>,
        method: &str,
        now: Timestamp,
    ) -> Result<Option<HeaderValue>, ApiError> {
        let Some(tokens) = &self.identity_tokens else {
            return Ok(None);
        };
        let (Some(active), Some(host)) = (active, request.and_then(PolicyRequest::host)) else {
            return Ok(Some(HeaderValue::from_static("")));
        };
        let token = tokens.token_for(active, host, method, now)?;
        // A token is base64url and dots, so this does not fail. If it did, the header would be empty and
        // never absent.
        Ok(Some(
            HeaderValue::from_str(&token).unwrap_or(HeaderValue::from_static("")),
        ))
    }
}
