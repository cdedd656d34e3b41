//! The keys with which an application checks `X-Auth-Identity`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::super::error::Failure;
use super::super::gateway::Gateway;

/// So long may an application keep the keys; a new one is published for longer before it signs.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// `GET /.well-known/jwks.json`: the public keys, as a JWK Set (RFC 7517 §5).
///
/// # Errors
/// Identities are not signed here.
pub async fn jwks(State(gateway): State<Gateway>) -> Result<Response, Failure> {
    let tokens = gateway.forward_auth.tokens.as_ref();
    let tokens = tokens.ok_or(Failure::NotFound(
        "Identities are not signed here (IDENTITY_TOKEN)",
    ))?;
    Ok(([(header::CACHE_CONTROL, KEPT)], Json(tokens.published())).into_response())
}
