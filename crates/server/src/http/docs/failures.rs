//! Failures that several operations share: `components.responses`. Status, code and text come from [`ErrorCode`].

use std::collections::BTreeMap;

use axum::http::StatusCode;
use maxlab_auth_core::error_code::ErrorCode;
use serde_json::{Map, Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::{Ref, RefOr, Response};

/// Form of an error body.
#[derive(Clone, Copy, PartialEq)]
enum ErrorForm {
    /// Problem details (RFC 9457).
    Problem,
    /// RFC 6749 §5.2, with `detail` and `code`.
    OAuth,
    /// Body of the authorization server, or of the gateway in the form of [`Self::OAuth`].
    Relayed,
}

/// Failure with one status.
pub(super) struct SharedResponse {
    pub(super) name: &'static str,
    description: &'static str,
    headers: &'static [&'static str],
    form: ErrorForm,
    codes: &'static [ErrorCode],
    /// Codes that come from the layers, as a problem even at an OAuth endpoint.
    layer_codes: &'static [ErrorCode],
}

const fn failure(
    name: &'static str,
    description: &'static str,
    headers: &'static [&'static str],
    form: ErrorForm,
    codes: &'static [ErrorCode],
) -> SharedResponse {
    SharedResponse {
        name,
        description,
        headers,
        form,
        codes,
        layer_codes: &[],
    }
}

const fn with_layer_codes(mut response: SharedResponse, layer_codes: &'static [ErrorCode]) -> SharedResponse {
    response.layer_codes = layer_codes;
    response
}

const UNAVAILABLE: &str = "The gateway cannot tell: a component does not answer. The credential may be valid: keep it, and \
    no cookie is cleared. Try again after `Retry-After`.";
const RATE_LIMITED: &str = "The caller has reached its limit (`RATE_LIMIT_PER_ADDRESS`, `_CLIENT`, `_PERSON`). Nothing was \
    done. Answers from memory are not limited.";

use ErrorCode as Code;
use ErrorForm::{OAuth, Problem, Relayed};

/// Every shared failure. A name with `OrCrossSite` is derived by `complete` for unsafe methods with the cookie.
#[rustfmt::skip]
pub(super) const SHARED_RESPONSES: [SharedResponse; 29] = [
    failure("BadRequest", "The request cannot be understood. `detail` says what is wrong and how to fix it.", &[], Problem, &[Code::InvalidRequest]),
    failure("RequestTimeout", "The body did not arrive in time.", &[], Problem, &[Code::RequestTimeout]),
    failure("PayloadTooLarge", "The body is longer than 64 KiB.", &[], Problem, &[Code::PayloadTooLarge]),
    failure("UriTooLong", "Path and query together are longer than 8 KiB.", &[], Problem, &[Code::UriTooLong]),
    failure("UnsupportedTransferCoding", "The body has a transfer coding other than `chunked`. The connection is closed.", &[], Problem, &[Code::UnsupportedTransferCoding]),
    failure("HeadersTooLarge", "The head of the request is longer than 32 KiB. It was not read: this answer has no body and no `X-Request-ID`, and the connection is closed.", &[], Problem, &[]),
    failure("InternalError", "A defect of the gateway. The log has more under the id in `X-Request-ID`.", &[], Problem, &[Code::InternalError]),
    failure("Unavailable", UNAVAILABLE, &["Retry-After"], Problem, &[Code::StoreUnavailable, Code::UpstreamUnavailable, Code::TooManyUnproven, Code::Timeout, Code::Overloaded]),
    failure("RateLimited", RATE_LIMITED, &["Retry-After"], Problem, &[Code::RateLimited]),
    failure("MethodNotAllowed", "The path does not have this method.", &["Allow"], Problem, &[Code::MethodNotAllowed]),
    failure("Unauthorized", "There is no credential, or it is not valid.", &["WWW-Authenticate"], Problem, &[Code::MissingCredential, Code::InvalidToken, Code::TokenExpired, Code::TokenRevoked, Code::SessionRevoked, Code::InvalidSession]),
    failure("CrossSite", "The request acts with the session cookie and may come from another site.", &[], Problem, &[Code::CrossSiteRequest]),
    failure("Denied", "The user lacks a permission. `detail` says which one.", &[], Problem, &[Code::InsufficientPermission]),
    failure("DeniedOrCrossSite", "The user lacks a permission, or the request acts with the cookie and may come from another site.", &[], Problem, &[Code::InsufficientPermission, Code::CrossSiteRequest]),
    failure("NotFound", "There is no such resource, or it belongs to another user.", &[], Problem, &[Code::NotFound]),
    failure("UnsupportedMediaType", "The body is not JSON.", &[], Problem, &[Code::UnsupportedMediaType]),
    failure("VerifyBadRequest", "The question cannot be understood, or the original request can be read in more than one way.", &[], Problem, &[Code::InvalidRequest, Code::AmbiguousRequest]),
    failure("VerifyDenied", "The user lacks a requirement, or the policy allows the request to no one.", &[], Problem, &[Code::InsufficientPermission, Code::PolicyDenied]),
    failure("VerifyDeniedOrCrossSite", "The user lacks a requirement, the policy allows the request to no one, or the request acts with the cookie and may come from another site.", &[], Problem, &[Code::InsufficientPermission, Code::PolicyDenied, Code::CrossSiteRequest]),
    with_layer_codes(failure("OAuthBadRequest", "The request cannot be understood (RFC 6749 §5.2). If it is malformed as HTTP, the answer is a problem.", &[], OAuth, &[Code::InvalidRequest]), &[Code::InvalidRequest]),
    failure("OAuthInvalidClient", "The client is unknown or did not authenticate (RFC 6749 §5.2).", &["WWW-Authenticate"], OAuth, &[Code::InvalidClient]),
    failure("OAuthUnsupportedMediaType", "The body is neither a form nor JSON.", &[], OAuth, &[Code::UnsupportedMediaType]),
    failure("OAuthRateLimited", RATE_LIMITED, &["Retry-After"], OAuth, &[Code::RateLimited]),
    with_layer_codes(failure("OAuthUnavailable", UNAVAILABLE, &["Retry-After"], OAuth, &[Code::StoreUnavailable, Code::UpstreamUnavailable, Code::TooManyUnproven]), &[Code::Timeout, Code::Overloaded]),
    with_layer_codes(failure("RelayedBadRequest", "The gateway refuses the request (RFC 6749 §5.2), or the authorization server does, with its own body.", &["Retry-After?", "WWW-Authenticate?"], Relayed, &[Code::InvalidRequest, Code::InvalidGrant]), &[Code::InvalidRequest]),
    with_layer_codes(failure("Relayed", "The authorization server refuses, with its own status and body; `detail` is added if it has none. The gateway itself refuses with 401 (a client that cannot be read), 408, 413, 414, and 415 (neither a form nor JSON).", &["Retry-After?", "WWW-Authenticate?"], Relayed, &[Code::InvalidClient, Code::UnsupportedMediaType]), &[Code::RequestTimeout, Code::PayloadTooLarge, Code::UriTooLong]),
    failure("RelayedRateLimited", "The caller has reached its limit (`RATE_LIMIT_PER_ADDRESS`, `_CLIENT`) and nothing was done; or the authorization server answers 429, with its own body.", &["Retry-After"], Relayed, &[Code::RateLimited]),
    failure("OAuthBadGateway", "The authorization server cannot be reached, or its answer does not follow the protocol.", &["Retry-After"], OAuth, &[Code::UpstreamFailed]),
    failure("OAuthGatewayTimeout", "The authorization server did not answer in time (`UPSTREAM_TIMEOUT_SECONDS`).", &["Retry-After"], OAuth, &[Code::UpstreamTimeout]),
];

/// Returns a shared failure as the document has it.
pub(super) fn shared_response(response: &SharedResponse) -> Value {
    let mut answer = json!({ "description": response.description });
    let mut content = Map::new();
    if !response.codes.is_empty() {
        let (kind, schema) = match response.form {
            Problem => ("application/problem+json", "Problem"),
            OAuth => ("application/json", "OAuthError"),
            Relayed => ("application/json", "RelayedError"),
        };
        content.insert(kind.to_owned(), media(schema, response.form, response.codes));
    }
    if !response.layer_codes.is_empty() {
        let problem = media("Problem", Problem, response.layer_codes);
        content.insert("application/problem+json".to_owned(), problem);
    }
    if !content.is_empty() {
        answer["content"] = Value::Object(content);
    }
    for header in response.headers {
        let (name, kind) = match header.strip_suffix('?') {
            Some(name) => (name, json!(["string", "null"])),
            None => (*header, json!("string")),
        };
        answer["headers"][name] = json!({ "schema": { "type": kind } });
    }
    answer
}

fn media(schema: &str, form: ErrorForm, codes: &[ErrorCode]) -> Value {
    let examples = codes.iter().map(|code| {
        let value = json!({ "summary": code.as_str(), "value": error_body(form, *code) });
        (code.as_str().to_owned(), value)
    });
    json!({
        "schema": { "$ref": format!("#/components/schemas/{schema}") },
        "examples": Value::Object(examples.collect()),
    })
}

fn error_body(form: ErrorForm, code: ErrorCode) -> Value {
    let (status, detail) = (code.status(), code.detail());
    if form == Problem {
        let reason = StatusCode::from_u16(status)
            .ok()
            .and_then(|s| s.canonical_reason());
        return json!({ "type": "about:blank", "title": reason, "status": status, "detail": detail, "code": code.as_str() });
    }
    json!({ "error": code.oauth_error(), "error_description": detail, "detail": detail, "code": code.as_str() })
}

/// Defines a type for `responses(…)` of `#[utoipa::path]` that adds shared failures.
macro_rules! failure_sets {
    ($($(#[$doc:meta])* $set:ident: $($status:literal => $name:literal),+;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $set;

        impl IntoResponses for $set {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let reference = |name: &str| RefOr::Ref(Ref::from_response_name(name));
                BTreeMap::from([$(($status.to_owned(), reference($name))),+])
            }
        }
    )+};
}

failure_sets! {
    /// Permission of the user.
    DeniedFailure: "403" => "Denied";
    /// Resource named by the path.
    NotFoundFailure: "404" => "NotFound";
    /// Path that another route has with another method.
    MethodFailure: "405" => "MethodNotAllowed";
    /// Route without a credential that is limited by address.
    RateLimitFailure: "429" => "RateLimited";
    /// JSON body.
    JsonBodyFailures: "415" => "UnsupportedMediaType";
    /// Question of a front proxy.
    VerifyFailures: "400" => "VerifyBadRequest", "403" => "VerifyDenied";
    /// Client authentication at an OAuth endpoint.
    OAuthClientFailure: "401" => "OAuthInvalidClient";
    /// Form or JSON body at an OAuth endpoint.
    OAuthBodyFailures: "400" => "OAuthBadRequest", "415" => "OAuthUnsupportedMediaType", "429" => "OAuthRateLimited",
        "503" => "OAuthUnavailable";
    /// Request that is passed on. The authorization server may refuse with any status, also with those that the
    /// gateway uses itself.
    RelayFailures: "400" => "RelayedBadRequest", "408" => "Relayed", "413" => "Relayed", "414" => "Relayed",
        "429" => "RelayedRateLimited", "4XX" => "Relayed", "502" => "OAuthBadGateway", "504" => "OAuthGatewayTimeout";
    /// Body of a request that is passed on.
    RelayedBodyFailures: "401" => "Relayed", "415" => "Relayed", "503" => "OAuthUnavailable";
}
