//! `POST /oauth/token`: exchanges a code for tokens and a session, and a refresh token for new tokens.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::engine::{BegunSession, ExchangeOutcome, ExchangeRequest};
use maxlab_auth_core::token_endpoint::TokenRequest as UpstreamRequest;
use maxlab_auth_core::verify::UpstreamBudget as _;

use super::super::app_state::SharedState;
use super::super::body::OAuthBody;
use super::super::cookies::{CookiePolicy, SessionCookie};
use super::super::docs::failures::{OAuthBodyFailures, RelayFailures, RelayedBodyFailures};
use super::super::docs::{TokenRequest, TokenResponse};
use super::super::error::{ApiError, OAuthApiError};
use super::super::extract::RequestOrigin;
use super::super::rate_limit::CallerBudget;
use super::{client_credentials, no_store_headers, relay_error};

/// Response header with the handle of the session that a login began.
const X_SESSION_ID: HeaderName = HeaderName::from_static("x-session-id");

/// Exchanges a code or a refresh token (RFC 6749 §4.1.3, §6). Any other grant is passed on.
///
/// # Errors
/// The request is malformed, the grant is not valid, or a component does not answer.
#[utoipa::path(
    post, path = "/oauth/token", tag = "OAuth", operation_id = "token", security(("client" = []), ()),
    summary = "Exchange a code or a refresh token",
    description = "Passed on to the authorization server, with the client's credentials. A code begins a session: the answer \
        sets its cookie, and `X-Session-ID` is its handle.\n\nA revoked refresh token is refused without asking the \
        authorization server. Concurrent requests with one refresh token share one exchange and get the same answer.",
    request_body(content(
        (TokenRequest = "application/x-www-form-urlencoded", examples(
            ("code" = (summary = "A code", value = json!({"grant_type": "authorization_code", "code": "SplxlOBeZQQYbYS6WxSbIA",
                "redirect_uri": "http://localhost:3000/callback", "client_id": "maxlab-dev",
                "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}))),
            ("refresh-token" = (summary = "A refresh token", value = json!({"grant_type": "refresh_token",
                "refresh_token": "rt_8Jk2mPq4Vx0sZ1", "client_id": "maxlab-dev"}))),
        )),
        (TokenRequest = "application/json", examples(
            ("code" = (summary = "A code", value = json!({"grant_type": "authorization_code", "code": "SplxlOBeZQQYbYS6WxSbIA",
                "redirect_uri": "http://localhost:3000/callback", "client_id": "maxlab-dev",
                "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}))),
            ("refresh-token" = (summary = "A refresh token", value = json!({"grant_type": "refresh_token",
                "refresh_token": "rt_8Jk2mPq4Vx0sZ1", "client_id": "maxlab-dev"}))),
        )),
    )),
    responses((status = 200, description = "Tokens of the authorization server.", body = TokenResponse, headers(
        ("Cache-Control" = String), ("Set-Cookie" = Option<String>), ("X-Session-ID" = Option<String>))),
        OAuthBodyFailures, RelayFailures, RelayedBodyFailures),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn token(
    State(gateway): State<SharedState>,
    RequestOrigin(origin): RequestOrigin,
    budget: CallerBudget,
    headers: HeaderMap,
    OAuthBody(parameters): OAuthBody,
) -> Result<Response, OAuthApiError> {
    budget.try_spend()?;
    let grant = parameters.required("grant_type")?;
    let client_id = client_credentials(&headers, &parameters)?.map(|client| client.id);
    // A malformed or doubled cookie does not stop a login: the answer replaces it.
    let presented_session = match gateway.cookies.read_session_cookie(&headers) {
        Ok(Some(SessionCookie::Session(id))) => Some(id),
        _ => None,
    };
    let request = ExchangeRequest {
        upstream: UpstreamRequest {
            parameters: parameters.pairs().to_vec(),
            authorization: basic_authorization(&headers),
        },
        client_id,
        presented_session,
        origin,
    };
    let (exchanger, cookies) = (&gateway.token_exchanger, &gateway.cookies);
    let outcome = match grant {
        "authorization_code" => {
            let code = parameters.required("code")?.to_owned();
            // Boxed: this branch alone would make the future of every grant as large.
            Box::pin(exchanger.exchange_code(request, code)).await?
        }
        "refresh_token" => {
            let token = PresentedToken::parse_parameter(parameters.required("refresh_token")?)
                .map_err(|fault| ApiError::InvalidRequest(format!("`refresh_token`: {fault}")))?;
            exchanger.exchange_refresh_token(request, token).await?
        }
        _ => {
            let outcome = exchanger.forward_grant(request).await;
            return Ok(token_response(&outcome, cookies)?);
        }
    };
    Ok(token_response(&outcome, cookies)?)
}

/// Returns the client's own `Authorization`, which is passed on. A bearer token belongs to a user and is
/// ignored (`docs/GUIDE.md`, "Token").
fn basic_authorization(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?;
    let scheme = value.to_str().ok()?.split(' ').next()?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| value.as_bytes().to_vec())
}

/// Builds the answer to one of the requests that share an exchange.
fn token_response(outcome: &ExchangeOutcome, cookies: &CookiePolicy) -> Result<Response, ApiError> {
    match outcome {
        ExchangeOutcome::Granted { body, session } => {
            let mut headers = no_store_headers();
            if let Some(session) = session {
                headers.extend(session_headers(session, cookies));
            }
            Ok((StatusCode::OK, headers, Json(body)).into_response())
        }
        ExchangeOutcome::Refused(refusal) => relay_error(refusal),
        ExchangeOutcome::Failed(fault) => Err(fault.clone().into()),
    }
}

/// Returns the headers that deliver a session: its cookie and its handle.
fn session_headers(session: &BegunSession, cookies: &CookiePolicy) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(cookie) = cookies.set_cookie_header(&session.id) {
        headers.append(header::SET_COOKIE, cookie);
    }
    if let Ok(handle) = HeaderValue::from_str(session.handle.as_str()) {
        headers.insert(X_SESSION_ID, handle);
    }
    headers
}
