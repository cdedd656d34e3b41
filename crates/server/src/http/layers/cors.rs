//! Which other origins' pages may call, with the visitor's cookies: those on the allow-list, each named, never `*`.
//!
//! tower-http's layer answers 200 to every `OPTIONS` request. Behind a proxy that asks `/auth/verify` with the client's own
//! method, that would let a request in which shows no credential; so this one answers a preflight and nothing else.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::LayerConfig;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, x-request-id, x-session-id");
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static("x-request-id, x-session-id");
/// How long a browser may keep a preflight's answer, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// Asked by proxies, whose view of any 2xx is "let it in": here a preflight is an unauthenticated request like others.
const NOT_FOR_PAGES: &str = "/auth/verify";

/// Answers preflights (Fetch §3.3) from allowed origins and marks all other answers to them.
pub(super) async fn cors(State(config): State<Arc<LayerConfig>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if config.cors_origins.is_empty() || route.is_some_and(|route| route.starts_with(NOT_FOR_PAGES)) {
        return next.run(request).await;
    }
    let origin = allowed_origin(request.headers(), &config.cors_origins);
    let asks = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks && route.is_some() && origin.is_some() {
        preflight()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    }
    response
}

/// The request's origin, if there is just one and it is on the list, byte by byte.
fn allowed_origin(headers: &HeaderMap, allowed: &[HeaderValue]) -> Option<HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return None;
    };
    allowed.contains(origin).then(|| origin.clone())
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        (
            header::VARY,
            HeaderValue::from_static("access-control-request-method, access-control-request-headers"),
        ),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
