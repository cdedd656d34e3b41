//! Answers that many operations share, and the headers that answers bear. What each failure says is `http/error.rs`'s.

mod forward_auth;
mod headers;
mod oauth;

pub(super) use headers::{headers, headers_of};
use serde_json::{Value, json};

use super::operation::{answer, media};

/// What may come of any request: the layers around the handlers answer so (`http/layers`).
pub(super) const ANYWHERE: &[(&str, &str)] = &[
    ("400", "BadRequest"),
    ("408", "RequestTimeout"),
    ("413", "PayloadTooLarge"),
    ("414", "UriTooLong"),
    ("431", "HeadersTooLarge"),
    ("500", "InternalError"),
    ("503", "Unavailable"),
];

/// What may come of showing a credential.
pub(super) const AUTHENTICATED: &[(&str, &str)] = &[("401", "Unauthorized")];

/// What may come of an unsafe method with the cookie.
pub(super) const COOKIE_WRITE: &[(&str, &str)] = &[("401", "Unauthorized"), ("403", "CrossSite")];

/// What may come of reading a form or JSON at an OAuth endpoint.
pub(super) const OAUTH_BODY: &[(&str, &str)] = &[
    ("400", "OAuthBadRequest"),
    ("415", "OAuthUnsupportedMediaType"),
    ("503", "OAuthUnavailable"),
];

/// What may come of passing a request on. The authorization server may refuse with any status, also with those that the
/// gateway uses itself.
pub(super) const PASSED_ON: &[(&str, &str)] = &[
    ("400", "RelayedBadRequest"),
    ("408", "Relayed"),
    ("413", "Relayed"),
    ("414", "Relayed"),
    ("4XX", "Relayed"),
    ("502", "OAuthBadGateway"),
    ("504", "OAuthGatewayTimeout"),
];

const PROBLEM: &str = "application/problem+json";

/// `components.responses`.
pub(super) fn responses() -> Value {
    let all = [
        of_any_route(),
        of_accounts(),
        forward_auth::own(),
        oauth::own(),
        oauth::of_passing_on(),
    ];
    Value::Object(
        all.into_iter()
            .flatten()
            .map(|(name, answer)| (name.to_owned(), answer))
            .collect(),
    )
}

type Named = Vec<(&'static str, Value)>;

fn of_any_route() -> Named {
    vec![
        (
            "BadRequest",
            problem(
                "The request cannot be understood; `detail` says what is wrong and how to mend it.",
                &[],
                &[(
                    "A header that comes twice",
                    400,
                    "invalid_request",
                    "There is more than one Authorization header",
                )],
            ),
        ),
        (
            "RequestTimeout",
            problem(
                "The body did not arrive in time.",
                &[],
                &[(
                    "A slow client",
                    408,
                    "request_timeout",
                    "The body did not arrive in time",
                )],
            ),
        ),
        (
            "PayloadTooLarge",
            problem(
                "The body is longer than 64 KiB.",
                &[],
                &[(
                    "Too long",
                    413,
                    "payload_too_large",
                    "The body is longer than 65536 bytes",
                )],
            ),
        ),
        (
            "UriTooLong",
            problem(
                "Path and query together are longer than 8 KiB.",
                &[],
                &[(
                    "Too long",
                    414,
                    "uri_too_long",
                    "The request's target is longer than 8 KiB",
                )],
            ),
        ),
        (
            "HeadersTooLarge",
            json!({ "description": "The head of the request is longer than 32 KiB. It was not read, so this answer has \
                no body and no `X-Request-ID`, and the connection is closed." }),
        ),
        (
            "InternalError",
            problem(
                "A defect of the gateway. The log has more under the id in `X-Request-ID`.",
                &[],
                &[(
                    "A defect",
                    500,
                    "internal_error",
                    "The gateway failed on this request; its log says more",
                )],
            ),
        ),
        (
            "Unavailable",
            problem(UNAVAILABLE, &["Retry-After"], &UNAVAILABLE_EXAMPLES),
        ),
        (
            "MethodNotAllowed",
            problem(
                "The path does not have this method.",
                &["Allow"],
                &[(
                    "Another method",
                    405,
                    "method_not_allowed",
                    "This path does not have this method; the Allow header names those it has",
                )],
            ),
        ),
    ]
}

const UNAVAILABLE: &str = "Nobody knows: something that must be asked does not answer. The credential may be good, so \
    keep it, and no cookie is cleared. Ask again after `Retry-After`.";

const UNAVAILABLE_EXAMPLES: [Said; 3] = [
    (
        "The store is down",
        503,
        "store_unavailable",
        "The store does not answer; try again",
    ),
    (
        "The authorization server is down",
        503,
        "upstream_unavailable",
        "The authorization server does not answer; try again",
    ),
    TOO_LONG,
];

const CROSS_SITE: Said = (
    "No proof of the same origin",
    403,
    "cross_site_request",
    "A request that acts with the session cookie must come from the same origin (send Origin or Sec-Fetch-Site)",
);

fn of_accounts() -> Named {
    let denied = (
        "Not an administrator",
        403,
        "insufficient_permission",
        "Admin permission required",
    );
    vec![
        (
            "Unauthorized",
            problem(
                "There is no credential, or it is not good.",
                &["WWW-Authenticate"],
                &[
                    (
                        "No credential",
                        401,
                        "missing_credential",
                        "Authentication required",
                    ),
                    ("A token that is not good", 401, "invalid_token", "Invalid token"),
                    ("An expired token", 401, "token_expired", "Token has expired"),
                    ("A revoked token", 401, "token_revoked", "Token has been revoked"),
                    (
                        "An ended session",
                        401,
                        "session_revoked",
                        "Session has been ended",
                    ),
                    (
                        "An unknown session",
                        401,
                        "invalid_session",
                        "Session not found or expired",
                    ),
                ],
            ),
        ),
        (
            "CrossSite",
            problem(
                "It acts with the session cookie and may come from another site.",
                &[],
                &[CROSS_SITE],
            ),
        ),
        (
            "Denied",
            problem(
                "Whoever asks may not; `detail` says what is wanting.",
                &[],
                &[denied],
            ),
        ),
        (
            "DeniedOrCrossSite",
            problem(
                "Whoever asks may not, or a cookie came from another site.",
                &[],
                &[denied, CROSS_SITE],
            ),
        ),
        (
            "NotFound",
            problem(
                "What the path names is not there, or is another's.",
                &[],
                &[(
                    "Another's session",
                    404,
                    "not_found",
                    "Session not found or not owned by user",
                )],
            ),
        ),
        (
            "UnsupportedMediaType",
            problem(
                "The body is not JSON.",
                &[],
                &[(
                    "A body of another kind",
                    415,
                    "unsupported_media_type",
                    "Send application/x-www-form-urlencoded or application/json",
                )],
            ),
        ),
    ]
}

/// What an example is called, its status, `code` and `detail`.
type Said = (&'static str, u16, &'static str, &'static str);

const TWO_HOSTS: Said = (
    "Malformed as HTTP",
    400,
    "invalid_request",
    "There is more than one Host header",
);
pub(super) const TOO_LONG: Said = (
    "It took too long",
    503,
    "timeout",
    "The request took too long; try again",
);

/// An answer of `application/problem+json` (RFC 9457).
pub(super) fn problem(description: &str, headers: &[&str], said: &[Said]) -> Value {
    let examples: Vec<_> = said
        .iter()
        .map(|&(title, status, code, detail)| {
            let reason = axum::http::StatusCode::from_u16(status)
                .ok()
                .and_then(|s| s.canonical_reason());
            let value = json!({
                "type": "about:blank", "title": reason, "status": status, "detail": detail, "code": code,
            });
            (title, value)
        })
        .collect();
    answer(description, headers, media(PROBLEM, "Problem", &examples))
}

/// The same answer, which is a problem where it comes from the layers.
pub(super) fn both(mut answer: Value, said: Said) -> Value {
    answer["content"][PROBLEM] = problem("", &[], &[said])["content"][PROBLEM].take();
    answer
}
