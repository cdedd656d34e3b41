//! Maps every cause of a failure to a response. The rest of the gateway returns causes; statuses of failures and
//! `Retry-After` are set only here, from the list in `maxlab_auth_core::error_code`.

mod conversions;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::access::{ForwardedAttribute, RefusalReason};
use maxlab_auth_core::engine::CredentialRefusal;
use maxlab_auth_core::error_code::ErrorCode;
use maxlab_auth_core::guard::AccessDenied;
use maxlab_auth_core::policy::{AmbiguousRequest, MissingAttribute};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_pages::PageError;
use serde_json::{Value, json};

use super::error_page::error_page;
use super::request_id::RequestId;
use crate::record;
use crate::upstream::UpstreamError;

/// Reason why a request fails. Each variant has one status and one `code` (docs/ERRORS.md).
#[derive(Clone, Debug)]
pub enum ApiError {
    /// No credential is presented.
    MissingCredential,
    /// The credential is not accepted.
    Auth(CredentialRefusal),
    /// A role, group, permission, workspace or scope is missing; the message names it.
    Denied(AccessDenied),
    /// The policy allows this request to no one.
    PolicyDenied,
    /// The original request that a proxy asks about can be read in more than one way.
    Ambiguous(AmbiguousRequest),
    /// The policy reads an attribute of the original request that no trusted proxy forwards.
    MissingAttribute(MissingAttribute),
    /// An unsafe request with the session cookie does not prove that it comes from one of the gateway's own
    /// pages.
    CrossSite,
    /// The request cannot be understood; the text says what is wrong and how to fix it.
    InvalidRequest(String),
    /// The body is of a media type that this route does not read.
    UnsupportedMediaType,
    /// The body is too large.
    PayloadTooLarge,
    /// The client is unknown or did not authenticate (RFC 6749 §5.2).
    InvalidClient,
    /// The code or refresh token is not valid (RFC 6749 §5.2).
    InvalidGrant(&'static str),
    /// The resource does not exist or belongs to another user.
    NotFound(&'static str),
    /// The limit of refused tokens that nothing proves is reached (`REVOKE_UNPROVEN_MAX`).
    TooManyUnproven,
    /// A component did not answer, so the result is unknown; or a rate limit is reached.
    Unavailable(Unavailable),
    /// The authorization server did not answer a request that was passed on.
    Upstream(UpstreamError),
}

impl ApiError {
    /// Returns the kind of failure, which decides the status and the code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::MissingCredential => ErrorCode::MissingCredential,
            Self::Auth(refusal) => refusal.code(),
            Self::Denied(_) => ErrorCode::InsufficientPermission,
            Self::PolicyDenied => ErrorCode::PolicyDenied,
            Self::Ambiguous(_) => ErrorCode::AmbiguousRequest,
            Self::MissingAttribute(_) => ErrorCode::InvalidRequest,
            Self::CrossSite => ErrorCode::CrossSiteRequest,
            Self::InvalidRequest(_) => ErrorCode::InvalidRequest,
            Self::UnsupportedMediaType => ErrorCode::UnsupportedMediaType,
            Self::PayloadTooLarge => ErrorCode::PayloadTooLarge,
            Self::InvalidClient => ErrorCode::InvalidClient,
            Self::InvalidGrant(_) => ErrorCode::InvalidGrant,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::TooManyUnproven => ErrorCode::TooManyUnproven,
            Self::Unavailable(fault) => fault.code(),
            // The statuses are those of the guide (docs/GUIDE.md, "Error answers").
            Self::Upstream(UpstreamError::Timeout) => ErrorCode::UpstreamTimeout,
            Self::Upstream(_) => ErrorCode::UpstreamFailed,
        }
    }

    /// Returns the text for people: its own if the failure has one, else that of its code.
    pub(in crate::http) fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::Denied(denied) => Cow::Borrowed(&denied.message),
            Self::Ambiguous(fault) => Cow::Owned(format!("{}: {fault}", self.code().detail())),
            Self::MissingAttribute(attribute) => Cow::Owned(missing_attribute_detail(*attribute)),
            Self::InvalidRequest(why) => Cow::Borrowed(why),
            Self::InvalidGrant(text) | Self::NotFound(text) => Cow::Borrowed(text),
            _ => Cow::Borrowed(self.code().detail()),
        }
    }

    pub(in crate::http) fn log(&self) {
        match self {
            // The rate limiter has already counted it, and logs it once in a while instead of for each
            // request.
            Self::Unavailable(fault) if fault.is_throttled() => {}
            // A defect, and no outage: no alert of a component may hide it.
            Self::Unavailable(fault) if fault.is_internal() => {
                tracing::error!(%fault, "gateway failed, answered 500");
            }
            Self::Unavailable(fault) => {
                record::unavailable(fault);
                tracing::warn!(%fault, "dependency unavailable, answered 503");
            }
            Self::Upstream(fault) => {
                tracing::warn!(%fault, "request to the authorization server failed");
            }
            Self::PolicyDenied => record::refused(RefusalReason::PolicyDenied),
            Self::Ambiguous(_) => record::refused(RefusalReason::AmbiguousRequest),
            Self::MissingAttribute(_) => record::refused(RefusalReason::MissingAttribute),
            Self::Auth(refusal) => {
                record::refused(refusal);
                // DEBUG: a client causes it, and could fill the log otherwise (docs/LOGGING.md).
                tracing::debug!(fault = %refusal, "credential refused");
            }
            _ => {}
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            // RFC 6750 §3.1: no `error` parameter if the request has no credential.
            Self::MissingCredential => set_challenge(&mut headers, "Bearer realm=\"maxlab-auth\""),
            Self::Auth(_) => {
                let text = format!(
                    "Bearer realm=\"maxlab-auth\", error=\"invalid_token\", error_description=\"{}\"",
                    self.detail()
                );
                set_challenge(&mut headers, &text);
            }
            // RFC 6749 §5.2: the scheme that the client can use.
            Self::InvalidClient => {
                set_challenge(&mut headers, "Basic realm=\"maxlab-auth\", charset=\"UTF-8\"");
            }
            // Only a rate limit knows when it ends. Otherwise the code's own time is set.
            Self::Unavailable(fault) => {
                if let Some(time) = fault.retry_after() {
                    headers.insert(header::RETRY_AFTER, retry_after_seconds(time).into());
                }
            }
            _ => {}
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers
    }

    /// Returns the answer for a browser that opens a page.
    pub fn into_page(self, request_id: Option<&RequestId>) -> Response {
        self.log();
        let (code, detail) = (self.code(), self.detail());
        let title = status_of(code).canonical_reason().unwrap_or("Error");
        let page = error_page(title, &detail, code.as_str(), request_id);
        (self.headers(), error_response(code, page)).into_response()
    }

    /// Returns the answer of an OAuth endpoint: the form of RFC 6749 §5.2 with the members `detail` and
    /// `code` added.
    pub fn into_oauth_response(self) -> Response {
        self.log();
        let (code, detail) = (self.code(), self.detail());
        let body = json!({
            "error": code.oauth_error(),
            "error_description": sanitize_description(&detail),
            "detail": detail,
            "code": code.as_str(),
        });
        (self.headers(), error_response(code, Json(body))).into_response()
    }
}

impl ApiError {
    /// Returns the answer for a program that can send its person to the login: the problem document has the
    /// member `login_url`.
    pub(in crate::http) fn into_login_response(self, login_url: &str) -> Response {
        self.log();
        let mut body = problem_body(self.code(), &self.detail());
        body["login_url"] = login_url.into();
        (self.headers(), problem_with_body(self.code(), body)).into_response()
    }
}

/// Returns the text about an attribute that the policy reads and no trusted proxy forwards.
fn missing_attribute_detail(attribute: MissingAttribute) -> String {
    let header = match attribute {
        MissingAttribute::Method => ForwardedAttribute::Method,
        MissingAttribute::Host => ForwardedAttribute::Host,
        MissingAttribute::Path => ForwardedAttribute::Uri,
    };
    format!(
        "{attribute}, and no trusted proxy forwards it: make the proxy send {}, and add the proxy to TRUSTED_PROXIES",
        header.title()
    )
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        (self.headers(), problem_response(self.code(), &self.detail())).into_response()
    }
}

/// Failure at an OAuth endpoint, answered in the form of RFC 6749 §5.2.
#[derive(Clone, Debug)]
pub struct OAuthApiError(pub ApiError);

impl<F: Into<ApiError>> From<F> for OAuthApiError {
    fn from(failure: F) -> Self {
        Self(failure.into())
    }
}

impl IntoResponse for OAuthApiError {
    fn into_response(self) -> Response {
        self.0.into_oauth_response()
    }
}

/// Returns a problem document (RFC 9457) with the status and the `code` of a failure, and the `detail` that
/// clients of the guide read (`docs/GUIDE.md`, "Error answers").
pub fn problem_response(code: ErrorCode, detail: &str) -> Response {
    problem_with_body(code, problem_body(code, detail))
}

fn problem_body(code: ErrorCode, detail: &str) -> Value {
    let status = status_of(code);
    json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
        "code": code.as_str(),
    })
}

fn problem_with_body(code: ErrorCode, body: Value) -> Response {
    let mut response = error_response(code, Json(body));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}

/// Returns an answer with the status and the `Retry-After` of a failure, and a body of another form.
pub fn error_response(code: ErrorCode, body: impl IntoResponse) -> Response {
    let mut response = (status_of(code), body).into_response();
    if let Some(seconds) = code.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Gives a page the status and the `Retry-After` of the failure that it explains.
pub(in crate::http) fn with_page_error(error: PageError, mut page: Response) -> Response {
    // Every status of that list is valid (`the_codes_of_the_login_have_their_settled_statuses`).
    *page.status_mut() = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(seconds) = error.retry_after() {
        page.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    page
}

/// Returns the answer to a page that is loaded ahead of a login: browsers discard it, and load the page anew when
/// its user opens it.
pub(in crate::http) fn loaded_ahead() -> Response {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SERVICE_UNAVAILABLE, no_store).into_response()
}

/// Returns the HTTP status of a failure.
pub fn status_of(code: ErrorCode) -> StatusCode {
    // Every status of the list is valid (`h10_every_code_has_a_valid_error_status`).
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Returns the `Retry-After` of a relayed answer. A 429 should say when to retry (RFC 6585 §4), and some
/// authorization servers leave that out: then it is that of the gateway's own 429.
pub fn relayed_retry_after(status: StatusCode, upstream: Option<HeaderValue>) -> Option<HeaderValue> {
    let default = || {
        let limited = status == status_of(ErrorCode::RateLimited);
        limited.then(|| ErrorCode::RateLimited.retry_after().map(HeaderValue::from))?
    };
    upstream.or_else(default)
}

/// Rounds a time up to whole seconds, at least one: `Retry-After` has no fractions, and a retry must not come
/// too early.
fn retry_after_seconds(time: Duration) -> u64 {
    let fraction = u64::from(time.subsec_nanos() > 0);
    (time.as_secs() + fraction).max(1)
}

fn set_challenge(headers: &mut HeaderMap, text: &str) {
    // All texts are constants of this workspace, so this does not fail. An answer without a challenge is
    // better than none.
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(header::WWW_AUTHENTICATE, value);
    }
}

/// Replaces the characters that RFC 6749 §5.2 does not allow in `error_description`.
pub(in crate::http) fn sanitize_description(text: &str) -> String {
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
