//! OpenAPI description of the gateway: `/openapi.json` for programs, `/docs` for people.
//!
//! The description is derived from the code: `#[utoipa::path]` at each handler, `ToSchema` at the types of bodies,
//! `ErrorCode` for the errors. `complete` adds what the layers around the handlers do to every answer. The tests in
//! `tests/openapi` compare it with the router and with real answers.

mod complete;
pub(crate) mod failures;
mod headers;
mod schemas;
mod swagger_ui;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use axum::Extension;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::session::SECURE_COOKIE_NAME;
use serde_json::Value;
use utoipa::openapi::PathItem;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::serve::SharedBody;
use super::{account, admin, browser, forward_auth, health, oauth};
pub(crate) use schemas::*;
pub use swagger_ui::{file, page};

/// Session handle, for examples.
pub(crate) const HANDLE: &str = "6f1c2a9be04d4c7f8a53d0e1b2c49a77";

const INTRODUCTION: &str = "\
The gateway verifies access tokens, rejects revoked ones, keeps encrypted sessions, relays the OAuth flows, and logs users \
out everywhere.

**Credentials.** `Authorization: Bearer …`, or the session cookie that a login sets. If both are sent, the token decides who \
the user is. A request other than GET with only the cookie must prove that it comes from the same origin: \
`Sec-Fetch-Site: same-origin`, or an `Origin` that is the gateway's own or in `CORS_ORIGINS`.

**Errors** are `application/problem+json` (RFC 9457), with a `detail` for people and a stable `code` for programs. Errors of \
the OAuth endpoints have the form of RFC 6749 §5.2 (`error`, `error_description`), and `detail` and `code` too.

**401 and 503 are different.** 401: the credential was checked and is not valid. 503 with `Retry-After`: the gateway cannot \
tell; keep the credential and try again.

**Every answer** has `X-Request-ID`. The id that a trusted proxy sends (`TRUSTED_PROXIES`) is used. HEAD works wherever GET \
does. An unknown path is 404; another method on a known path is 405 with `Allow`.";

#[derive(OpenApi)]
#[openapi(
    info(title = "maxlab-auth", description = INTRODUCTION, license(name = "Apache-2.0", identifier = "Apache-2.0")),
    servers((url = "/", description = "The gateway that serves this document")),
    tags(
        (name = "OAuth", description = "OAuth 2.0: login, exchange, validation and revocation of tokens."),
        (name = "Account", description = "The current user, their sessions, and logout."),
        (name = "Browser", description = "For an application's page in a browser, and pages for people."),
        (name = "Access", description = "Permission checks for applications that ask over HTTP."),
        (name = "Administration", description = "For administrators (`ADMIN_ROLES`)."),
        (name = "Forward-auth", description = "For front proxies: nginx, Caddy, Traefik, Envoy and others."),
        (name = "Service", description = "The gateway itself."),
    ),
    paths(
        oauth::authorize::authorize, oauth::token::token, oauth::validate::validate, oauth::userinfo::userinfo,
        oauth::revoke::revoke, oauth::introspect::introspect,
        account::me::me, account::logout::logout, account::logout::logout_all, account::sessions::list_sessions,
        account::sessions::rotate_session, account::sessions::terminate_session, account::access::is_admin,
        account::access::in_group, account::access::in_workspace,
        browser::login::login, browser::callback::callback, browser::user::user, browser::events::events, browser::logout::logout_page, browser::logout::logout,
        browser::logged_out::logged_out, browser::assets::asset, browser::assets::client_script,
        browser::assets::client_types,
        admin::denylist, admin::audit, admin::revoke, admin::logout_all,
        forward_auth::verify, forward_auth::cookies::cookies, forward_auth::jwks::jwks,
        health::liveness, health::readiness, health::prometheus, openapi, swagger_ui::page, swagger_ui::file,
    ),
    components(schemas(Problem, OAuthError, RelayedError)),
    modifiers(&SecuritySchemes),
)]
struct GatewayApi;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let http = |scheme, text: &str| {
            SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(text)).build())
        };
        let schemes = [
            (
                "bearer",
                http(
                    HttpAuthScheme::Bearer,
                    "Access token of the authorization server (RFC 6750 §2.1), at most 16 KiB long.",
                ),
            ),
            (
                "session",
                SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                    SECURE_COOKIE_NAME,
                    "Session cookie that a login sets. In development over http its name is `maxlab_session`. A browser \
                     sends it by itself.",
                ))),
            ),
            (
                "client",
                http(
                    HttpAuthScheme::Basic,
                    "OAuth client by HTTP Basic (RFC 6749 §2.3.1). `client_id` and `client_secret` in the body work too, \
                     but not both ways at once.",
                ),
            ),
        ];
        let components = document.components.get_or_insert_default();
        for (name, scheme) in schemes {
            components.add_security_scheme(name, scheme);
        }
    }
}

/// Returns the description of every route, as OpenAPI 3.1.
pub fn document() -> Value {
    // An error would be a defect of the derived types. The tests read every part of the document.
    let derived = serde_json::to_value(GatewayApi::openapi()).unwrap_or_default();
    complete::complete(derived)
}

/// Returns method and route of every operation.
pub fn operations() -> Vec<(&'static str, String)> {
    let described = GatewayApi::openapi().paths.paths;
    let methods = |(route, item): (String, PathItem)| {
        let methods = [
            ("GET", item.get.is_some()),
            ("POST", item.post.is_some()),
            ("PUT", item.put.is_some()),
            ("PATCH", item.patch.is_some()),
            ("DELETE", item.delete.is_some()),
            ("OPTIONS", item.options.is_some()),
        ];
        let known = methods.into_iter().filter(|(_, is_known)| *is_known);
        known.map(move |(method, _)| (method, route.clone()))
    };
    described.into_iter().flat_map(methods).collect()
}

/// This description, for programs
///
/// OpenAPI 3.1. `maxlab-auth openapi` prints the same.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Service", operation_id = "openapi",
    responses((status = 200, description = "The description.", body = OpenApiDocument, headers(("Cache-Control" = String)))),
)]
pub async fn openapi() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document()));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Extension(SharedBody), TEXT.as_str()).into_response()
}
