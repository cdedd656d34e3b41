//! Public keys with which an application verifies `X-Auth-Identity`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::super::app_state::SharedState;
use super::super::docs::IdentityKeys;
use super::super::docs::failures::NotFoundFailure;
use super::super::error::ApiError;

/// Time for which an application may cache the keys. A new key must be published for longer than this before
/// it signs.
const JWKS_CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// `GET /.well-known/jwks.json`: the public keys, as a JWK Set (RFC 7517 §5).
///
/// # Errors
/// The gateway signs no identities.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "Forward-auth", operation_id = "jwks",
    summary = "Public keys for X-Auth-Identity",
    description = "JWK Set (RFC 7517). The first key signs; the others will sign or have signed. Cache it as `Cache-Control` \
        allows. Without `IDENTITY_TOKEN` this is 404.",
    responses((status = 200, description = "The keys.", body = IdentityKeys, headers(("Cache-Control" = String))),
        NotFoundFailure),
)]
pub async fn jwks(State(gateway): State<SharedState>) -> Result<Response, ApiError> {
    let tokens = gateway.forward_auth.identity_tokens.as_ref();
    let tokens = tokens.ok_or(ApiError::NotFound(
        "This gateway signs no identities; IDENTITY_TOKEN enables it",
    ))?;
    Ok((
        [(header::CACHE_CONTROL, JWKS_CACHE_CONTROL)],
        Json(tokens.to_jwks()),
    )
        .into_response())
}
