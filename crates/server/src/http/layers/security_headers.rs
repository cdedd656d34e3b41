//! Security headers of every answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::LayerConfig;

/// Two years, as hstspreload.org recommends; the preload list requires one year.
const HSTS: &str = "max-age=63072000; includeSubDomains";
/// Policy for JSON: it loads nothing, and no page may frame it.
const CSP: &str = "default-src 'none'; frame-ancestors 'none'";

/// Adds the headers. `Cache-Control`, `Referrer-Policy` and `Content-Security-Policy` of a handler are kept: the docs
/// page needs its scripts, and a form its `Origin`.
pub(super) async fn security_headers(
    State(config): State<Arc<LayerConfig>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    insert_security_headers(response.headers_mut(), config.secure);
    response
}

/// Inserts the headers into those of an answer.
pub(in crate::http) fn insert_security_headers(headers: &mut HeaderMap, secure: bool) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Answers depend on the credential, so by default no cache may keep one.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(header::REFERRER_POLICY)
        .or_insert(HeaderValue::from_static("no-referrer"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(CSP));
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
}
