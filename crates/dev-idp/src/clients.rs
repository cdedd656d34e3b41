//! The applications that may ask for tokens, and how they prove who they are (RFC 6749 §2).

use aws_lc_rs::constant_time;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use crate::oauth_error::OAuthError;
use crate::params::RequestParams;

/// The public client that exists by default.
pub const PUBLIC_CLIENT_ID: &str = "maxlab-dev";
/// The confidential client that exists by default.
pub const CONFIDENTIAL_CLIENT_ID: &str = "maxlab-dev-confidential";
/// The default confidential client's secret: it is in the source code, so it protects nothing.
pub const CONFIDENTIAL_CLIENT_SECRET: &str = "maxlab-dev-confidential-secret-for-development-only";

/// An application known to the server.
#[derive(Debug, Clone)]
pub struct OAuthClient {
    /// `client_id`.
    pub id: String,
    /// The secret of a confidential client; a public client has none.
    pub secret: Option<SecretString>,
    /// Where codes may be sent; compared exactly, character by character.
    pub redirect_uris: Vec<String>,
}

impl OAuthClient {
    /// A client without a secret.
    #[must_use]
    pub fn public(id: &str, redirect_uris: Vec<String>) -> Self {
        Self {
            id: id.to_owned(),
            secret: None,
            redirect_uris,
        }
    }

    /// A client that proves itself by a secret.
    #[must_use]
    pub fn confidential(id: &str, secret: &str, redirect_uris: Vec<String>) -> Self {
        Self {
            id: id.to_owned(),
            secret: Some(secret.into()),
            redirect_uris,
        }
    }

    pub(crate) fn is_confidential(&self) -> bool {
        self.secret.is_some()
    }

    fn accepts(&self, presented: Option<&str>) -> bool {
        match (&self.secret, presented) {
            (None, None | Some("")) => true,
            (Some(secret), Some(presented)) => constant_time::verify_slices_are_equal(
                secret.expose_secret().as_bytes(),
                presented.as_bytes(),
            )
            .is_ok(),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

/// One public and one confidential client, with the redirect URIs of programs on this machine.
pub(crate) fn default_clients() -> Vec<OAuthClient> {
    let redirect_uris: Vec<String> = [
        "http://localhost:8080/callback",
        "http://localhost:3000/callback",
        "http://127.0.0.1:8080/callback",
    ]
    .map(str::to_owned)
    .to_vec();
    vec![
        OAuthClient::public(PUBLIC_CLIENT_ID, redirect_uris.clone()),
        OAuthClient::confidential(CONFIDENTIAL_CLIENT_ID, CONFIDENTIAL_CLIENT_SECRET, redirect_uris),
    ]
}

/// The client that sent a request: `client_secret_basic`, `client_secret_post`, or `client_id` alone if public.
///
/// # Errors
/// `invalid_client` when there is no client, an unknown one, or a wrong secret; `invalid_request` when two methods are
/// mixed (RFC 6749 §2.3).
pub(crate) fn authenticate<'c>(
    clients: &'c [OAuthClient],
    headers: &HeaderMap,
    params: &RequestParams,
) -> Result<&'c OAuthClient, OAuthError> {
    match identify(clients, headers, params)? {
        Some(client) => Ok(client),
        None => Err(OAuthError::invalid_client(
            "no client_id and no client authentication was sent",
        )),
    }
}

/// Authenticates the client like [`authenticate`]; returns `None` if the request names no client.
pub(crate) fn identify<'c>(
    clients: &'c [OAuthClient],
    headers: &HeaderMap,
    params: &RequestParams,
) -> Result<Option<&'c OAuthClient>, OAuthError> {
    let (id, secret) = match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let (id, secret) =
                value.to_str().ok().and_then(basic_credentials).ok_or_else(|| {
                    OAuthError::invalid_client("the Authorization header is not valid Basic")
                })?;
            if params.value("client_secret").is_some()
                || params.value("client_id").is_some_and(|other| other != id)
            {
                return Err(OAuthError::invalid_request(
                    "more than one way of client authentication was used",
                ));
            }
            (id, Some(secret))
        }
        None => match params.value("client_id") {
            Some(id) => (id.to_owned(), params.value("client_secret").map(str::to_owned)),
            None => return Ok(None),
        },
    };
    clients
        .iter()
        .find(|client| client.id == id && client.accepts(secret.as_deref()))
        .map(Some)
        .ok_or_else(|| OAuthError::invalid_client("the client is unknown or its authentication is wrong"))
}

/// Id and secret from a Basic header, both form-encoded inside (RFC 6749 §2.3.1).
fn basic_credentials(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(
        percent_encoding::percent_decode_str(&spaced)
            .decode_utf8()
            .ok()?
            .into_owned(),
    )
}
