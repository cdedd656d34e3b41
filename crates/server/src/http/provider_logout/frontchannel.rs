//! `GET /auth/frontchannel-logout/{id}`: front-channel logout (OpenID Connect Front-Channel Logout 1.0 §2), in a
//! frame of the provider's page.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::provider_logout::LogoutProvider;
use maxlab_auth_core::verify::UpstreamBudget as _;
use url::Url;

use crate::http::app_state::SharedState;
use crate::http::body::RequestParameters;
use crate::http::docs::failures::{NotFoundFailure, RateLimitFailure};
use crate::http::error::ApiError;
use crate::http::extract::RequestOrigin;
use crate::http::rate_limit::CallerBudget;

/// Ends the session that issuer and `sid` name together. The cookie is not read: browsers do not send it in a frame
/// of another site.
///
/// # Errors
/// There is no such provider, the route is switched off, or the end is not in force on every instance.
#[utoipa::path(
    get, path = "/auth/frontchannel-logout/{id}", tag = "Provider logout", operation_id = "frontchannelLogout",
    security(()),
    summary = "Front-channel logout",
    description = "OpenID Connect Front-Channel Logout 1.0, for a frame in the provider's page. Off unless \
        `FRONTCHANNEL_LOGOUT=true`. Ends the session of `iss` and `sid`. If one of them is wrong, nothing happens \
        and the answer is the same.",
    params(
        ("id" = String, Path, description = "Provider: `default` is `EXTERNAL_AUTH_URL` with `OAUTH_CLIENT_ID`.",
            example = "default"),
        ("iss" = Option<String>, Query, description = "Issuer.", example = "https://sso.example.com"),
        ("sid" = Option<String>, Query, description = "Session at the issuer.", example = "08a5019c-17e1-4977-8f42-65a12843ea02"),
    ),
    responses((status = 200, description = "Empty page. It does not say whether there was such a session.",
        content_type = "text/html", body = String, headers(("Cache-Control" = String), ("Content-Security-Policy" = String)),
        example = json!("<!doctype html>…")),
        NotFoundFailure, RateLimitFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn frontchannel_logout(
    State(gateway): State<SharedState>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    RequestOrigin(origin): RequestOrigin,
    budget: CallerBudget,
) -> Result<Response, ApiError> {
    let logouts = &gateway.provider_logouts;
    if !logouts.allows_front_channel {
        return Err(ApiError::NotFound("Front-channel logout is switched off"));
    }
    let provider = logouts.find(&id)?;
    let parameters = RequestParameters::from_form(query.unwrap_or_default().as_bytes())?;
    if let (Some(issuer), Some(sid)) = (parameters.find("iss"), parameters.find("sid")) {
        budget.try_spend()?;
        gateway
            .engine
            .end_by_front_channel(provider, issuer, sid, &origin)
            .await?;
    }
    let issuer = provider.check.issuer_name(gateway.engine.now());
    Ok((StatusCode::OK, page_headers(provider, issuer.as_deref()), "").into_response())
}

/// Returns the headers of the empty page. Only pages of the provider may frame it.
fn page_headers(provider: &LogoutProvider, issuer: Option<&str>) -> HeaderMap {
    let name = issuer.or(provider.fallback_issuers.first().map(String::as_str));
    let origin = name
        .and_then(|name| Url::parse(name).ok())
        .map(|url| url.origin().ascii_serialization());
    let ancestors = origin.as_deref().unwrap_or("'none'");
    let policy = format!("default-src 'none'; frame-ancestors {ancestors}");
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    // An origin is ASCII, so this does not fail. Without the policy the layer's own is stricter.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers
}
