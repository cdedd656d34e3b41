//! The layer `traditional_auth`: `GET /api/v1/auth/me` of the guide's authorization servers.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::verify::{Shown, Verdict, Verifier};

use super::shown_to;
use crate::upstream::{AuthServer, Endpoint};

/// Shows the token to `GET /api/v1/auth/me` of the guide's authorization servers.
#[derive(Debug)]
pub struct AccountVerifier {
    /// The authorization server.
    pub server: Arc<AuthServer>,
}

#[async_trait]
impl Verifier for AccountVerifier {
    fn source(&self) -> VerificationSource {
        VerificationSource::TraditionalAuth
    }

    async fn verify(&self, shown: &Shown<'_>, _: Timestamp) -> Verdict {
        shown_to(&self.server, Endpoint::Account, shown.token()).await
    }
}
