//! `POST /api/v1/auth/logout` and `/logout/all`: end every login that the request proves (decision 17). Both
//! can be repeated.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maxlab_auth_core::access::CredentialFault;
use maxlab_auth_core::credential::{PresentedToken, SessionHandle};
use maxlab_auth_core::engine::{AuthFault, LogoutCookie, LogoutCredentials, LogoutOptions, LogoutPayer};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::UpstreamBudget as _;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::app_state::SharedState;
use super::super::body::OptionalJson;
use super::super::cookies::SessionCookie;
use super::super::docs::failures::JsonBodyFailures;
use super::super::docs::{AnyObject, LogoutBody};
use super::super::error::ApiError;
use super::super::extract::{RequestOrigin, bearer_token, require_same_origin};
use super::super::forward_auth::OriginalRequest;
use super::super::rate_limit::CallerBudget;

/// Result of a logout.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "success", "message": "Successfully logged out", "logout_all_devices": false,
    "ended": {"sessions": 1, "tokens": 1}, "timestamp": "2026-03-02T09:30:00Z"}))]
pub(crate) struct LogoutResponse {
    /// Always `success`.
    status: &'static str,
    /// Text for people.
    message: &'static str,
    /// `true` if everything of the user was ended.
    logout_all_devices: bool,
    ended: EndedCounts,
    timestamp: Timestamp,
}

/// Numbers of what ended with this request. Zero for what had ended before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndedCounts {
    sessions: usize,
    /// Presented tokens; with `logout_all_devices`, all known tokens.
    tokens: usize,
}

/// Result of a logout everywhere.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "success", "message": "Successfully logged out from all devices",
    "tokens_blacklisted": 5, "sessions_invalidated": 2, "timestamp": "2026-03-02T09:30:00Z"}))]
pub(crate) struct LogoutAllResponse {
    /// Text for people.
    message: &'static str,
    /// Number of sessions that were ended.
    sessions_invalidated: usize,
    /// Always `success`.
    status: &'static str,
    timestamp: Timestamp,
    /// Number of tokens that were known and are revoked by name.
    tokens_blacklisted: usize,
}

/// Ends the logins that the request proves; with `logout_all_devices`, everything of each user.
///
/// # Errors
/// Nothing is proven, the request is malformed, or the end is not acknowledged. No cookie is cleared then.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "Account", operation_id = "logout", security(("bearer" = []), ("session" = [])),
    summary = "Log out",
    description = "Ends every login that the request proves: the session of the bearer token and the token, the session of \
        the cookie, and the session of the refresh token, each with its tokens. If bearer and cookie belong to two users, both \
        are logged out. A correctly signed token that is expired or revoked still proves its own session.\n\nThe answer is \
        sent when no instance accepts any of it. A repeated request is a success too. The cookie is cleared if its session has \
        ended. With 503 it is kept.",
    params(("X-Session-ID" = Option<String>, Header, description = "Handle of one more session of the same user to end.",
        pattern = "^[0-9a-f]{32}$", example = "6f1c2a9be04d4c7f8a53d0e1b2c49a77")),
    request_body(content = Option<LogoutBody>, examples(
        ("refresh-token" = (summary = "With the refresh token", value = json!({"refresh_token": "rt_8Jk2mPq4Vx0sZ1"}))),
        ("everywhere" = (summary = "Everywhere", value = json!({"logout_all_devices": true}))),
    )),
    responses((status = 200, description = "Logged out.", body = LogoutResponse,
        headers(("Cache-Control" = String), ("Set-Cookie" = Option<String>), ("Clear-Site-Data" = Option<String>))),
        JsonBodyFailures),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn logout(
    State(gateway): State<SharedState>,
    RequestOrigin(origin): RequestOrigin,
    original: OriginalRequest,
    budget: CallerBudget,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson,
) -> Result<Response, ApiError> {
    let options = LogoutOptions {
        everywhere: bool_member(&body, "logout_all_devices")?,
        refresh_token: refresh_token_from_body(&body)?,
        named_session: session_from_header(&headers),
        ..LogoutOptions::default()
    };
    let credentials = logout_credentials(&headers, &original, &gateway)?;
    let proven = gateway.engine.prove_logout(credentials, &budget).await;
    charge(&budget, proven.payer())?;
    let ended = gateway.engine.log_out_proven(&proven, &options, &origin).await?;
    let body = LogoutResponse {
        status: "success",
        message: "Successfully logged out",
        logout_all_devices: options.everywhere,
        ended: EndedCounts {
            sessions: ended.sessions,
            tokens: ended.tokens,
        },
        timestamp: gateway.engine.now(),
    };
    Ok(logout_response(&gateway, proven.may_clear_cookie(), body))
}

/// Ends everything of each user whom a valid credential proves: all sessions and all tokens, also those that
/// never passed through this gateway.
///
/// # Errors
/// No user is logged in, or the end is not acknowledged. No cookie is cleared then.
#[utoipa::path(
    post, path = "/api/v1/auth/logout/all", tag = "Account", operation_id = "logoutAll",
    security(("bearer" = []), ("session" = [])),
    summary = "Log out everywhere",
    description = "Ends every session and every token of the user, also those that never passed through this gateway.",
    request_body(content = Option<AnyObject>, examples(("nothing" = (summary = "Nothing", value = json!({}))))),
    responses((status = 200, description = "Logged out.", body = LogoutAllResponse,
        headers(("Cache-Control" = String), ("Set-Cookie" = Option<String>), ("Clear-Site-Data" = Option<String>))),
        JsonBodyFailures),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn logout_all(
    State(gateway): State<SharedState>,
    RequestOrigin(origin): RequestOrigin,
    original: OriginalRequest,
    budget: CallerBudget,
    headers: HeaderMap,
    OptionalJson(_): OptionalJson,
) -> Result<Response, ApiError> {
    // A named session or a refresh token adds nothing: everything of the user ends.
    let options = LogoutOptions {
        everywhere: true,
        ..LogoutOptions::default()
    };
    let credentials = logout_credentials(&headers, &original, &gateway)?;
    let proven = gateway.engine.prove_logout(credentials, &budget).await;
    charge(&budget, proven.payer())?;
    let ended = gateway.engine.log_out_proven(&proven, &options, &origin).await?;
    let body = LogoutAllResponse {
        status: "success",
        message: "Successfully logged out from all devices",
        tokens_blacklisted: ended.tokens,
        sessions_invalidated: ended.sessions,
        timestamp: gateway.engine.now(),
    };
    Ok(logout_response(&gateway, proven.may_clear_cookie(), body))
}

/// Charges a logout before anything is written: a caller over its limit must have no effect.
pub(in crate::http) fn charge(budget: &CallerBudget, payer: Option<LogoutPayer>) -> Result<(), Unavailable> {
    match payer {
        Some(LogoutPayer::User(subject)) => budget.for_person(&subject).try_spend(),
        Some(LogoutPayer::Address) => budget.try_spend(),
        None => Ok(()),
    }
}

/// Reads the credentials of a request, and decides whether its cookie can be trusted.
fn logout_credentials(
    headers: &HeaderMap,
    original: &OriginalRequest,
    gateway: &SharedState,
) -> Result<LogoutCredentials, ApiError> {
    let bearer = match bearer_token(headers) {
        Ok(token) => token.map(Ok),
        Err(CredentialFault::Auth(AuthFault::Refused(refusal))) => Some(Err(refusal)),
        Err(fault) => return Err(fault.into()),
    };
    let cookie = gateway.cookies.read_session_cookie(headers)?;
    let same_origin = require_same_origin(&Method::POST, headers, original.host.as_deref(), gateway);
    // A page of another site cannot send `Authorization` without a preflight, which CORS refuses. A program
    // that is no browser names no origin.
    let names_an_origin = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    let is_trusted = same_origin.is_ok() || (bearer.is_some() && !names_an_origin);
    // With a bearer the request goes on without the cookie.
    if cookie.is_some() && !is_trusted && bearer.is_none() {
        same_origin?;
    }
    let cookie = cookie.map(|cookie| match cookie {
        SessionCookie::Malformed => LogoutCookie::Malformed,
        SessionCookie::Session(id) if is_trusted => LogoutCookie::Session(id),
        SessionCookie::Session(_) => LogoutCookie::Untrusted,
    });
    Ok(LogoutCredentials { bearer, cookie })
}

fn session_from_header(headers: &HeaderMap) -> Option<SessionHandle> {
    SessionHandle::parse(headers.get("x-session-id")?.to_str().ok()?)
}

fn refresh_token_from_body(body: &Map<String, Value>) -> Result<Option<PresentedToken>, ApiError> {
    match body.get("refresh_token") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => PresentedToken::parse_parameter(text)
            .map(Some)
            .map_err(|fault| ApiError::InvalidRequest(format!("`refresh_token`: {fault}"))),
        Some(_) => Err(ApiError::InvalidRequest(
            "`refresh_token` must be a string".into(),
        )),
    }
}

fn bool_member(body: &Map<String, Value>, name: &str) -> Result<bool, ApiError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(ApiError::InvalidRequest(format!(
            "`{name}` must be true or false"
        ))),
    }
}

fn logout_response(gateway: &SharedState, clears_cookie: bool, body: impl Serialize) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A session that is still valid keeps its cookie: without it the browser could not end the session.
    if clears_cookie {
        for cookie in gateway.cookies.clear_cookie_headers() {
            headers.append(header::SET_COOKIE, cookie);
        }
        if let Some(value) = &gateway.clear_site_data {
            headers.insert("clear-site-data", value.clone());
        }
    }
    (headers, Json(body)).into_response()
}
