//! `GET` and `POST /auth/logout`: a page that asks, and the logout itself. What ends, and in which order: first here,
//! durable and on every instance; then the browser goes to the provider; then the tokens are revoked there.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::access::CredentialFault;
use maxlab_auth_core::audit::AuditOrigin;
use maxlab_auth_core::engine::{
    LogoutCookie, LogoutCredentials, LogoutFault, LogoutOptions, SessionView, upstream_fairness_key,
};
use maxlab_auth_pages::{LOGOUT_PAGE_POLICY, LogoutPage};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::account::charge;
use super::super::app_state::{AppState, SharedState};
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
use super::user::viewed_session;

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
    headers: HeaderMap,
) -> Response {
    let brand = &gateway.pages.brand;
    let view = match viewed_session(&gateway, &headers).await {
        Ok(view) => view,
        Err(ApiError::MissingCredential | ApiError::Auth(_)) => return see_other(LOGGED_OUT),
        Err(failure) => return page.failure(brand, &failure, "/auth/logout"),
    };
    let identity = view.credential.identity();
    let person = identity.name.as_deref().or(identity.email.as_deref());
    let html = LogoutPage {
        context: page.repeatable_context(brand),
        person: person.unwrap_or(&identity.user_id),
        provider: None,
        return_to: None,
        stay_url: "/",
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
        let ended_all = request.end(&form, &origin, &budget).await?;
        Ok(request.answer(&form, view.as_ref(), ended_all))
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
        match viewed_session(self.gateway, self.headers).await {
            Ok(view) => Ok(Some(view)),
            Err(ApiError::MissingCredential | ApiError::Auth(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Ends what the cookie proves, durable and on every instance. Returns whether `everywhere` was done too.
    async fn end(
        &self,
        form: &LogoutForm,
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
        let options = LogoutOptions {
            everywhere: form.everywhere,
            upstream_delay: RETURN_TIME,
            ..LogoutOptions::default()
        };
        let engine = &self.gateway.engine;
        let proven = engine.prove_logout(credentials, budget).await;
        charge(budget, proven.payer())?;
        match engine.log_out_proven(&proven, &options, origin).await {
            Ok(_) => Ok(true),
            // There is no session here, which is what was asked for.
            Err(LogoutFault::NoCredential | LogoutFault::Unproven(_)) => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    fn answer(&self, form: &LogoutForm, view: Option<&SessionView>, ended_all: bool) -> Response {
        let tokens = view.map(|view| view.record.tokens.as_slice()).unwrap_or_default();
        let facts = LogoutFacts {
            others: form.everywhere.then_some(ended_all),
            provider: view.map(|_| ProviderLogout::NotSupported),
            tokens: !tokens.is_empty(),
        };
        let mut state = LogoutState::new(facts, self.page.language);
        state.outbox_source = upstream_fairness_key(tokens);
        let state = self.gateway.logout_states.seal(&state, self.gateway.engine.now());
        let mut response = if self.as_page {
            see_other(&format!("{LOGGED_OUT}?state={state}"))
        } else {
            let receipts = facts.receipts(LogoutProgress::default());
            Json(BrowserLogoutResponse {
                status: "success",
                logout_url: None,
                receipts: receipts.into_iter().map(ReceiptBody::from).collect(),
            })
            .into_response()
        };
        self.forget_session(response.headers_mut());
        response
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

fn see_other(location: &str) -> Response {
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static(LOGGED_OUT));
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
