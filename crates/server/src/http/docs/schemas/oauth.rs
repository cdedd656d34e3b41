//! Bodies of the OAuth endpoints.

use serde_json::{Value, json};

use super::{
    Named, count, list, moment_or_null, object, open, seconds, text, text_or_null, truth, word, words,
};

const LAYERS: [&str; 4] = ["oauth_userinfo", "traditional_auth", "introspection", "local_jwt"];

/// Which layer verified a credential.
pub(super) fn verification_source() -> Value {
    words(
        "The layer that verified the credential (`VERIFY_LAYERS`).",
        &LAYERS,
    )
}

pub(super) fn schemas() -> Named {
    let mut all = requests();
    all.extend(answers());
    all
}

fn client(mut properties: Value) -> Value {
    properties["client_id"] = text_or_null("The client, unless it is named by HTTP Basic.");
    properties["client_secret"] = text_or_null("Its secret, unless it is shown by HTTP Basic.");
    properties
}

/// A parameter that is there; an empty one is as good as absent (RFC 6749 §3.1).
fn given(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description })
}

/// The same parameters, with room for more of them: each a plain value, none twice.
fn parameters(mut schema: Value) -> Value {
    schema["additionalProperties"] = json!({ "type": ["string", "number", "boolean", "null"] });
    schema
}

/// The same object, with at least one of these members.
fn one_of(names: &[&str], mut schema: Value) -> Value {
    schema["anyOf"] = names.iter().map(|name| json!({ "required": [name] })).collect();
    schema
}

fn requests() -> Named {
    vec![
        (
            "TokenRequest",
            parameters(object(
                "RFC 6749 §4.1.3 and §6. Every parameter is passed on to the authorization server, unknown ones too. In JSON \
                 each is a string; a number or a boolean is read as its text, `null` as absent.",
                &["grant_type"],
                client(json!({
                    "grant_type": given("`authorization_code`, `refresh_token`, or another that the authorization server knows."),
                    "code": text_or_null("For `authorization_code`: the code."),
                    "redirect_uri": text_or_null("For `authorization_code`: the redirect URI of the login."),
                    "code_verifier": text_or_null("For `authorization_code`: what the challenge was made from (RFC 7636 §4.5)."),
                    "refresh_token": text_or_null("For `refresh_token`: the refresh token."),
                    "scope": text_or_null("The scope, separated by spaces."),
                })),
            )),
        ),
        (
            "ValidateRequest",
            one_of(
                &["refresh_token", "access_token", "token"],
                parameters(object(
                    "A token to be looked at. Where there are several, `refresh_token` goes before `access_token`, and that before \
                 `token`.",
                    &[],
                    json!({
                        "refresh_token": given("A refresh token."),
                        "access_token": given("An access token."),
                        "token": given("An access token."),
                    }),
                )),
            ),
        ),
        (
            "RevokeRequest",
            parameters(object(
                "RFC 7009 §2.1.",
                &["token"],
                client(json!({
                    "token": given("The access or refresh token, at most 16 KiB long."),
                    "token_type_hint": text_or_null("`access_token` or `refresh_token`; any other word is as good as none."),
                })),
            )),
        ),
        (
            "IntrospectRequest",
            parameters(object(
                "RFC 7662 §2.1.",
                &["token"],
                client(json!({
                    "token": given("The access token."),
                    "token_type_hint": text_or_null("Not read: only access tokens are told of."),
                })),
            )),
        ),
    ]
}

fn answers() -> Named {
    vec![
        (
            "TokenResponse",
            open(object(
                "RFC 6749 §5.1: the authorization server's answer with all of its members, `id_token` and unknown ones too.",
                &["access_token"],
                json!({
                    "access_token": text("The access token."),
                    "token_type": { "description": "`Bearer`, as a rule." },
                    "expires_in": { "type": ["integer", "null"], "minimum": 0, "description": "Its life in seconds." },
                    "refresh_token": text_or_null("The refresh token; it is good once."),
                    "scope": { "description": "The scope that was granted, where it is not the one asked for." },
                    "id_token": { "description": "Who logged in (OpenID Connect Core §2)." },
                }),
            )),
        ),
        (
            "Validation",
            json!({
                "description": "Whether the token is good.",
                "oneOf": [
                    { "$ref": "#/components/schemas/GoodAccessToken" },
                    { "$ref": "#/components/schemas/GoodRefreshToken" },
                    { "$ref": "#/components/schemas/BadToken" },
                ],
            }),
        ),
        ("GoodAccessToken", good_access_token()),
        (
            "GoodRefreshToken",
            object(
                "A refresh token that was given out here and is not revoked.",
                &["valid", "token_type", "user_id"],
                json!({
                    "valid": { "const": true, "description": "It is good." },
                    "token_type": word("refresh_token", "What it is."),
                    "user_id": text("Whose it is."),
                }),
            ),
        ),
        (
            "BadToken",
            object(
                "A token that is not good.",
                &["valid", "reason", "code"],
                json!({
                    "valid": { "const": false, "description": "It is not good." },
                    "reason": text("Why, to be read."),
                    "code": words(
                        "Why, to be compared.",
                        &["invalid_token", "token_expired", "token_revoked", "session_revoked"],
                    ),
                }),
            ),
        ),
        (
            "Revoked",
            object(
                "It is revoked: durably, and on every instance.",
                &["status"],
                json!({ "status": word("success", "It is done.") }),
            ),
        ),
        ("Introspection", introspection()),
        ("Userinfo", userinfo()),
    ]
}

fn good_access_token() -> Value {
    object(
        "An access token that verifies and is not revoked.",
        &[
            "valid",
            "token_type",
            "user_id",
            "client_id",
            "scope",
            "expires_at",
            "verification_source",
        ],
        json!({
            "valid": { "const": true, "description": "It is good." },
            "token_type": word("access_token", "What it is."),
            "user_id": text("Whose it is."),
            "client_id": text_or_null("The client that it was issued to."),
            "scope": text("Its scope, separated by spaces; empty where it is not known."),
            "expires_at": moment_or_null("When it expires, where that is known."),
            "verification_source": verification_source(),
        }),
    )
}

fn introspection() -> Value {
    object(
        "RFC 7662 §2.2. Of a token that is not good there is `active` alone.",
        &["active"],
        json!({
            "active": truth("Whether the token is good."),
            "token_type": word("Bearer", "How it is used."),
            "sub": text("Whose it is."),
            "username": text("Their name."),
            "client_id": text("The client that it was issued to."),
            "scope": text("Its scope, separated by spaces."),
            "exp": seconds("When it expires, in seconds since 1970."),
            "iat": seconds("When it was issued, in seconds since 1970."),
            "jti": text("Its name, where it has one."),
            "sid": text("Its session."),
            "email": text("E-mail address."),
            "roles": list("Roles."),
            "permissions": list("Permissions."),
            "groups": list("Groups."),
            "workspaces": list("Workspaces."),
        }),
    )
}

fn userinfo() -> Value {
    object(
        "Who is asking, in the names of OpenID Connect.",
        &[
            "sub",
            "email",
            "name",
            "picture",
            "roles",
            "permissions",
            "groups",
            "workspaces",
            "verified_at",
        ],
        json!({
            "sub": text("The subject, never empty."),
            "email": text_or_null("E-mail address."),
            "name": text_or_null("A name to show."),
            "picture": text_or_null("Address of a picture."),
            "roles": list("Roles."),
            "permissions": list("Permissions."),
            "groups": list("Groups."),
            "workspaces": list("Workspaces."),
            "verified_at": super::moment("When the credential was verified."),
        }),
    )
}

/// The answer of a logout everywhere: how much was ended.
pub(super) fn ended(mut properties: Value) -> Value {
    properties["tokens_blacklisted"] = count("How many tokens were known and are revoked by name.");
    properties["sessions_invalidated"] = count("How many sessions were ended.");
    properties["timestamp"] = super::moment("When.");
    properties
}
