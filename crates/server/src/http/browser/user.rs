//! `GET /auth/user`: who is logged in, for an application's page.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::clock;
use maxlab_auth_core::engine::{AuthFault, SessionView};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::app_state::{AppState, SharedState};
use super::super::body::RequestParameters;
use super::super::cookies::SessionCookie;
use super::super::error::ApiError;
use super::browser_login::DEFAULT_PROVIDER;

/// Person who is logged in, as far as a page may know.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BrowserUser {
    /// Id of the person at the issuer.
    user_id: String,
    /// Issuer of the person.
    issuer: Option<String>,
    /// Id of the provider.
    provider: String,
    email: Option<String>,
    name: Option<String>,
    /// URL of a picture.
    avatar: Option<String>,
    roles: Vec<String>,
    permissions: Vec<String>,
    groups: Vec<String>,
    workspaces: Vec<String>,
    /// Assurance of the login (OpenID Connect Core §2, `acr`).
    acr: Option<String>,
    /// Time at which the person proved who they are, in seconds since 1970.
    auth_time: Option<i64>,
    /// Seconds until the session ends in any case.
    expires_in: u64,
    /// Seconds until the session ends if it is not used.
    idle_in: u64,
    /// Address of the page that asks whether to log out.
    logout_url: &'static str,
}

/// Returns who is logged in
///
/// For an application's page. It does not prolong the session, so a page may ask as often as it likes.
///
/// # Errors
/// There is no session, or the store does not answer.
#[utoipa::path(
    get, path = "/auth/user", tag = "Browser", operation_id = "user", security(("session" = [])),
    params(("anonymous" = Option<String>, Query, description = "`ok`: without a session the answer is 200 `null`.", example = "ok")),
    responses((status = 200, description = "The person; `null` with `anonymous=ok` and without a session.",
        body = Option<BrowserUser>, headers(("Cache-Control" = String)),
        examples(("person" = (summary = "A person", value = json!({"user_id": "user-1", "issuer": "https://sso.example.com",
                "provider": "default", "email": "ada@example.com", "name": "Ada", "avatar": null, "roles": ["editor"],
                "permissions": [], "groups": [], "workspaces": ["ws-1"], "acr": null, "auth_time": 1772443800,
                "expires_in": 86000, "idle_in": 3500, "logout_url": "/auth/logout"}))),
            ("none" = (summary = "No session", value = json!(null)))))),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn user(
    State(gateway): State<SharedState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let parameters = RequestParameters::from_form(query.unwrap_or_default().as_bytes())?;
    let is_anonymous_ok = parameters.find("anonymous") == Some("ok");
    let person = match viewed_session(&gateway, &headers).await {
        Ok(view) => Some(describe(&gateway, view).await?),
        Err(ApiError::MissingCredential | ApiError::Auth(_)) if is_anonymous_ok => None,
        // A script sends its window there.
        Err(fault @ (ApiError::MissingCredential | ApiError::Auth(_))) => {
            return match &gateway.browser_login {
                Some(login) => Ok(fault.into_login_response(&login.login_url())),
                None => Err(fault),
            };
        }
        Err(fault) => return Err(fault),
    };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(person)).into_response())
}

/// Returns the session of the cookie without using it. A bearer token is no session.
///
/// # Errors
/// There is no session, there are two cookies, or the store does not answer.
pub(super) async fn viewed_session(gateway: &AppState, headers: &HeaderMap) -> Result<SessionView, ApiError> {
    match gateway.cookies.read_session_cookie(headers)? {
        Some(SessionCookie::Session(id)) => match gateway.engine.view_session(&id).await {
            Ok(view) => Ok(view),
            Err(AuthFault::Refused(refusal)) => Err(refusal.into()),
            Err(AuthFault::Unavailable(fault)) => Err(fault.into()),
        },
        Some(SessionCookie::Malformed) | None => Err(ApiError::MissingCredential),
    }
}

/// Returns the session of the browser; `None` if it has none any more.
///
/// # Errors
/// There are two session cookies, or the store does not answer.
pub(super) async fn session_if_any(
    gateway: &AppState,
    headers: &HeaderMap,
) -> Result<Option<SessionView>, ApiError> {
    match viewed_session(gateway, headers).await {
        Ok(view) => Ok(Some(view)),
        Err(ApiError::MissingCredential | ApiError::Auth(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn describe(gateway: &AppState, view: SessionView) -> Result<BrowserUser, ApiError> {
    let now = gateway.engine.now();
    let active = gateway.engine.with_workspaces(view.credential).await?;
    let identity = active.identity().clone();
    // A session of `POST /oauth/token` has no login at a provider.
    let login = view.record.login.as_ref();
    let issuer = identity.issuer.name().map(str::to_owned);
    Ok(BrowserUser {
        user_id: identity.user_id,
        issuer: issuer.or_else(|| gateway.default_issuer()),
        provider: login.map_or_else(|| DEFAULT_PROVIDER.to_owned(), |login| login.provider.clone()),
        email: identity.email,
        name: identity.name,
        avatar: identity.avatar,
        roles: identity.roles,
        permissions: identity.permissions,
        groups: identity.groups,
        workspaces: identity.workspaces,
        acr: login.and_then(|login| login.acr.clone()),
        auth_time: login.and_then(|login| Some(login.auth_time?.as_second())),
        expires_in: clock::time_until(now, view.expires_at).as_secs(),
        idle_in: clock::time_until(now, view.idle_expires_at).as_secs(),
        logout_url: "/auth/logout",
    })
}
