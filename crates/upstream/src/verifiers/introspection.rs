//! Layer `introspection`: RFC 7662 at the introspection endpoint, with the gateway's own client.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{LayerClaims, TokenRejection, TokenVerifier, Verdict, VerifyInput};
use maxlab_auth_jose::{ClaimFault, ClaimsPolicy};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};

use super::undecided_status;
use crate::{AuthServer, AuthServerEndpoint, AuthServerResponse};

/// Verifier that asks the introspection endpoint of the authorization server.
#[derive(Debug)]
pub struct IntrospectionVerifier {
    /// The authorization server.
    pub server: Arc<AuthServer>,
    /// Rules for the claims of an introspection answer.
    pub policy: ClaimsPolicy,
}

/// Returns whether the server refuses to introspect tokens of this kind. RFC 7662 has no such error. Servers
/// that introspect no signed tokens use that of RFC 7009 §2.2.1.
fn is_unsupported_kind(answer: &AuthServerResponse) -> bool {
    answer.status == StatusCode::BAD_REQUEST
        && answer
            .json_object()
            .is_ok_and(|body| body.get("error").and_then(Value::as_str) == Some("unsupported_token_type"))
}

#[async_trait]
impl TokenVerifier for IntrospectionVerifier {
    fn source(&self) -> VerificationSource {
        VerificationSource::Introspection
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn verify(&self, input: &VerifyInput<'_>, now: Timestamp) -> Verdict {
        // RFC 7662 §2.1: the endpoint requires authorization, so without a client it cannot be asked.
        if self.server.config().client.is_none() {
            return Verdict::NotApplicable;
        }
        let Some(request) = self
            .server
            .request(Method::POST, AuthServerEndpoint::Introspect)
            .await
        else {
            return self.verdict_without_endpoint();
        };
        let mut form = vec![("token".to_owned(), input.token().expose().to_owned())];
        form.push(("token_type_hint".to_owned(), "access_token".to_owned()));
        let request = self
            .server
            .add_client_auth(AuthServerEndpoint::Introspect, request, None, &mut form)
            .await
            .form(&form);
        let answer = match self.server.send(AuthServerEndpoint::Introspect, request).await {
            Ok(answer) if answer.status == StatusCode::OK => answer,
            // Without such an endpoint the layer says nothing about any token.
            Ok(answer) if matches!(answer.status.as_u16(), 404 | 405 | 501) => return Verdict::NotApplicable,
            // The server introspects no tokens of this kind, so it says nothing about this one.
            Ok(answer) if is_unsupported_kind(&answer) => return Verdict::NotApplicable,
            // 401 and 403 are about the gateway's own client, not about the token.
            Ok(answer) => {
                return Verdict::Unavailable(undecided_status(
                    AuthServerEndpoint::Introspect,
                    answer.status.as_u16(),
                ));
            }
            Err(fault) => return Verdict::Unavailable(fault.into()),
        };
        let claims = match answer.json_object() {
            Ok(claims) => claims,
            Err(fault) => return Verdict::Unavailable(fault.into()),
        };
        match claims.get("active") {
            Some(Value::Bool(true)) => self.verdict_on_active_token(claims, now),
            // Not refuted: a later layer may know tokens that this server does not (decision 19).
            Some(Value::Bool(false)) => Verdict::Rejected(TokenRejection::Refused),
            _ => Verdict::Unavailable(Unavailable::upstream(
                "its introspection answer has no boolean `active`",
            )),
        }
    }
}

impl IntrospectionVerifier {
    /// Returns the verdict on an active token. The other members of the answer count too (RFC 7662 §2.2, §4).
    fn verdict_on_active_token(&self, claims: Map<String, Value>, now: Timestamp) -> Verdict {
        // JWT_ISSUER wins over the discovered issuer, as for signed tokens.
        let discovered = || Some(self.server.cached_metadata()?.issuer.clone());
        let issuer = self.policy.issuer.clone().or_else(discovered);
        match self.policy.check_introspected(issuer.as_deref(), &claims, now) {
            Ok(times) => Verdict::Verified(Box::new(LayerClaims {
                claims: claims.into(),
                expires_at: times.expires_at,
                key_id: None,
            })),
            Err(ClaimFault::Malformed(name)) => Verdict::Unavailable(Unavailable::upstream(format_args!(
                "its introspection answer has a malformed `{name}`"
            ))),
            // The server itself describes the token, so no other layer knows better.
            Err(ClaimFault::Expired | ClaimFault::TooOld) => Verdict::Refuted(TokenRejection::Expired),
            Err(ClaimFault::WrongType) => Verdict::Refuted(TokenRejection::NotAccessToken),
            Err(_) => Verdict::Refuted(TokenRejection::Claims),
        }
    }

    /// Returns the verdict if no endpoint is set or discovered.
    fn verdict_without_endpoint(&self) -> Verdict {
        // While the metadata is unknown, there may be an endpoint: that says nothing about the token.
        if self.server.cached_metadata().is_some() {
            Verdict::NotApplicable
        } else {
            Verdict::Unavailable(Unavailable::upstream("its introspection endpoint is unknown"))
        }
    }
}
