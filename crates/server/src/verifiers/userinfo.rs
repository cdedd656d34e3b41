//! The layer `oauth_userinfo`: the userinfo endpoint (OpenID Connect Core §5.3).

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::verify::{Shown, Verdict, Verifier};

use super::shown_to;
use crate::upstream::{AuthServer, Endpoint};

/// Shows the token to the userinfo endpoint (OpenID Connect Core §5.3).
#[derive(Debug)]
pub struct UserinfoVerifier {
    /// The authorization server.
    pub server: Arc<AuthServer>,
}

#[async_trait]
impl Verifier for UserinfoVerifier {
    fn source(&self) -> VerificationSource {
        VerificationSource::OauthUserinfo
    }

    async fn verify(&self, shown: &Shown<'_>, _: Timestamp) -> Verdict {
        shown_to(&self.server, Endpoint::Userinfo, shown.token()).await
    }
}
