//! `/auth/cookies`: the cookies that an application may see, for front proxies that cannot edit a `Cookie`
//! header (decision 22).

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};

use super::super::app_state::SharedState;
use super::super::cookies::application_cookies;
use super::super::docs::failures::NotFoundFailure;
use super::super::error::ApiError;
use super::super::peer::PeerAddr;

/// Answers 200 with the `Cookie` headers of the request, without the gateway's own cookies.
///
/// # Errors
/// The peer is not a trusted proxy, or the request comes from a browser: a script must not get
/// `HttpOnly` cookies.
#[utoipa::path(
    get, path = "/auth/cookies", tag = "Forward-auth", operation_id = "applicationCookies",
    summary = "Cookies that the application may see",
    description = "For front proxies that cannot edit a `Cookie` header (Traefik). The answer has the `Cookie` fields of the \
        request without the gateway's own cookies, byte for byte. The proxy uses them instead of the client's. Only peers in \
        `TRUSTED_PROXIES` get an answer, and no request with `Origin` or `Sec-Fetch-Site`. Everyone else gets 404.",
    responses((status = 200, description = "The remaining cookies.",
        headers(("Cookie" = Option<String>), ("Cache-Control" = String))), NotFoundFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn cookies(
    State(gateway): State<SharedState>,
    peer: Option<Extension<PeerAddr>>,
    headers: HeaderMap,
) -> Result<HeaderMap, ApiError> {
    // A browser sends `Sec-Fetch-Site` with every request to a trustworthy origin, and a script cannot leave
    // it out. A proxy sends `Cookie` only (`authRequestHeaders` in deploy/traefik/forward-auth.yaml).
    let is_browser = headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
    let is_proxy = peer.is_some_and(|Extension(peer)| peer.is_trusted(&gateway.trusted_proxies));
    if is_browser || !is_proxy {
        return Err(ApiError::NotFound(
            "Only a proxy in TRUSTED_PROXIES may call this",
        ));
    }
    let mut response_headers = HeaderMap::new();
    // `append`: each field of the request becomes a field of the answer.
    for field in application_cookies(&headers) {
        response_headers.append(header::COOKIE, field);
    }
    response_headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response_headers)
}
