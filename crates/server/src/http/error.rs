//! The only map from a cause to a response. Everything below returns causes; status codes are written here.

mod causes;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_core::guard::Denied;
use maxlab_auth_core::policy::AskedFault;
use maxlab_auth_core::unavailable::{Component, Unavailable};
use maxlab_auth_core::verify::Rejection;
use serde_json::{Value, json};

use crate::observed;
use crate::upstream::UpstreamError;

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug)]
pub enum Failure {
    /// It carries no credential.
    MissingCredential,
    /// Its credential does not let it in.
    Auth(AuthFault),
    /// It may not; names what is wanting.
    Denied(Denied),
    /// The policy lets nobody through.
    PolicyDenied,
    /// The request that a proxy asks about can be read in more ways than one.
    Ambiguous(AskedFault),
    /// It acts with a cookie, and nothing shows that it comes from one of our own pages.
    CrossSite,
    /// It is not a request that can be understood; says what is wrong and how to mend it.
    InvalidRequest(String),
    /// Its body is of a kind that is not read here.
    UnsupportedMediaType,
    /// Its body is too large.
    PayloadTooLarge,
    /// Its client is not known, or did not prove itself (RFC 6749 §5.2).
    InvalidClient,
    /// The code or refresh token is not good (RFC 6749 §5.2).
    InvalidGrant(&'static str),
    /// What it names is not there, or is another's.
    NotFound(&'static str),
    /// Nobody knows.
    Unavailable(Unavailable),
    /// The authorization server did not answer a request that was passed on.
    Upstream(UpstreamError),
}

/// What a failure says to the client.
struct Said {
    status: StatusCode,
    code: &'static str,
    /// The error of RFC 6749 §5.2 (or §4.1.2.1 where that has none).
    oauth: &'static str,
    detail: String,
}

impl Failure {
    fn said(&self) -> Said {
        let said = |status, code, oauth, detail: &str| Said {
            status,
            code,
            oauth,
            detail: detail.to_owned(),
        };
        match self {
            Self::MissingCredential => said(
                StatusCode::UNAUTHORIZED,
                "missing_credential",
                "invalid_token",
                "Authentication required",
            ),
            Self::Auth(fault) => auth_said(fault),
            Self::Denied(denied) => said(
                StatusCode::FORBIDDEN,
                "insufficient_permission",
                "access_denied",
                &denied.wanting,
            ),
            Self::PolicyDenied => said(
                StatusCode::FORBIDDEN,
                "policy_denied",
                "access_denied",
                "The policy lets nobody do this",
            ),
            Self::Ambiguous(fault) => said(
                StatusCode::BAD_REQUEST,
                "ambiguous_request",
                "invalid_request",
                &format!("The original request can be read in more than one way: {fault}"),
            ),
            Self::CrossSite => said(
                StatusCode::FORBIDDEN,
                "cross_site_request",
                "access_denied",
                "A request that acts with the session cookie must come from the same origin (send Origin or Sec-Fetch-Site)",
            ),
            Self::InvalidRequest(why) => {
                said(StatusCode::BAD_REQUEST, "invalid_request", "invalid_request", why)
            }
            Self::UnsupportedMediaType => said(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "invalid_request",
                "Send application/x-www-form-urlencoded or application/json",
            ),
            Self::PayloadTooLarge => said(
                StatusCode::PAYLOAD_TOO_LARGE,
                "payload_too_large",
                "invalid_request",
                "The body is longer than 64 KiB",
            ),
            Self::InvalidClient => said(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "invalid_client",
                "Client authentication failed",
            ),
            Self::InvalidGrant(why) => said(StatusCode::BAD_REQUEST, "invalid_grant", "invalid_grant", why),
            Self::NotFound(what) => said(StatusCode::NOT_FOUND, "not_found", "invalid_request", what),
            Self::Unavailable(fault) => {
                let (code, detail) = match fault.component() {
                    Component::Upstream => (
                        "upstream_unavailable",
                        "The authorization server does not answer; try again",
                    ),
                    Component::Store | Component::Database => {
                        ("store_unavailable", "The store does not answer; try again")
                    }
                };
                said(
                    StatusCode::SERVICE_UNAVAILABLE,
                    code,
                    "temporarily_unavailable",
                    detail,
                )
            }
            Self::Upstream(UpstreamError::Timeout) => said(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_unavailable",
                "temporarily_unavailable",
                "OAuth server timeout",
            ),
            Self::Upstream(_) => said(
                StatusCode::BAD_GATEWAY,
                "upstream_unavailable",
                "temporarily_unavailable",
                "OAuth server error",
            ),
        }
    }

    fn log(&self) {
        match self {
            Self::Unavailable(fault) => {
                observed::unavailable(fault);
                tracing::warn!(%fault, "answered unavailable");
            }
            Self::Upstream(fault) => {
                tracing::warn!(%fault, "the authorization server failed a request passed on");
            }
            Self::PolicyDenied => observed::refused_by_policy("policy_denied"),
            Self::Ambiguous(_) => observed::refused_by_policy("ambiguous_request"),
            Self::Auth(fault) => {
                observed::refused(fault);
                tracing::debug!(%fault, "refused");
            }
            _ => {}
        }
    }

    fn headers(&self, said: &Said) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::MissingCredential => challenge(&mut headers, "Bearer realm=\"maxlab-auth\""),
            Self::Auth(_) => {
                let text = format!(
                    "Bearer realm=\"maxlab-auth\", error=\"invalid_token\", error_description=\"{}\"",
                    said.detail
                );
                challenge(&mut headers, &text);
            }
            Self::InvalidClient => challenge(&mut headers, "Basic realm=\"maxlab-auth\", charset=\"UTF-8\""),
            Self::Unavailable(_) | Self::Upstream(_) => {
                put(&mut headers, header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        put(
            &mut headers,
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        );
        headers
    }

    /// The answer of an OAuth endpoint: RFC 6749 §5.2, and `detail` and `code` beside it.
    pub fn into_oauth_response(self) -> Response {
        self.log();
        let said = self.said();
        let headers = self.headers(&said);
        let body = json!({
            "error": said.oauth,
            "error_description": ascii(&said.detail),
            "detail": said.detail,
            "code": said.code,
        });
        (said.status, headers, Json(body)).into_response()
    }
}

fn auth_said(fault: &AuthFault) -> Said {
    let (code, detail) = match fault {
        AuthFault::Rejected(Rejection::Expired) => ("token_expired", "Token has expired"),
        AuthFault::Rejected(_) => ("invalid_token", "Invalid token"),
        AuthFault::TokenRevoked(_) => ("token_revoked", "Token has been revoked"),
        AuthFault::SessionRevoked(_) => ("session_revoked", "Session has been ended"),
        AuthFault::NoSession => ("invalid_session", "Session not found or expired"),
        AuthFault::Unavailable(_) => ("store_unavailable", "The store does not answer; try again"),
    };
    Said {
        status: StatusCode::UNAUTHORIZED,
        code,
        oauth: "invalid_token",
        detail: detail.to_owned(),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.log();
        let said = self.said();
        let headers = self.headers(&said);
        problem(said.status, said.code, &said.detail, headers)
    }
}

/// A failure at an OAuth endpoint.
#[derive(Clone, Debug)]
pub struct OAuthFailure(pub Failure);

impl<F: Into<Failure>> From<F> for OAuthFailure {
    fn from(failure: F) -> Self {
        Self(failure.into())
    }
}

impl IntoResponse for OAuthFailure {
    fn into_response(self) -> Response {
        self.0.into_oauth_response()
    }
}

/// `application/problem+json` (RFC 9457) with the `detail` that the guide's clients read and a stable `code`.
pub fn problem(status: StatusCode, code: &str, detail: &str, headers: HeaderMap) -> Response {
    let body: Value = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    });
    let mut response = (status, headers, Json(body)).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}

fn challenge(headers: &mut HeaderMap, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        put(headers, header::WWW_AUTHENTICATE, value);
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.insert(name, value);
}

/// What RFC 6749 §5.2 allows in `error_description`.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| {
            if matches!(c, ' '..='~') && c != '"' && c != '\\' {
                c
            } else {
                '\''
            }
        })
        .collect()
}
