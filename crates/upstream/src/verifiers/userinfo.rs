//! Layer `oauth_userinfo`: the userinfo endpoint (OpenID Connect Core §5.3).

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{JwtCheck, LayerClaims, TokenRejection, TokenVerifier, Verdict, VerifyInput};
use maxlab_auth_jose::{AuthenticClaims, TokenShape, shape_of};

use super::{ask_about_bearer, verdict_on_json};
use crate::{AuthServer, AuthServerEndpoint, AuthServerResponse};

/// Verifier that sends the token to the userinfo endpoint (OpenID Connect Core §5.3).
#[derive(Debug)]
pub struct UserinfoVerifier {
    /// The authorization server.
    pub server: Arc<AuthServer>,
    /// Check of a signed answer.
    pub check: Arc<JwtCheck>,
    /// Clients whose tokens are accepted, for a signed answer about a token that names no client. Empty
    /// accepts any.
    pub clients: Vec<String>,
}

#[async_trait]
impl TokenVerifier for UserinfoVerifier {
    fn source(&self) -> VerificationSource {
        VerificationSource::OauthUserinfo
    }

    async fn verify(&self, input: &VerifyInput<'_>, now: Timestamp) -> Verdict {
        let token = input.token();
        match ask_about_bearer(&self.server, AuthServerEndpoint::Userinfo, token).await {
            Ok(answer) if answer.media_type().as_deref() == Some("application/jwt") => {
                self.verdict_on_signed(&answer, token.expose(), now).await
            }
            Ok(answer) => verdict_on_json(&answer),
            Err(verdict) => verdict,
        }
    }
}

impl UserinfoVerifier {
    /// Returns the verdict on a token whose bearer a signed answer describes (OpenID Connect Core §5.3.2).
    async fn verdict_on_signed(&self, answer: &AuthServerResponse, token: &str, now: Timestamp) -> Verdict {
        let Ok(text) = std::str::from_utf8(answer.text_bytes()) else {
            return Verdict::Unavailable(Unavailable::upstream("its signed answer is not UTF-8"));
        };
        let claims = match self.check.signed_answer(text, now).await {
            Ok(claims) => claims,
            Err(fault) => return Verdict::Unavailable(fault),
        };
        if let Err(verdict) = self.check_audience(&claims, token) {
            return verdict;
        }
        Verdict::Verified(Box::new(LayerClaims {
            claims: claims.to_shared_map(),
            // `exp` is that of the answer, and not of the token.
            expires_at: None,
            // Of the key that signed the answer. The token itself was not checked with it.
            key_id: None,
        }))
    }

    /// Checks that an answer is for the client of the token: `aud` names it (OpenID Connect Core §5.3.2).
    fn check_audience(&self, claims: &AuthenticClaims, token: &str) -> Result<(), Verdict> {
        let audience = match claims.audience() {
            Ok(audience) => audience,
            Err(fault) => return Err(Verdict::Unavailable(Unavailable::upstream(fault))),
        };
        if let Some(client) = named_client(token) {
            return if audience.contains(&client.as_str()) {
                Ok(())
            } else {
                Err(Verdict::Unavailable(Unavailable::upstream(
                    "its signed answer is for another client than the token",
                )))
            };
        }
        let is_accepted = |name: &&str| self.clients.iter().any(|client| client == name);
        if self.clients.is_empty() || audience.iter().any(is_accepted) {
            return Ok(());
        }
        tracing::debug!(
            ?audience,
            "token rejected, its signed userinfo is for a client that is neither OAUTH_CLIENT_ID nor in ALLOWED_CLIENT_IDS"
        );
        Err(Verdict::Rejected(TokenRejection::Claims))
    }
}

/// Returns the client that a signed token names. The server has just accepted the token.
fn named_client(token: &str) -> Option<String> {
    let TokenShape::Jws(jws) = shape_of(token) else {
        return None;
    };
    let claims = jws.claims_vouched_by_issuer();
    let text = |name: &str| Some(claims.get(name)?.as_str()?.to_owned());
    text("client_id").or_else(|| text("azp"))
}
