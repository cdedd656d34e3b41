//! What the gateway says of itself: `/openapi.json` for programs and `/docs` for people, from one description.
//!
//! The description is written here by hand and not derived from the handlers: they answer with `json!`, and what
//! matters of a route (its errors, headers and two kinds of body) stands in no Rust type. `tests/openapi.rs` holds the
//! two together: the same routes, and real answers that fit the description.

mod account;
mod admin;
mod answers;
mod forward_auth;
mod oauth;
mod operation;
mod page;
mod schemas;
mod service;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Map, Value, json};

use operation::Operation;

/// `GET /openapi.json`.
pub async fn openapi() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document()));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, TEXT.as_str()).into_response()
}

/// `GET /docs`: the same description as a page that needs no network, nor anything but itself.
pub async fn page() -> Response {
    static PAGE: LazyLock<page::Page> = LazyLock::new(|| {
        let order: Vec<_> = operations().map(|operation| operation.place()).collect();
        page::Page::of(&document(), &order)
    });
    let headers = [
        (header::CONTENT_SECURITY_POLICY, PAGE.policy.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Html(PAGE.html.as_str())).into_response()
}

/// The description of every route, as OpenAPI 3.1.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "maxlab-auth",
            "summary": "An authentication gateway in front of an OAuth 2.0 authorization server.",
            "description": INTRODUCTION,
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The gateway that answered with this document" }],
        "tags": [
            { "name": oauth::TAG, "description": "OAuth 2.0: logging in, tokens, and what becomes of them." },
            { "name": account::TAG, "description": "Who is asking, their sessions, and logging out." },
            { "name": account::ACCESS_TAG, "description": "May I? For applications that ask over HTTP." },
            { "name": admin::TAG, "description": "What administrators (`ADMIN_ROLES`) may see and do." },
            { "name": forward_auth::TAG, "description": "For front proxies: nginx, Caddy, Traefik, Envoy and their like." },
            { "name": service::TAG, "description": "The gateway itself." },
        ],
        "paths": paths(),
        "components": {
            "schemas": schemas::all(),
            "responses": answers::responses(),
            "headers": answers::headers(),
            "securitySchemes": security_schemes(),
        },
    })
}

const INTRODUCTION: &str = "\
The gateway verifies access tokens, refuses revoked ones at once, keeps encrypted sessions, relays the OAuth flows and \
logs people out everywhere.

**Credentials.** `Authorization: Bearer …` or the session cookie that a login sets. Where both are sent, the token says \
who is asking. A request other than GET that comes with the cookie alone must show that it comes from the same origin: \
`Sec-Fetch-Site: same-origin`, or an `Origin` that is ours or in `CORS_ORIGINS`.

**Errors** are `application/problem+json` (RFC 9457) with a `detail` to read and a stable `code` to compare. Errors of \
the OAuth endpoints are those of RFC 6749 §5.2 (`error`, `error_description`), and bear `detail` and `code` too.

**401 and 503 are not the same.** 401: the credential was looked at and is not good. 503 with `Retry-After`: nobody \
knows; keep the credential and ask again.

**Every answer** carries `X-Request-ID`; the one that a trusted proxy sends (`TRUSTED_PROXIES`) is taken over. HEAD works \
wherever GET does. A path that is not here is 404, another method on one that is here is 405 with `Allow`.";

fn paths() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let (path, method, description) = operation.into_parts();
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = methods {
            methods.insert(method.to_owned(), description);
        }
    }
    Value::Object(paths)
}

fn operations() -> impl Iterator<Item = Operation> {
    let all = [
        oauth::operations(),
        account::operations(),
        admin::operations(),
        forward_auth::operations(),
        service::operations(),
    ];
    all.into_iter().flatten()
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of the authorization server (RFC 6750 §2.1), at most 16 KiB long.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-maxlab_session",
            "description": "The session cookie that a login sets. In development over http it is `maxlab_session`.",
        },
        "client": {
            "type": "http",
            "scheme": "basic",
            "description": "The OAuth client by HTTP Basic (RFC 6749 §2.3.1). `client_id` and `client_secret` in the \
                body do as well, but not both at once.",
        },
    })
}
