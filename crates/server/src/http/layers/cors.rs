//! CORS: pages of the origins on the allow-list may call with the visitor's cookies. Each origin is named,
//! never `*`.
//!
//! The layer of tower-http answers 200 to every `OPTIONS` request. Behind a proxy that asks `/auth/verify`
//! with the method of its client, that would allow a request without a credential. This layer answers
//! preflights only.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::LayerConfig;
use crate::http::log_once::LogOnce;

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
const ALLOWED_REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, x-csrf, x-request-id, x-session-id");
const EXPOSED_RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static("x-request-id, x-session-id");
/// Time for which a browser may cache the answer to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// Route of the proxies. They take any 2xx as "allowed", so a preflight is an unauthenticated request like
/// any other.
const EXEMPT_ROUTE: &str = "/auth/verify";

/// Allow-list of origins, and the other origins that were logged.
#[derive(Debug)]
pub(super) struct CorsPolicy {
    config: Arc<LayerConfig>,
    unlisted: LogOnce,
}

impl CorsPolicy {
    pub(super) fn new(config: Arc<LayerConfig>) -> Self {
        Self {
            config,
            unlisted: LogOnce::default(),
        }
    }

    /// Logs an origin that is neither the gateway's own nor on the list, once. Otherwise only the browser's
    /// console says why a page cannot read an answer.
    fn log_unlisted(&self, headers: &HeaderMap) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(origin) = text("origin") else { return };
        let host = origin.split_once("://").map(|(_, host)| host);
        // The forwarded host of anyone: it only keeps a line out of the log.
        let is_own = ["host", "x-forwarded-host"].into_iter().any(|name| {
            host.is_some_and(|host| text(name).is_some_and(|own| own.eq_ignore_ascii_case(host)))
        });
        if is_own || text("sec-fetch-site") == Some("same-origin") {
            return;
        }
        if let Some(origin) = self.unlisted.first(origin) {
            tracing::info!(
                %origin,
                "a page of this origin called, but CORS_ORIGINS does not list it: its scripts cannot read the answer"
            );
        }
    }
}

/// Answers preflights from allowed origins (Fetch §3.3), and adds CORS headers to all other answers to these
/// origins.
pub(super) async fn cors(State(policy): State<Arc<CorsPolicy>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if route.is_some_and(|route| route.starts_with(EXEMPT_ROUTE)) {
        return next.run(request).await;
    }
    let allowed = &policy.config.cors_origins;
    let origin = allowed_origin(request.headers(), allowed);
    if origin.is_none() {
        policy.log_unlisted(request.headers());
    }
    if allowed.is_empty() {
        return next.run(request).await;
    }
    // An OPTIONS request without this header is no preflight, and the route decides.
    let is_preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight && route.is_some() && origin.is_some() {
        preflight_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    // Also for other origins: a cache must not give the answer of one origin to another.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_RESPONSE_HEADERS);
    }
    response
}

/// Returns the origin of the request, if there is exactly one and it is on the list, byte by byte.
fn allowed_origin(headers: &HeaderMap, allowed: &[HeaderValue]) -> Option<HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return None;
    };
    allowed.contains(origin).then(|| origin.clone())
}

fn preflight_response() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        (
            header::VARY,
            HeaderValue::from_static("access-control-request-method, access-control-request-headers"),
        ),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
