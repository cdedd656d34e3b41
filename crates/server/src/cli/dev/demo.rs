//! Demonstration application of `dev`: a public page, a protected page, and who is logged in. It shows what an
//! application does with the gateway; no other command serves it.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use maxlab_auth_core::verdict::ActiveCredential;
use maxlab_auth_pages::stylesheet_file;

use crate::http::app_state::{AppState, SharedState};
use crate::http::cookies::SessionCookie;
use crate::http::error::ApiError;

const PUBLIC_PAGE: &str = include_str!("../../../assets/demo/public.html");
const MEMBERS_PAGE: &str = include_str!("../../../assets/demo/members.html");
const CALLBACK_PAGE: &str = include_str!("../../../assets/demo/callback.html");
const SCRIPT: &str = include_str!("../../../assets/demo/demo.js");
const STYLE: &str = include_str!("../../../assets/demo/demo.css");

/// Policy of the pages: own scripts and styles, and requests to the own origin.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// Login that comes back to the protected page.
const LOGIN: HeaderValue = HeaderValue::from_static("/auth/login?return_to=%2Fmembers");

/// Returns the routes of the demonstration.
pub(super) fn demo_routes() -> Router<SharedState> {
    Router::new()
        .route("/", get(async || page(PUBLIC_PAGE)))
        .route("/members", get(members))
        .route("/callback", get(async || page(CALLBACK_PAGE)))
        .route("/demo/notes", get(notes))
        .route(
            "/demo/demo.js",
            get(async || file("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route(
            "/demo/demo.css",
            get(async || file("text/css; charset=utf-8", STYLE)),
        )
}

/// Answers with the protected page. A browser that opens it without a session goes to the login.
async fn members(State(gateway): State<SharedState>, headers: HeaderMap) -> Result<Response, ApiError> {
    match authenticate(&gateway, &headers).await {
        Ok(_) => Ok(page(MEMBERS_PAGE)),
        Err(ApiError::MissingCredential | ApiError::Auth(_)) if is_navigation(&headers) => {
            let no_store = HeaderValue::from_static("no-store");
            let headers = [(header::LOCATION, LOGIN), (header::CACHE_CONTROL, no_store)];
            Ok((StatusCode::SEE_OTHER, headers).into_response())
        }
        Err(fault) => Err(fault),
    }
}

/// Answers a call of the page's script.
async fn notes(
    State(gateway): State<SharedState>,
    headers: HeaderMap,
) -> Result<Json<[String; 3]>, ApiError> {
    let active = authenticate(&gateway, &headers).await?;
    let identity = active.identity();
    Ok(Json([
        format!(
            "Only {} reads this.",
            identity.name.as_deref().unwrap_or(&identity.user_id)
        ),
        "The browser sent a cookie that no script can read.".to_owned(),
        "After a logout in any window this call is answered 401.".to_owned(),
    ]))
}

async fn authenticate(gateway: &AppState, headers: &HeaderMap) -> Result<ActiveCredential, ApiError> {
    match gateway.cookies.read_session_cookie(headers)? {
        Some(SessionCookie::Session(id)) => Ok(gateway.engine.authenticate_cookie(&id).await?),
        Some(SessionCookie::Malformed) | None => Err(ApiError::MissingCredential),
    }
}

/// Returns `true` if a browser opens a page.
fn is_navigation(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html")),
    }
}

fn page(html: &str) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // After a logout the browser must not show it again.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Html(html.replace("{style}", stylesheet_file()))).into_response()
}

fn file(media_type: &'static str, body: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, body).into_response()
}
