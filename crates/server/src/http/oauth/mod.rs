//! OAuth endpoints: requests that are passed on to the authorization server, and requests that the gateway
//! answers itself.

mod authorization_request;
pub(super) mod authorize;
pub(super) mod introspect;
pub(super) mod revoke;
pub(super) mod token;
pub(super) mod userinfo;
pub(super) mod validate;

pub use authorize::authorize;
pub use introspect::introspect;
pub use revoke::revoke;
pub use token::token;
pub use userinfo::userinfo;
pub use validate::validate;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maxlab_auth_core::credential::sha256;
use maxlab_auth_core::outbox::ClientCredentials;
use maxlab_auth_core::token_endpoint::AuthServerRefusal;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::app_state::AppState;
use super::body::RequestParameters;
use super::error::{ApiError, relayed_retry_after};
use crate::upstream::UpstreamError;

/// Returns the client that a request names, by HTTP Basic or in its body (RFC 6749 §2.3.1).
///
/// # Errors
/// The client authenticates in both ways, or in a way that cannot be read.
fn client_credentials(
    headers: &HeaderMap,
    parameters: &RequestParameters,
) -> Result<Option<ClientCredentials>, ApiError> {
    let in_body = parameters.find("client_id").map(|id| ClientCredentials {
        id: id.to_owned(),
        secret: parameters.find("client_secret").map(str::to_owned),
    });
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(in_body);
    };
    if values.next().is_some() {
        return Err(ApiError::InvalidRequest(
            "There is more than one Authorization header".into(),
        ));
    }
    let basic = value.to_str().ok().and_then(|text| {
        let (scheme, encoded) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then_some(encoded)
    });
    let Some(encoded) = basic else {
        // A bearer token is the user's and not the client's. Clients of the guide send it (docs/GUIDE.md,
        // "Token").
        return Ok(in_body);
    };
    if in_body.as_ref().is_some_and(|client| client.secret.is_some()) {
        return Err(ApiError::InvalidRequest(
            "The client authenticates in two ways; use the Authorization header or the body".into(),
        ));
    }
    let plain = STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let plain = plain.ok_or(ApiError::InvalidClient)?;
    let (id, secret) = plain.split_once(':').ok_or(ApiError::InvalidClient)?;
    // RFC 6749 §2.3.1: both are form-encoded before base64, because an id may contain a colon.
    let (id, secret) = (form_decoded(id)?, form_decoded(secret)?);
    if in_body.is_some_and(|client| client.id != id) {
        return Err(ApiError::InvalidRequest(
            "The body names another client than the Authorization header".into(),
        ));
    }
    Ok(Some(ClientCredentials {
        id,
        secret: Some(secret),
    }))
}

/// Returns `true` if a client authenticates with a configured secret (`INTROSPECTION_CLIENTS`, else the
/// gateway's own client).
fn is_configured_client(shared: &AppState, client: &ClientCredentials) -> bool {
    let Some(secret) = &client.secret else {
        return false;
    };
    let given = sha256(secret.as_bytes());
    // In constant time: hashes of one length are compared, and `fold` looks at every client.
    shared.introspection_clients.iter().fold(false, |found, known| {
        let matches = sha256(known.secret.expose_secret().as_bytes()).ct_eq(&given);
        found | (bool::from(matches) && known.id == client.id)
    })
}

fn form_decoded(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    let plain = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| ApiError::InvalidClient)?;
    Ok(plain.into_owned())
}

/// Relays an OAuth error of the authorization server (RFC 6749 §5.2) with its status and body. `detail` is
/// added for clients of the guide (`docs/GUIDE.md`, "Error answers").
///
/// # Errors
/// The status is not 4xx, or the body has no string `error`: that is no OAuth error, and answered as 502. Such
/// a body may show more of the server than a client should see.
fn relay_error(refusal: &AuthServerRefusal) -> Result<Response, ApiError> {
    let status = StatusCode::from_u16(refusal.status).ok();
    let Some(status) = status.filter(StatusCode::is_client_error) else {
        return Err(ApiError::Upstream(UpstreamError::Unreadable(
            "the status is neither success nor a client error",
        )));
    };
    let is_oauth_error = refusal.error_code().is_some_and(|error| !error.is_empty());
    let Some(mut body) = refusal.body.clone().filter(|_| is_oauth_error) else {
        return Err(ApiError::Upstream(UpstreamError::Unreadable(
            "its error is not an OAuth error with a string `error`",
        )));
    };
    if !body.get("detail").is_some_and(Value::is_string) {
        let reason = ["error_description", "error"]
            .into_iter()
            .find_map(|name| body.get(name)?.as_str());
        let detail = reason
            .unwrap_or("The authorization server refused the request")
            .to_owned();
        body.insert("detail".to_owned(), Value::String(detail));
    }
    let mut headers = no_store_headers();
    // Only these two: others (cookies, CORS) belong to the origin of the authorization server.
    let challenge = refusal.challenge.as_deref().map(HeaderValue::from_bytes);
    let retry_after = refusal.retry_after.as_deref().map(HeaderValue::from_bytes);
    // A value that is no header value is left out.
    let retry_after = relayed_retry_after(status, retry_after.and_then(Result::ok));
    for (name, value) in [
        (header::WWW_AUTHENTICATE, challenge.and_then(Result::ok)),
        (header::RETRY_AFTER, retry_after),
    ] {
        headers.extend(value.map(|value| (name, value)));
    }
    Ok((status, headers, Json(Value::Object(body))).into_response())
}

/// Returns the headers that RFC 6749 §5.1 requires of every answer with a token.
fn no_store_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers
}

/// Redirects the browser (RFC 6749 §4.1.1).
fn redirect(to: &str) -> Result<Response, ApiError> {
    let location = HeaderValue::from_str(to)
        .map_err(|_| ApiError::Upstream(UpstreamError::Unreadable("the redirect target is not a URL")))?;
    let mut headers = no_store_headers();
    headers.insert(header::LOCATION, location);
    Ok((StatusCode::FOUND, headers).into_response())
}
