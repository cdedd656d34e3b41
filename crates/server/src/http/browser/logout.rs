//! `GET` and `POST /auth/logout`: a page that asks, and the logout itself. What ends, and in which order: first here,
//! durable and on every instance; then the browser goes to the provider; then the tokens are revoked there.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::access::CredentialFault;
use maxlab_auth_core::audit::AuditOrigin;
use maxlab_auth_core::engine::{
    LogoutCookie, LogoutCredentials, LogoutFault, LogoutOptions, SessionView, upstream_fairness_key,
};
use maxlab_auth_core::session::SessionToken;
use maxlab_auth_pages::{LOGOUT_PAGE_POLICY, Language, LogoutPage};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::super::account::charge;
use super::super::app_state::{AppState, SharedState};
use super::super::body::RequestParameters;
use super::super::cookies::SessionCookie;
use super::super::docs::failures::JsonBodyFailures;
use super::super::error::ApiError;
use super::super::extract::{RequestOrigin, require_same_origin};
use super::super::forward_auth::OriginalRequest;
use super::super::rate_limit::CallerBudget;
use super::answer_form::wants_page;
use super::logout_form::LogoutForm;
use super::logout_receipts::{LogoutFacts, LogoutProgress, ProviderLogout, ReceiptBody};
use super::logout_state::LogoutState;
use super::page_response::{PageRequest, page_response};
use super::provider_logout::{LogoutProvider, ProviderLogoutRequest};
use super::user::session_if_any;

/// Page after the logout.
const LOGGED_OUT: &str = "/auth/logged-out";
/// Header that a script sends, and a page of another site cannot.
const X_CSRF: HeaderName = HeaderName::from_static("x-csrf");
/// Time after which the tokens are revoked at the provider even if the browser has not come back.
const RETURN_TIME: Duration = Duration::from_secs(60);

/// Result of a logout, for a script.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "success", "logout_url": null, "receipts": [{"target": "here", "result": "done"}]}))]
pub(crate) struct BrowserLogoutResponse {
    /// Always `success`.
    status: &'static str,
    /// Logout of the provider, to be opened as a page.
    logout_url: Option<String>,
    receipts: Vec<ReceiptBody>,
}

/// Asks whether to log out
///
/// A page with two buttons: here, and everywhere. A link alone never ends a session. Without a session it leads to
/// `/auth/logged-out`.
#[utoipa::path(
    get, path = "/auth/logout", tag = "Browser", operation_id = "logoutPage", security(("session" = [])),
    params(("return_to" = Option<String>, Query, description = "Where to go on to after the logout.", example = "/")),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html",
            headers(("Cache-Control" = String)), example = json!("<!doctype html>…")),
        (status = 303, description = "There is no session.", headers(("Location" = String), ("Cache-Control" = String))),
    ),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn logout_page(
    State(gateway): State<SharedState>,
    page: PageRequest,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let brand = &gateway.pages.brand;
    let view = match session_if_any(&gateway, &headers).await {
        Ok(Some(view)) => view,
        Ok(None) => return see_other(LOGGED_OUT),
        Err(failure) => return page.failure(brand, &failure, "/auth/logout"),
    };
    let parameters = RequestParameters::from_form(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let return_to = return_target(&gateway, parameters.find("return_to"));
    let provider = gateway.logout_provider.as_ref();
    let provider = provider.filter(|_| view.record.login.is_some());
    let identity = view.credential.identity();
    let person = identity.name.as_deref().or(identity.email.as_deref());
    let html = LogoutPage {
        context: page.repeatable_context(brand),
        person: person.unwrap_or(&identity.user_id),
        provider: provider.map(|provider| provider.name.as_str()),
        return_to: return_to.as_deref(),
        stay_url: return_to.as_deref().unwrap_or("/"),
    }
    .render();
    let mut response = page_response(StatusCode::OK, html, LOGOUT_PAGE_POLICY);
    // With `no-referrer`, browsers send `Origin: null` with the form.
    let referrer = HeaderValue::from_static("same-origin");
    response.headers_mut().insert(header::REFERRER_POLICY, referrer);
    response
}

/// Logs out
///
/// Ends the session of the cookie, and with `everywhere` all sessions of the person. When the answer is sent, every
/// instance refuses them. A form is answered 303: to the provider's logout, or to `/auth/logged-out`. A script
/// (`Accept: application/json` and `X-CSRF: 1`) gets the address and the receipts.
///
/// # Errors
/// The request does not come from a page of this origin, or the end is not acknowledged. No cookie is cleared then.
#[utoipa::path(
    post, path = "/auth/logout", tag = "Browser", operation_id = "browserLogout", security(("session" = [])),
    responses(
        (status = 200, description = "Logged out.", body = BrowserLogoutResponse,
            headers(("Cache-Control" = String), ("Set-Cookie" = Option<String>), ("Clear-Site-Data" = Option<String>))),
        (status = 303, description = "Logged out, for a form.", headers(("Location" = String), ("Cache-Control" = String))),
        JsonBodyFailures,
    ),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn logout(
    State(gateway): State<SharedState>,
    RequestOrigin(origin): RequestOrigin,
    original: OriginalRequest,
    budget: CallerBudget,
    page: PageRequest,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let as_page = wants_page(&headers);
    let request = LogoutCall {
        gateway: &gateway,
        page: &page,
        headers: &headers,
        as_page,
    };
    let outcome = async {
        request.require_own_page(original.host.as_deref())?;
        let form = LogoutForm::read(&headers, &body)?;
        let view = request.session().await?;
        // Asked before the end: afterwards nothing may fail any more.
        let provider = request.provider(view.as_ref()).await;
        // The tokens wait until the provider has ended its own session; without a return they wait no longer.
        let upstream_delay = if provider.is_some() {
            RETURN_TIME
        } else {
            Duration::ZERO
        };
        let options = LogoutOptions {
            everywhere: form.everywhere,
            upstream_delay,
            ..LogoutOptions::default()
        };
        let is_ended = request.end(&options, &origin, &budget).await?;
        Ok(request.answer(&EndedSession {
            others: form.everywhere.then_some(is_ended),
            provider: provider.as_ref(),
            view: view.as_ref(),
            return_to: return_target(&gateway, form.return_to.as_deref()),
        }))
    };
    match outcome.await {
        Ok(response) => response,
        Err(failure) if as_page => page.failure(&gateway.pages.brand, &failure, "/auth/logout"),
        Err(failure) => ApiError::into_response(failure),
    }
}

/// One logout of a browser.
struct LogoutCall<'r> {
    gateway: &'r AppState,
    page: &'r PageRequest,
    headers: &'r HeaderMap,
    as_page: bool,
}

impl LogoutCall<'_> {
    /// Checks that a page of this origin, or of one on the list, sends the request.
    fn require_own_page(&self, host: Option<&str>) -> Result<(), ApiError> {
        // Also without a cookie: the browser leaves it out of a form of another site.
        require_same_origin(&Method::POST, self.headers, host, self.gateway)?;
        let has_header = self.headers.get(X_CSRF).is_some_and(|value| value == "1");
        if self.as_page || has_header {
            Ok(())
        } else {
            Err(CredentialFault::CrossSite.into())
        }
    }

    /// Returns the session that is to be ended; `None` if there is none any more.
    async fn session(&self) -> Result<Option<SessionView>, ApiError> {
        session_if_any(self.gateway, self.headers).await
    }

    /// Ends what the cookie proves, durable and on every instance. Returns `false` if it
    /// proves no session, so that nothing could be ended.
    async fn end(
        &self,
        options: &LogoutOptions,
        origin: &AuditOrigin,
        budget: &CallerBudget,
    ) -> Result<bool, ApiError> {
        let cookie = self.gateway.cookies.read_session_cookie(self.headers)?;
        let credentials = LogoutCredentials {
            bearer: None,
            cookie: cookie.map(|cookie| match cookie {
                SessionCookie::Session(id) => LogoutCookie::Session(id),
                SessionCookie::Malformed => LogoutCookie::Malformed,
            }),
        };
        let engine = &self.gateway.engine;
        let proven = engine.prove_logout(credentials, budget).await;
        charge(budget, proven.payer())?;
        match engine.log_out_proven(&proven, options, origin).await {
            Ok(_) => Ok(true),
            // There is no session here, which is what was asked for.
            Err(LogoutFault::NoCredential | LogoutFault::Unproven(_)) => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Returns the logout of the session's provider, if the browser can be sent there.
    async fn provider(&self, view: Option<&SessionView>) -> Option<(&LogoutProvider, Url)> {
        view?;
        let provider = self.gateway.logout_provider.as_ref()?;
        Some((provider, provider.endpoint().await?))
    }

    fn answer(&self, ended: &EndedSession<'_>) -> Response {
        let (state, facts) = self.sealed_state(ended);
        let provider_url = ended.provider_url(&state, self.page.language);
        let mut response = if self.as_page {
            see_other(&provider_url.unwrap_or_else(|| format!("{LOGGED_OUT}?state={state}")))
        } else {
            let receipts = facts.receipts(LogoutProgress::default());
            Json(BrowserLogoutResponse {
                status: "success",
                logout_url: provider_url,
                receipts: receipts.into_iter().map(ReceiptBody::from).collect(),
            })
            .into_response()
        };
        self.forget_session(response.headers_mut());
        response
    }

    fn sealed_state(&self, ended: &EndedSession<'_>) -> (String, LogoutFacts) {
        let provider = match ended.provider {
            Some(_) => ProviderLogout::Asked,
            None => ProviderLogout::NotSupported,
        };
        let facts = LogoutFacts {
            others: ended.others,
            provider: ended.view.map(|_| provider),
            tokens: !ended.tokens().is_empty(),
        };
        let mut state = LogoutState::new(facts, self.page.language);
        state.return_to.clone_from(&ended.return_to);
        state.outbox_source = upstream_fairness_key(ended.tokens());
        let sealed = self.gateway.logout_states.seal(&state, self.gateway.engine.now());
        (sealed, facts)
    }

    /// Clears the cookie, and what the browser keeps of the application.
    fn forget_session(&self, headers: &mut HeaderMap) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for cookie in self.gateway.cookies.clear_cookie_headers() {
            headers.append(header::SET_COOKIE, cookie);
        }
        if let Some(value) = &self.gateway.clear_site_data {
            headers.insert("clear-site-data", value.clone());
        }
    }
}

/// Session that a logout has ended.
struct EndedSession<'r> {
    /// Other sessions of the person: `None` if they go on, else whether they were ended.
    others: Option<bool>,
    /// Provider to which the browser goes now.
    provider: Option<&'r (&'r LogoutProvider, Url)>,
    /// Session before its end.
    view: Option<&'r SessionView>,
    /// Checked address to go on to.
    return_to: Option<String>,
}

impl EndedSession<'_> {
    fn tokens(&self) -> &[SessionToken] {
        self.view
            .map(|view| view.record.tokens.as_slice())
            .unwrap_or_default()
    }

    /// Returns the ID token of the session, if it is of this provider.
    fn id_token(&self, provider: &LogoutProvider) -> Option<&str> {
        let login = self.view?.record.login.as_ref()?;
        (login.provider == provider.id).then_some(login.id_token.as_str())
    }

    /// Returns the address of the provider's logout.
    fn provider_url(&self, state: &str, language: Language) -> Option<String> {
        let (provider, endpoint) = self.provider?;
        let identity = self.view?.credential.identity();
        let request = ProviderLogoutRequest {
            endpoint,
            client_id: &provider.client_id,
            id_token: self.id_token(provider),
            logout_hint: identity.email.as_deref(),
            return_url: &provider.return_url,
            state,
            language,
        };
        Some(request.url())
    }
}

/// Returns the address to go on to, if it may be gone to. The rules are those of a login.
fn return_target(gateway: &AppState, text: Option<&str>) -> Option<String> {
    let login = gateway.browser_login.as_deref()?;
    let target = login.rules.target(text?)?;
    Some(target.as_str().to_owned())
}

fn see_other(location: &str) -> Response {
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static(LOGGED_OUT));
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
