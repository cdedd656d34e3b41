//! Logout at the provider (OpenID Connect RP-Initiated Logout 1.0 §2): where the browser is sent after its session
//! here has ended.

use std::sync::Arc;

use maxlab_auth_pages::Language;
use url::Url;

use super::browser_login::BrowserLogin;
use crate::upstream::{AuthServer, AuthServerEndpoint};

/// Longest address that every provider and proxy accepts. Above it the ID token is left out.
const MAX_URL_BYTES: usize = 2_000;

/// Provider at which a browser can be logged out.
#[derive(Clone, Debug)]
pub struct LogoutProvider {
    /// Id of the provider.
    pub id: String,
    /// Name that a person knows it by.
    pub name: String,
    /// Page of the provider, for a person who is to log out there by hand.
    pub home_url: String,
    /// `client_id` of the gateway there.
    pub client_id: String,
    /// The authorization server.
    pub server: Arc<AuthServer>,
    /// Address that the browser comes back to: `{PUBLIC_URL}/auth/logged-out`.
    pub return_url: String,
}

impl LogoutProvider {
    /// Returns the provider of the browser login.
    pub fn of(login: &BrowserLogin) -> Self {
        let (provider, public_url) = (&login.provider, login.rules.public_url.as_str());
        let home = provider.server.base_url();
        Self {
            id: provider.id.clone(),
            name: home.authority().to_owned(),
            home_url: home.to_string(),
            client_id: provider.client_id.clone(),
            server: Arc::clone(&provider.server),
            return_url: format!("{}/auth/logged-out", public_url.trim_end_matches('/')),
        }
    }

    /// Returns the address of its logout; `None` if it has none, or does not say.
    pub(super) async fn endpoint(&self) -> Option<Url> {
        self.server.named_address(AuthServerEndpoint::EndSession).await
    }
}

impl LogoutProvider {
    /// Returns a link for a person who may still be logged in there: its logout, without a hint about the person,
    /// or its page.
    pub(super) async fn link(&self, language: Language) -> String {
        match self.endpoint().await {
            Some(endpoint) => ProviderLogoutRequest {
                endpoint: &endpoint,
                client_id: &self.client_id,
                id_token: None,
                logout_hint: None,
                return_url: &self.return_url,
                state: "",
                language,
            }
            .url(),
            None => self.home_url.clone(),
        }
    }
}

/// Request to a provider to end its own session of a browser.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProviderLogoutRequest<'r> {
    /// `end_session_endpoint` of the provider.
    pub(super) endpoint: &'r Url,
    /// `client_id` of the gateway there.
    pub(super) client_id: &'r str,
    /// ID token of the session. An expired one is a good hint too.
    pub(super) id_token: Option<&'r str>,
    /// Name of the person, if there is no ID token.
    pub(super) logout_hint: Option<&'r str>,
    /// Address that the browser comes back to, exactly as it is registered.
    pub(super) return_url: &'r str,
    /// State that comes back with it. Empty: none.
    pub(super) state: &'r str,
    /// Language of the page.
    pub(super) language: Language,
}

impl ProviderLogoutRequest<'_> {
    /// Returns the address for the browser. Without the ID token if it would be too long.
    pub(super) fn url(self) -> String {
        let whole = self.url_with(self.id_token);
        if whole.len() <= MAX_URL_BYTES {
            whole
        } else {
            self.url_with(None)
        }
    }

    fn url_with(self, id_token: Option<&str>) -> String {
        let mut url = self.endpoint.clone();
        // A fragment would hide the parameters from the provider.
        url.set_fragment(None);
        let mut query = url.query_pairs_mut();
        match (id_token, self.logout_hint) {
            (Some(token), _) => _ = query.append_pair("id_token_hint", token),
            (None, Some(hint)) => _ = query.append_pair("logout_hint", hint),
            (None, None) => {}
        }
        query
            .append_pair("client_id", self.client_id)
            .append_pair("post_logout_redirect_uri", self.return_url)
            .append_pair("ui_locales", self.language.tag());
        if !self.state.is_empty() {
            query.append_pair("state", self.state);
        }
        drop(query);
        url.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(id_token: Option<&str>) -> Vec<(String, String)> {
        let endpoint = Url::parse("https://sso.example/logout?realm=main#part").unwrap();
        let url = ProviderLogoutRequest {
            endpoint: &endpoint,
            client_id: "gateway",
            id_token,
            logout_hint: Some("ada@example.com"),
            return_url: "https://app.example/auth/logged-out",
            state: "sealed",
            language: Language::Korean,
        };
        let url = Url::parse(&url.url()).unwrap();
        assert!(
            url.as_str().starts_with("https://sso.example/logout?realm=main&"),
            "{url}"
        );
        assert!(url.as_str().len() <= MAX_URL_BYTES && url.fragment().is_none());
        url.query_pairs().into_owned().collect()
    }

    fn named<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
        let found = parameters.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    #[test]
    fn l07_the_provider_gets_hint_client_state_and_the_registered_address() {
        let sent = parameters(Some("header.claims.signature"));
        assert_eq!(named(&sent, "id_token_hint"), Some("header.claims.signature"));
        assert_eq!(named(&sent, "logout_hint"), None);
        assert_eq!(named(&sent, "client_id"), Some("gateway"));
        assert_eq!(named(&sent, "state"), Some("sealed"));
        assert_eq!(named(&sent, "ui_locales"), Some("ko"));
        assert_eq!(
            named(&sent, "post_logout_redirect_uri"),
            Some("https://app.example/auth/logged-out")
        );
        let without = parameters(None);
        assert_eq!(named(&without, "logout_hint"), Some("ada@example.com"));
        assert_eq!(named(&without, "client_id"), Some("gateway"));
    }

    #[test]
    fn l08_a_long_hint_is_left_out_and_the_rest_is_sent() {
        let sent = parameters(Some(&"x".repeat(1_900)));
        assert_eq!(named(&sent, "id_token_hint"), None);
        assert_eq!(named(&sent, "client_id"), Some("gateway"));
        assert_eq!(named(&sent, "state"), Some("sealed"));
    }
}
