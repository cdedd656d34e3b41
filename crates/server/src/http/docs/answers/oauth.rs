//! How the OAuth endpoints fail: as RFC 6749 §5.2 has it, or in the authorization server's own words.

use serde_json::{Value, json};

use super::super::operation::{Example, answer, media};
use super::{Named, Said, TOO_LONG, TWO_HOSTS, UNAVAILABLE, both};

/// Failures that the gateway finds itself.
pub(super) fn own() -> Named {
    vec![
        (
            "OAuthBadRequest",
            both(
                oauth_error(
                    "The request cannot be understood (RFC 6749 §5.2). One that is malformed as HTTP is answered with a \
                     problem.",
                    &[],
                    &[(
                        "A missing parameter",
                        "invalid_request",
                        "invalid_request",
                        "The parameter `token` is missing",
                    )],
                ),
                TWO_HOSTS,
            ),
        ),
        (
            "OAuthInvalidClient",
            oauth_error(
                "The client is not known, or did not prove itself (RFC 6749 §5.2).",
                &["WWW-Authenticate"],
                &[(
                    "A wrong secret",
                    "invalid_client",
                    "invalid_client",
                    "Client authentication failed",
                )],
            ),
        ),
        (
            "OAuthUnsupportedMediaType",
            oauth_error(
                "The body is neither a form nor JSON.",
                &[],
                &[(
                    "A body of another kind",
                    "invalid_request",
                    "unsupported_media_type",
                    "Send application/x-www-form-urlencoded or application/json",
                )],
            ),
        ),
        (
            "OAuthUnavailable",
            both(
                oauth_error(
                    UNAVAILABLE,
                    &["Retry-After"],
                    &[(
                        "The store is down",
                        "temporarily_unavailable",
                        "store_unavailable",
                        "The store does not answer; try again",
                    )],
                ),
                TOO_LONG,
            ),
        ),
    ]
}

/// Failures of passing a request on.
pub(super) fn of_passing_on() -> Named {
    let unavailable = |title, detail| (title, "temporarily_unavailable", "upstream_unavailable", detail);
    vec![
        (
            "RelayedBadRequest",
            relayed(
                "The gateway refuses the request (RFC 6749 §5.2), or the authorization server does: then with its own body.",
                &[
                    (
                        "A missing parameter",
                        json!({
                            "error": "invalid_request",
                            "error_description": "The parameter `client_id` is missing",
                            "detail": "The parameter `client_id` is missing",
                            "code": "invalid_request",
                        }),
                    ),
                    (
                        "A revoked refresh token",
                        json!({
                            "error": "invalid_grant",
                            "error_description": "Token has been revoked",
                            "detail": "Token has been revoked",
                            "code": "invalid_grant",
                        }),
                    ),
                    ("A code that was used before", used_before()),
                ],
                TWO_HOSTS,
            ),
        ),
        (
            "Relayed",
            relayed(
                "The authorization server's own refusal, with its status and body; `detail` is added where it has none. The \
                 gateway itself refuses with 401 (a client that cannot be read), 408 (a body that does not arrive), 413 (one \
                 longer than 64 KiB), 414 (a target longer than 8 KiB) and 415 (a body that is neither a form nor JSON).",
                &[("A code that was used before", used_before())],
                (
                    "A body that is too long",
                    413,
                    "payload_too_large",
                    "The body is longer than 65536 bytes",
                ),
            ),
        ),
        (
            "OAuthBadGateway",
            oauth_error(
                "The authorization server cannot be reached, or answered with what the protocol does not know.",
                &["Retry-After"],
                &[unavailable("Unreachable", "OAuth server error")],
            ),
        ),
        (
            "OAuthGatewayTimeout",
            oauth_error(
                "The authorization server did not answer in time (`UPSTREAM_TIMEOUT_SECONDS`).",
                &["Retry-After"],
                &[unavailable("Too slow", "OAuth server timeout")],
            ),
        ),
    ]
}

fn used_before() -> Value {
    json!({
        "error": "invalid_grant",
        "error_description": "The code was used before",
        "detail": "The code was used before",
    })
}

/// An answer of the authorization server or of the gateway itself.
fn relayed(description: &str, examples: &[Example], said: Said) -> Value {
    let content = media("application/json", "RelayedError", examples);
    both(
        answer(description, &["Retry-After?", "WWW-Authenticate?"], content),
        said,
    )
}

/// An answer of RFC 6749 §5.2: what an example is called, `error`, `code` and `detail`.
fn oauth_error(description: &str, headers: &[&str], said: &[(&'static str, &str, &str, &str)]) -> Value {
    let examples: Vec<_> = said
        .iter()
        .map(|&(title, error, code, detail)| {
            let description = detail.replace(['"', '\\'], "'");
            let value =
                json!({ "error": error, "error_description": description, "detail": detail, "code": code });
            (title, value)
        })
        .collect();
    answer(
        description,
        headers,
        media("application/json", "OAuthError", &examples),
    )
}
