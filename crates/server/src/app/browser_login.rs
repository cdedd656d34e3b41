//! Builds the browser login from the settings.

use std::sync::Arc;

use anyhow::Context as _;
use maxlab_auth_core::login::{LoginKeys, ReturnRules};
use secrecy::ExposeSecret as _;

use crate::config::Settings;
use crate::http::app_state::LoginAddress;
use crate::http::browser::{BrowserLogin, DEFAULT_PROVIDER, LoginProvider};
use crate::upstream::AuthServer;

/// Builds the login. `None` without `PUBLIC_URL` or a client.
///
/// # Errors
/// If `SECRET_KEY` has no key.
pub(super) fn build_browser_login(
    settings: &Settings,
    server: &Arc<AuthServer>,
) -> anyhow::Result<Option<BrowserLogin>> {
    let (Some(public_url), Some(client)) = (&settings.login.public_url, &settings.upstream.client) else {
        return Ok(None);
    };
    let keys = LoginKeys::derive(settings.session.secret_key.expose_secret()).context("SECRET_KEY")?;
    Ok(Some(BrowserLogin {
        rules: ReturnRules {
            public_url: public_url.clone(),
            origins: settings.login.return_origins.clone(),
        },
        keys,
        attempt_limit: settings.login.attempt,
        provider: LoginProvider {
            id: DEFAULT_PROVIDER.to_owned(),
            client_id: client.id.clone(),
            server: Arc::clone(server),
        },
    }))
}

/// Returns the login page for browsers: that of `LOGIN_URL`, else the gateway's own.
pub(super) fn login_address(settings: &Settings, login: Option<&BrowserLogin>) -> Option<LoginAddress> {
    let foreign = settings
        .app
        .login_url
        .clone()
        .map(|url| LoginAddress { url, is_own: false });
    foreign.or_else(|| {
        login.map(|login| LoginAddress {
            url: login.login_url(),
            is_own: true,
        })
    })
}
