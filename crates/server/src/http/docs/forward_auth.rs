//! The door for front proxies, in words.

use serde_json::json;

use super::operation::{Operation, USER, answer, json_answer, query};

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
    "X-Auth-Identity?",
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
        .chain([jwks()])
        .collect()
}

fn jwks() -> Operation {
    let keys = json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
        "kid": "vkj2Qq9GbiZJDd2iinydCFnYXE0qyIOHJJc6qWKtYq8",
        "x": "erTr-VSaPQkXTA6XNvRaw2k_qOcdpyMUgTqynmnNHww",
        "y": "m8x9np0Js6LvqUpe_8uq5WEDUQPRqF1fGFxhTahLh_4",
    }] });
    Operation::new("get", "/.well-known/jwks.json", "jwks", "The keys that check X-Auth-Identity")
        .tagged(TAG)
        .described(
            "A JWK Set (RFC 7517): the first key signs, and the others are published before they sign or after they did. Keep it \
             for as long as `Cache-Control` says. Where `IDENTITY_TOKEN` is off, this path is not there.",
        )
        .answers("200", json_answer("The keys.", &["Cache-Control"], "IdentityKeys", &[("One key", keys)]))
        .may_fail(&[("404", "NotFound")])
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
        "VerifyDenied"
    } else {
        "VerifyDeniedOrCrossSite"
    };
    Operation::new(method, "/auth/verify", id, "May this request pass, and as whom?")
        .tagged(TAG)
        .described(
            "For `auth_request` and its like, with any method. A yes carries every identity header, empty where there is no \
             value, so that a client's own copies never survive. `X-Forwarded-*` count only from `TRUSTED_PROXIES`. An unknown \
             requirement, or one that names nothing, is 400 and never ignored.\n\nWith `POLICY_FILE` the policy is asked about the \
             original method, host and path too. An original request that can be read in more ways than one is 400. What the policy \
             calls public is answered 200 to anybody, with identity headers that are empty where nobody is known.",
        )
        .secured(USER)
        .taking(requirement("role", "editor,owner"))
        .taking(requirement("group", "engineering"))
        .taking(requirement("permission", "documents:read"))
        .taking(requirement("workspace", "ws-1"))
        .taking(requirement("scope", "openid"))
        .answers("200", answer("It may.", IDENTITY, json!(null)))
        .may_fail(&[
            ("400", "VerifyBadRequest"),
            ("401", "Unauthorized"),
            ("403", forbidden),
            ("503", "Unavailable"),
        ])
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
