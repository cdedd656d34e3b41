//! The layer `introspection`: RFC 7662 at the discovered endpoint, with the gateway's own client.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{Rejection, Shown, Testimony, Verdict, Verifier};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::upstream::{AuthServer, Endpoint};

/// Asks the introspection endpoint.
#[derive(Debug)]
pub struct IntrospectionVerifier {
    /// The authorization server.
    pub server: Arc<AuthServer>,
}

#[async_trait]
impl Verifier for IntrospectionVerifier {
    fn source(&self) -> VerificationSource {
        VerificationSource::Introspection
    }

    async fn verify(&self, shown: &Shown<'_>, _: Timestamp) -> Verdict {
        if self.server.config().client.is_none() {
            return Verdict::NotMine;
        }
        let Some(request) = self.server.request(Method::POST, Endpoint::Introspect).await else {
            return self.without_endpoint();
        };
        let mut form = vec![("token".to_owned(), shown.token().expose().to_owned())];
        form.push(("token_type_hint".to_owned(), "access_token".to_owned()));
        let request = self.server.naming(request, None, &mut form).form(&form);
        let answer = match self.server.send(Endpoint::Introspect, request).await {
            Ok(answer) if answer.status == StatusCode::OK => answer,
            Ok(answer) if matches!(answer.status.as_u16(), 404 | 405 | 501) => return Verdict::NotMine,
            // 401 and 403 are about our own client, not about the token.
            Ok(answer) => {
                return Verdict::Unavailable(Unavailable::upstream(format_args!(
                    "introspect answers {}",
                    answer.status
                )));
            }
            Err(fault) => return Verdict::Unavailable(fault.into()),
        };
        let claims = match answer.json() {
            Ok(claims) => claims,
            Err(fault) => return Verdict::Unavailable(fault.into()),
        };
        match claims.get("active") {
            Some(Value::Bool(true)) => {
                let expires_at = claims
                    .get("exp")
                    .and_then(Value::as_i64)
                    .and_then(|at| Timestamp::from_second(at).ok());
                Verdict::Verified(Box::new(Testimony {
                    claims: claims.into(),
                    expires_at,
                    key_id: None,
                }))
            }
            Some(Value::Bool(false)) => Verdict::Rejected(Rejection::Refused),
            _ => Verdict::Unavailable(Unavailable::upstream("its introspection has no boolean `active`")),
        }
    }
}

impl IntrospectionVerifier {
    /// No endpoint is set or discovered. While nothing is known of the server that says nothing of the token.
    fn without_endpoint(&self) -> Verdict {
        if self.server.known_metadata().is_some() {
            Verdict::NotMine
        } else {
            Verdict::Unavailable(Unavailable::upstream("its introspection endpoint is not known"))
        }
    }
}
