//! Files of the pages and of the browser client: style sheet, logo, `/auth/client.js` and its types.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use maxlab_auth_pages::{Brand, STYLESHEET, is_stylesheet_file, stylesheet_file};

use super::super::app_state::SharedState;
use super::super::docs::failures::NotFoundFailure;
use super::super::error::ApiError;
use super::super::extract::PathParam;
use super::super::serve::SharedBody;

const CLIENT_SCRIPT: &str = include_str!("../../../assets/browser/client.js");
const CLIENT_TYPES: &str = include_str!("../../../assets/browser/client.d.ts");

/// Name of the logo below `/auth/assets/`.
const LOGO_FILE: &str = "logo";
/// Address of the logo.
pub const LOGO_URL: &str = "/auth/assets/logo";

/// The name contains a hash of the contents, so they never change.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A new version counts after five minutes at most.
const FOR_MINUTES: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// Kept by a browser, and asked for each time.
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("no-cache");

/// Brand of the pages, with its logo.
#[derive(Clone, Debug, Default)]
pub struct PageAssets {
    /// Name, logo and support of the pages.
    pub brand: Brand,
    /// Logo.
    pub logo: Option<Logo>,
}

/// Picture next to the name.
#[derive(Clone, Debug)]
pub struct Logo {
    /// Media type.
    pub media_type: &'static str,
    /// Contents of the file.
    pub body: Bytes,
}

/// Files of the pages for people
///
/// The style sheet, whose name changes with its contents, and the logo (`BRAND_LOGO_FILE`).
///
/// # Errors
/// There is no such file.
#[utoipa::path(
    get, path = "/auth/assets/{file}", tag = "Browser", operation_id = "pageAsset",
    params(("file" = String, Path, description = "Name of the file.", example = "logo")),
    responses((status = 200, description = "The file.", body = String, content_type = "text/css",
        headers(("Cache-Control" = String)), example = json!("main { … }")), NotFoundFailure),
)]
pub async fn asset(
    State(gateway): State<SharedState>,
    PathParam(file): PathParam,
) -> Result<Response, ApiError> {
    if is_stylesheet_file(&file) {
        let is_current = file == stylesheet_file();
        // During an update an instance of another version may have made the page.
        let cache = if is_current { FOR_GOOD } else { FOR_MINUTES };
        return Ok(shared_file("text/css; charset=utf-8", cache, STYLESHEET));
    }
    match &gateway.pages.logo {
        Some(logo) if file == LOGO_FILE => Ok(shared_file(logo.media_type, FOR_MINUTES, logo.body.clone())),
        _ => Err(ApiError::NotFound("There is no such file")),
    }
}

/// Browser client
///
/// An ES module: who is logged in, login, logout, events, and a `fetch` for the application's own interface.
#[utoipa::path(
    get, path = "/auth/client.js", tag = "Browser", operation_id = "clientScript",
    responses((status = 200, description = "The module.", body = String, content_type = "text/javascript",
        headers(("Cache-Control" = String)), example = json!("export async function user() { … }"))),
)]
pub async fn client_script() -> Response {
    shared_file("text/javascript; charset=utf-8", ASK_EACH_TIME, CLIENT_SCRIPT)
}

/// Types of the browser client
///
/// For TypeScript.
#[utoipa::path(
    get, path = "/auth/client.d.ts", tag = "Browser", operation_id = "clientTypes",
    responses((status = 200, description = "The types.", body = String, content_type = "text/plain",
        headers(("Cache-Control" = String)), example = json!("export interface User { … }"))),
)]
pub async fn client_types() -> Response {
    shared_file("text/plain; charset=utf-8", ASK_EACH_TIME, CLIENT_TYPES)
}

fn shared_file(media_type: &'static str, cache: HeaderValue, body: impl IntoResponse) -> Response {
    let headers: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, cache),
    ];
    (headers, Extension(SharedBody), body).into_response()
}
