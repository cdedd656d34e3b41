//! `/docs`: Swagger UI, from files in the program. It loads nothing from elsewhere.

use axum::Extension;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use super::super::error::ApiError;
use super::super::serve::SharedBody;
use super::failures::NotFoundFailure;

/// Policy of the page: its own files, and requests to its own origin. `data:` is for icons in the style sheet.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const PAGE: &str = include_str!("../../../assets/swagger-ui/index.html");

/// File of the page.
struct PageFile {
    name: &'static str,
    media_type: &'static str,
    body: &'static [u8],
    is_gzip: bool,
}

/// The large files are stored compressed, as every browser accepts them. `assets/swagger-ui/README.md` has their
/// origin.
const FILES: [PageFile; 4] = [
    PageFile {
        name: "swagger-ui-bundle.js",
        media_type: "text/javascript; charset=utf-8",
        body: include_bytes!("../../../assets/swagger-ui/swagger-ui-bundle.js.gz"),
        is_gzip: true,
    },
    PageFile {
        name: "swagger-ui.css",
        media_type: "text/css; charset=utf-8",
        body: include_bytes!("../../../assets/swagger-ui/swagger-ui.css.gz"),
        is_gzip: true,
    },
    PageFile {
        name: "page.css",
        media_type: "text/css; charset=utf-8",
        body: include_bytes!("../../../assets/swagger-ui/page.css"),
        is_gzip: false,
    },
    PageFile {
        name: "setup.js",
        media_type: "text/javascript; charset=utf-8",
        body: include_bytes!("../../../assets/swagger-ui/setup.js"),
        is_gzip: false,
    },
];

/// This description, as a page
///
/// Swagger UI, with "Try it out". It loads only files of the gateway, so it works without a network.
#[utoipa::path(
    get, path = "/docs", tag = "Service", operation_id = "docs",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html",
        headers(("Cache-Control" = String)), example = json!("<!doctype html>…"))),
)]
pub async fn page() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Extension(SharedBody), Html(PAGE)).into_response()
}

/// Files of the page
///
/// The script and the style sheet of `/docs`. Compressed files are always sent with `Content-Encoding: gzip`.
///
/// # Errors
/// There is no such file.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "Service", operation_id = "docsFile",
    params(("file" = String, Path, description = "Name of the file.", example = "setup.js")),
    responses((status = 200, description = "The file.", headers(("Cache-Control" = String)), content(
        (String = "text/javascript", example = json!("\"use strict\";")),
        (String = "text/css", example = json!(".swagger-ui {}")),
    )), NotFoundFailure),
)]
pub async fn file(Path(name): Path<String>) -> Result<Response, ApiError> {
    let file = FILES.iter().find(|file| file.name == name);
    let file = file.ok_or(ApiError::NotFound("The documentation page has no such file"))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if file.is_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // `SharedBody`: all readers share one static body, so an unread answer does not count against the connection.
    Ok((headers, Extension(SharedBody), file.body).into_response())
}
