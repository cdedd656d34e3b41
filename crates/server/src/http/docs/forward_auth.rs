//! The door for front proxies, in words.

use serde_json::json;

use super::operation::{Operation, USER, answer, query};

pub(super) const TAG: &str = "Forward-auth";

/// The methods that a path can be described with; a proxy asks with whatever its client used.
const METHODS: [(&str, &str); 6] = [
    ("get", "verifyGet"),
    ("post", "verifyPost"),
    ("put", "verifyPut"),
    ("patch", "verifyPatch"),
    ("delete", "verifyDelete"),
    ("options", "verifyOptions"),
];

const IDENTITY: &[&str] = &[
    "Remote-User",
    "Remote-Name",
    "Remote-Email",
    "Remote-Groups",
    "Remote-Roles",
    "X-Auth-Source",
    "Cache-Control",
];

pub(super) fn operations() -> Vec<Operation> {
    let described = METHODS
        .into_iter()
        .map(|(method, id)| (method, verify(method, id)));
    described
        .map(|(method, operation)| {
            if method == "get" {
                sends_to_log_in(operation)
            } else {
                operation
            }
        })
        .collect()
}

fn verify(method: &'static str, id: &str) -> Operation {
    let requirement = |name: &str, example: &str| {
        let description = format!(
            "A {name} that is required. A comma means \"or\"; given again, it is one more requirement. Administrators are in \
             every workspace."
        );
        let schema = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
        query(name, &description, schema, json!([example]))
    };
    // A cookie that acts must prove its origin; reading needs no proof.
    let forbidden = if matches!(method, "get" | "options") {
        "Denied"
    } else {
        "DeniedOrCrossSite"
    };
    Operation::new(method, "/auth/verify", id, "May this request pass, and as whom?")
        .tagged(TAG)
        .described(
            "For `auth_request` and its like, with any method. A yes carries every identity header, empty where there is no \
             value, so that a client's own copies never survive. `X-Forwarded-*` count only from `TRUSTED_PROXIES`. An unknown \
             requirement, or one that names nothing, is 400 and never ignored.",
        )
        .secured(USER)
        .taking(requirement("role", "editor,owner"))
        .taking(requirement("group", "engineering"))
        .taking(requirement("permission", "documents:read"))
        .taking(requirement("workspace", "ws-1"))
        .taking(requirement("scope", "openid"))
        .answers("200", answer("It may.", IDENTITY, json!(null)))
        .may_fail(&[("401", "Unauthorized"), ("403", forbidden), ("503", "Unavailable")])
}

/// Only who goes to a page is sent elsewhere.
fn sends_to_log_in(operation: Operation) -> Operation {
    operation.answers(
        "302",
        answer(
            "A browser that goes to a page is sent to log in, where `LOGIN_URL` is set.",
            &["Location", "Cache-Control"],
            json!(null),
        ),
    )
}
