//! Layer `traditional_auth`: `GET /api/v1/auth/me` (docs/GUIDE.md, "Endpoints of the authorization server").

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::verify::{TokenVerifier, Verdict, VerifyInput};

use super::{ask_about_bearer, verdict_on_json};
use crate::{AuthServer, AuthServerEndpoint};

/// Verifier that sends the token to `GET /api/v1/auth/me`. Only servers as in docs/GUIDE.md have that
/// endpoint.
#[derive(Debug)]
pub struct TraditionalAuthVerifier {
    /// The authorization server.
    pub server: Arc<AuthServer>,
}

#[async_trait]
impl TokenVerifier for TraditionalAuthVerifier {
    fn source(&self) -> VerificationSource {
        VerificationSource::TraditionalAuth
    }

    async fn verify(&self, input: &VerifyInput<'_>, _: Timestamp) -> Verdict {
        match ask_about_bearer(&self.server, AuthServerEndpoint::Account, input.token()).await {
            Ok(answer) => verdict_on_json(&answer),
            Err(verdict) => verdict,
        }
    }
}
