//! The OAuth endpoints: what is passed on to the authorization server, and what the gateway answers by itself.

mod authorize;
mod flights;
mod introspect;
mod outcome;
mod revoke;
mod token;
mod userinfo;
mod validate;

pub use authorize::authorize;
pub use flights::RefreshFlights;
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
use maxlab_auth_core::outbox::ClientCredentials;
use serde_json::{Value, json};

use super::body::Parameters;
use super::error::Failure;
use crate::upstream::{Answer, UpstreamError};

/// The client that a request names, by HTTP Basic or in its body (RFC 6749 §2.3.1).
///
/// # Errors
/// It does so in both ways, or in a way that cannot be read.
fn client_of(headers: &HeaderMap, parameters: &Parameters) -> Result<Option<ClientCredentials>, Failure> {
    let in_body = parameters.find("client_id").map(|id| ClientCredentials {
        id: id.to_owned(),
        secret: parameters.find("client_secret").map(str::to_owned),
    });
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(in_body);
    };
    if values.next().is_some() {
        return Err(Failure::InvalidRequest(
            "There is more than one Authorization header".into(),
        ));
    }
    let basic = value.to_str().ok().and_then(|text| {
        let (scheme, encoded) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then_some(encoded)
    });
    let Some(encoded) = basic else {
        // A bearer token here is not the client's; the guide's clients may send theirs along.
        return Ok(in_body);
    };
    if in_body.as_ref().is_some_and(|client| client.secret.is_some()) {
        return Err(Failure::InvalidRequest(
            "The client authenticates in two ways at once".into(),
        ));
    }
    let plain = STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let plain = plain.ok_or(Failure::InvalidClient)?;
    let (id, secret) = plain.split_once(':').ok_or(Failure::InvalidClient)?;
    let (id, secret) = (unquoted(id)?, unquoted(secret)?);
    if in_body.is_some_and(|client| client.id != id) {
        return Err(Failure::InvalidRequest(
            "The body names another client than the Authorization header".into(),
        ));
    }
    Ok(Some(ClientCredentials {
        id,
        secret: Some(secret),
    }))
}

fn unquoted(text: &str) -> Result<String, Failure> {
    let spaced = text.replace('+', " ");
    let plain = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| Failure::InvalidClient)?;
    Ok(plain.into_owned())
}

/// An error of the authorization server, with its status and body; `detail` is added for the guide's clients.
///
/// A server error, a redirect and a body that is no OAuth error are a bad gateway.
///
/// # Errors
/// It is not an answer that the protocol knows.
fn passed_through(answer: &Answer) -> Result<Response, Failure> {
    if !answer.status.is_client_error() {
        return Err(Failure::Upstream(UpstreamError::Unreadable(
            "the status is neither success nor a client error",
        )));
    }
    let mut body = match answer.json() {
        Ok(body) => body,
        // A server that says no without saying why.
        Err(_) => {
            let Value::Object(body) = json!({ "error": "invalid_request" }) else {
                return Err(Failure::Upstream(UpstreamError::Unreadable(
                    "the body is not JSON",
                )));
            };
            body
        }
    };
    if !body.get("detail").is_some_and(Value::is_string) {
        let said = ["error_description", "error"]
            .into_iter()
            .find_map(|name| body.get(name)?.as_str());
        let detail = said
            .unwrap_or("The authorization server refused the request")
            .to_owned();
        body.insert("detail".to_owned(), Value::String(detail));
    }
    let mut headers = no_store();
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        if let Some(value) = answer.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    Ok((answer.status, headers, Json(Value::Object(body))).into_response())
}

/// What RFC 6749 §5.1 wants of every answer with a token.
fn no_store() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers
}

/// A redirect of the browser (RFC 6749 §4.1.1).
fn redirect(to: &str) -> Result<Response, Failure> {
    let location = HeaderValue::from_str(to)
        .map_err(|_| Failure::Upstream(UpstreamError::Unreadable("it redirects to what is no URL")))?;
    let mut headers = no_store();
    headers.insert(header::LOCATION, location);
    Ok((StatusCode::FOUND, headers).into_response())
}

/// The client that a token was issued to, to be named when the authorization server is told of its end.
pub fn client_of_token(live: &maxlab_auth_core::revocation::Live) -> Option<ClientCredentials> {
    live.identity().client_id.clone().map(ClientCredentials::public)
}
