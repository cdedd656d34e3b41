//! Browser login: its provider, and the addresses of the gateway that belong to it.

use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::login::{BrowserBinding, LoginAttempt, LoginKeys, ReturnRules};
use maxlab_auth_core::token_endpoint::TokenRequest;
use url::Url;

use crate::upstream::{AuthServer, AuthServerEndpoint};

/// Id of the provider that the settings name, without a file of providers.
pub const DEFAULT_PROVIDER: &str = "default";
/// Scope that a login asks for.
const SCOPE: &str = "openid profile email offline_access";

/// Browser login. It exists if `PUBLIC_URL` and a client are set.
#[derive(Clone, Debug)]
pub struct BrowserLogin {
    /// Addresses to which a login returns.
    pub rules: ReturnRules,
    /// Keys of the attempts.
    pub keys: LoginKeys,
    /// Longest time that a login may take.
    pub attempt_limit: Duration,
    /// The provider.
    pub provider: LoginProvider,
}

/// Provider at which people log in.
#[derive(Clone, Debug)]
pub struct LoginProvider {
    /// Id in paths and in the audit.
    pub id: String,
    /// Client of the gateway there.
    pub client_id: String,
    /// The authorization server.
    pub server: Arc<AuthServer>,
}

impl LoginProvider {
    /// Returns the issuer that ID tokens and answers name: the configured or the discovered one. `None` while it
    /// is unknown.
    pub async fn issuer(&self) -> Option<String> {
        match &self.server.config().issuer {
            Some(configured) => Some(configured.clone()),
            None => Some(self.server.metadata().await?.issuer.clone()),
        }
    }

    /// Returns `true` if an answer with this `iss` may come from this provider (RFC 9207 §2.4). Compared exactly.
    pub async fn may_send_issuer(&self, named: Option<&str>) -> bool {
        match named {
            Some(named) => self.issuer().await.as_deref() == Some(named),
            // A provider that says that it names itself must do so.
            None => match self.server.metadata().await {
                Some(metadata) => !metadata.names_issuer_in_answers(),
                None => true,
            },
        }
    }
}

impl BrowserLogin {
    /// Returns the provider with this id. `None` if there is none.
    pub fn provider(&self, id: &str) -> Option<&LoginProvider> {
        (self.provider.id == id).then_some(&self.provider)
    }

    /// Returns the address at which a browser begins a login.
    pub fn login_url(&self) -> String {
        format!("{}auth/login", self.rules.public_url)
    }

    /// Returns the redirect URI of a provider, from the settings and never from the request.
    pub fn callback_url(&self, provider: &LoginProvider) -> String {
        let base = self.rules.public_url.as_str().trim_end_matches('/');
        format!("{base}/auth/callback/{}", provider.id)
    }

    /// Returns the address at the provider that begins the attempt (OpenID Connect Core §3.1.2.1). `None` while
    /// the provider's endpoint is unknown.
    pub async fn authorization_url(
        &self,
        provider: &LoginProvider,
        attempt: &LoginAttempt,
        browser: &BrowserBinding,
        state: &str,
        hints: &[(&'static str, String)],
    ) -> Option<Url> {
        let mut url = provider
            .server
            .named_address(AuthServerEndpoint::Authorize)
            .await?;
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.client_id)
            .append_pair("redirect_uri", &self.callback_url(provider))
            .append_pair("scope", SCOPE)
            .append_pair("state", state)
            .append_pair("nonce", &attempt.nonce())
            .append_pair("code_challenge", &attempt.code_challenge(browser))
            .append_pair("code_challenge_method", "S256");
        let wishes = &attempt.wishes;
        let max_age = wishes.max_age.map(|seconds| seconds.to_string());
        let wished = [
            ("prompt", wishes.prompt.as_ref()),
            ("max_age", max_age.as_ref()),
            ("acr_values", wishes.acr.as_ref()),
        ];
        for (name, value) in wished {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.extend_pairs(hints);
        drop(query);
        Some(url)
    }

    /// Returns the token request that redeems a code, with the client's authentication.
    pub async fn token_request(
        &self,
        provider: &LoginProvider,
        attempt: &LoginAttempt,
        browser: &BrowserBinding,
        code: &str,
    ) -> TokenRequest {
        let mut parameters = vec![
            ("grant_type".to_owned(), "authorization_code".to_owned()),
            ("code".to_owned(), code.to_owned()),
            ("redirect_uri".to_owned(), self.callback_url(provider)),
            ("code_verifier".to_owned(), attempt.code_verifier(browser)),
        ];
        let authorization = provider
            .server
            .authenticate_form(AuthServerEndpoint::Token, &mut parameters);
        TokenRequest {
            authorization: authorization.await,
            parameters,
        }
    }
}
