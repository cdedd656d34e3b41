//! The OAuth endpoints, in words.

use serde_json::{Value, json};

use super::answers::{AUTHENTICATED, COOKIE_WRITE, OAUTH_BODY, PASSED_ON};
use super::operation::{CLIENT, Operation, USER, answer, form_or_json, json_answer, query, required};
use super::schemas::{ACCESS_TOKEN, HANDLE, JTI, MOMENT, REFRESH_TOKEN, USER_ID};

pub(super) const TAG: &str = "OAuth";

/// What every answer with a token bears (RFC 6749 §5.1).
const NO_STORE: &str = "Cache-Control";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        authorize(),
        token(),
        validate(),
        userinfo("get"),
        userinfo("post"),
        revoke(),
        introspect(),
    ]
}

fn authorize() -> Operation {
    let word = |word: &str| json!({ "type": "string", "const": word });
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    Operation::new("get", "/oauth/authorize", "authorize", "Begin a login")
        .tagged(TAG)
        .described(
            "Checks what the login asks for and sends the browser to the authorization server. The client and the redirect URI \
             are compared exactly with `ALLOWED_CLIENT_IDS` and `ALLOWED_REDIRECT_URIS`, where those are set. PKCE with S256 is \
             required.\n\nAny other parameter is passed on; none may come twice. The query is at most 8 KiB long.",
        )
        .taking(required(query("response_type", "A code is the only way (RFC 6749 §4.1.1).", word("code"), "code")))
        .taking(required(query("client_id", "The client.", json!({ "type": "string", "minLength": 1 }), "maxlab-dev")))
        .taking(required(query(
            "redirect_uri",
            "Where the browser comes back to: an absolute URL without a fragment.",
            json!({ "type": "string", "format": "uri" }),
            "http://localhost:3000/callback",
        )))
        .taking(required(query(
            "code_challenge",
            "The base64url SHA-256 of the verifier (RFC 7636 §4.2).",
            json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{43}$" }),
            challenge,
        )))
        .taking(required(query("code_challenge_method", "How it was made.", word("S256"), "S256")))
        .taking(query("state", "Comes back with the code, to be compared.", json!({ "type": "string" }), "af0ifjsldkj"))
        .taking(query("scope", "What is asked for.", json!({ "type": "string" }), "openid profile offline_access"))
        .answers("302", answer("To the authorization server.", &["Location", NO_STORE], Value::Null))
        .may_fail(PASSED_ON)
}

fn token() -> Operation {
    let code = json!({
        "grant_type": "authorization_code",
        "code": "SplxlOBeZQQYbYS6WxSbIA",
        "redirect_uri": "http://localhost:3000/callback",
        "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "client_id": "maxlab-dev",
    });
    let refresh =
        json!({ "grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN, "client_id": "maxlab-dev" });
    let granted = json!({
        "access_token": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": REFRESH_TOKEN,
        "scope": "openid profile offline_access",
    });
    Operation::new("post", "/oauth/token", "token", "Exchange a code or a refresh token")
        .tagged(TAG)
        .described(
            "Passed on to the authorization server, with the client as it was shown. A code begins a session: its cookie is set \
             and `X-Session-ID` names it.\n\nA revoked refresh token is refused before the authorization server is asked. \
             However many ask with one refresh token at once, it is exchanged once, and all get the same answer.",
        )
        .secured(CLIENT)
        .with_body(form_or_json("TokenRequest", &[("A code", code), ("A refresh token", refresh)]))
        .answers(
            "200",
            json_answer(
                "Tokens, as the authorization server gave them.",
                &[NO_STORE, "Set-Cookie?", "X-Session-ID?"],
                "TokenResponse",
                &[("New tokens", granted)],
            ),
        )
        .may_fail(OAUTH_BODY)
        .may_fail(PASSED_ON)
        .may_fail(&[("401", "Relayed"), ("415", "Relayed")])
}

fn validate() -> Operation {
    let good = json!({
        "valid": true,
        "token_type": "access_token",
        "user_id": USER_ID,
        "client_id": "maxlab-dev",
        "scope": "openid profile",
        "expires_at": MOMENT,
        "verification_source": "local_jwt",
    });
    let refresh = json!({ "valid": true, "token_type": "refresh_token", "user_id": USER_ID });
    let bad = json!({ "valid": false, "reason": "Token is blacklisted", "code": "token_revoked" });
    Operation::new("post", "/oauth/token/validate", "validateToken", "Ask whether a token is good")
        .tagged(TAG)
        .described(
            "The full verification: signature or authorization server, claims, and revocation. A refresh token is good if it \
             was given out through this gateway.",
        )
        .with_body(form_or_json(
            "ValidateRequest",
            &[
                ("An access token", json!({ "access_token": ACCESS_TOKEN })),
                ("A refresh token", json!({ "refresh_token": REFRESH_TOKEN })),
            ],
        ))
        .answers(
            "200",
            json_answer(
                "Whether it is good; a bad token is an answer too.",
                &[],
                "Validation",
                &[("A good access token", good), ("A good refresh token", refresh), ("A revoked token", bad)],
            ),
        )
        .may_fail(OAUTH_BODY)
}

fn userinfo(method: &'static str) -> Operation {
    let (id, failures) = match method {
        "get" => ("userinfo", AUTHENTICATED),
        _ => ("userinfoByPost", COOKIE_WRITE),
    };
    Operation::new(
        method,
        "/oauth/userinfo",
        id,
        "Who is asking, in the names of OpenID Connect",
    )
    .tagged(TAG)
    .described("OpenID Connect Core §5.3, with the lists that the guide's clients read.")
    .secured(USER)
    .answers(
        "200",
        json_answer(
            "Who is asking.",
            &[],
            "Userinfo",
            &[(
                "A member",
                json!({
                    "sub": USER_ID,
                    "email": "member@example.test",
                    "name": "Member",
                    "picture": null,
                    "roles": ["user"],
                    "permissions": ["documents:read", "documents:write"],
                    "groups": ["engineering"],
                    "workspaces": ["ws-1"],
                    "verified_at": MOMENT,
                }),
            )],
        ),
    )
    .may_fail(failures)
}

fn revoke() -> Operation {
    Operation::new("post", "/oauth/revoke", "revokeToken", "Revoke a token")
        .tagged(TAG)
        .described(
            "RFC 7009. When this answers 200 the revocation is durable and no instance accepts the token any more; the \
             authorization server is told of it until it has acknowledged. A token that is not good is a success too: there \
             is nothing left to revoke.\n\nA refresh token takes its session and that session's access tokens along; an access \
             token goes alone.",
        )
        .secured(CLIENT)
        .with_body(form_or_json(
            "RevokeRequest",
            &[
                ("A refresh token", json!({ "token": REFRESH_TOKEN, "token_type_hint": "refresh_token", "client_id": "maxlab-dev" })),
                ("An access token", json!({ "token": ACCESS_TOKEN, "client_id": "maxlab-dev" })),
            ],
        ))
        .answers(
            "200",
            json_answer(
                "It is revoked, or there was nothing to revoke.",
                &[NO_STORE],
                "Revoked",
                &[("Revoked", json!({ "status": "success" }))],
            ),
        )
        .may_fail(OAUTH_BODY)
        .may_fail(&[("401", "OAuthInvalidClient")])
}

fn introspect() -> Operation {
    let active = json!({
        "active": true,
        "token_type": "Bearer",
        "sub": USER_ID,
        "username": "Member",
        "client_id": "maxlab-dev",
        "scope": "openid profile",
        "exp": 1_772_444_700,
        "iat": 1_772_443_800,
        "jti": JTI,
        "sid": HANDLE,
        "email": "member@example.test",
        "roles": ["user"],
        "permissions": ["documents:read", "documents:write"],
        "groups": ["engineering"],
        "workspaces": ["ws-1"],
    });
    Operation::new("post", "/oauth/introspect", "introspectToken", "What is known of an access token")
        .tagged(TAG)
        .described("RFC 7662, for the clients in `INTROSPECTION_CLIENTS`: by HTTP Basic, or with `client_id` and `client_secret`.")
        .secured(CLIENT)
        .with_body(form_or_json("IntrospectRequest", &[("An access token", json!({ "token": ACCESS_TOKEN }))]))
        .answers(
            "200",
            json_answer(
                "What is known.",
                &[NO_STORE],
                "Introspection",
                &[("A good token", active), ("Any other", json!({ "active": false }))],
            ),
        )
        .may_fail(OAUTH_BODY)
        .may_fail(&[("401", "OAuthInvalidClient")])
}
