//! What every answer tells a browser not to do with it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::LayerConfig;

/// Two years, the least that browsers' preload lists take.
const HSTS: &str = "max-age=63072000; includeSubDomains";
/// A page of JSON loads nothing and stands in no frame.
const CSP: &str = "default-src 'none'; frame-ancestors 'none'";

/// Sets the headers. A handler's own `Cache-Control` and `Content-Security-Policy` stay: a docs page needs its scripts.
pub(super) async fn security_headers(
    State(config): State<Arc<LayerConfig>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    put(response.headers_mut(), config.secure);
    response
}

/// Puts them among an answer's headers.
pub(in crate::http) fn put(headers: &mut HeaderMap, secure: bool) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(CSP));
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
}
