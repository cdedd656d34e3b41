//! Schemas of bodies that no type of this crate has: core's types, bodies that are read member by member, and bodies of
//! the authorization server.
#![expect(dead_code, reason = "only the derived schemas are used")]

mod errors;

pub(crate) use errors::*;

use std::collections::BTreeMap;

use jiff::Timestamp;
use maxlab_auth_core::audit::AuditKind;
use maxlab_auth_core::identity::VerificationSource;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

/// Returns the schema of a string that is one of these words.
pub(crate) fn string_enum(description: &str, words: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .description(Some(description))
        .enum_values(Some(words))
        .build()
}

pub(crate) fn verification_source() -> Object {
    use VerificationSource as Source;
    let layers = [
        Source::OauthUserinfo,
        Source::TraditionalAuth,
        Source::Introspection,
        Source::LocalJwt,
    ];
    string_enum(
        "Layer that verified the credential (`VERIFY_LAYERS`).",
        layers.map(Source::as_str),
    )
}

pub(crate) fn audit_kind() -> Object {
    string_enum("Kind of the event.", AuditKind::ALL.map(AuditKind::as_str))
}

fn audit_result() -> Object {
    string_enum("Outcome.", ["success", "denied", "unfinished"])
}

/// Identity of a user, in one form for all layers.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Identity, example = json!({"user_id": "dev-member", "issuer": "https://auth.example.com", "email": "member@example.test", "name": "Member",
    "avatar": "https://example.test/people/member.png", "roles": ["user"], "permissions": ["documents:read"],
    "groups": ["engineering"], "workspaces": ["ws-1"], "scope": ["openid", "profile"], "client_id": "maxlab-dev",
    "session_id": super::HANDLE, "sid": "08a5019c-17e1-4977-8f42-65a12843ea02", "verification_source": "local_jwt",
    "verified_at": "2026-03-02T09:30:00Z", "is_admin": false}))]
pub(crate) struct IdentityBody {
    /// Id of the user at the issuer.
    #[schema(min_length = 1)]
    user_id: String,
    /// Issuer of the user; `null` if the URL of the configured authorization server is not known.
    #[schema(required)]
    issuer: Option<String>,
    /// E-mail address.
    #[schema(required)]
    email: Option<String>,
    /// Display name.
    #[schema(required)]
    name: Option<String>,
    /// URL of a picture.
    #[schema(required)]
    avatar: Option<String>,
    roles: Vec<String>,
    permissions: Vec<String>,
    groups: Vec<String>,
    /// Workspaces, from the claims and, if configured, from the database.
    workspaces: Vec<String>,
    /// Scope of the token.
    scope: Vec<String>,
    /// OAuth client that the token was issued to.
    #[schema(required)]
    client_id: Option<String>,
    /// Public handle of the gateway's session, if the credential is its cookie.
    #[schema(required)]
    session_id: Option<String>,
    /// Session at the authorization server.
    #[schema(required)]
    sid: Option<String>,
    #[schema(schema_with = verification_source)]
    verification_source: String,
    /// Time of the verification.
    verified_at: Timestamp,
    /// `true` for an administrator (`ADMIN_ROLES`).
    is_admin: bool,
}

/// Audit event: who did what, when, from where, and with which outcome.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuditEvent)]
pub(crate) struct AuditEventBody {
    /// Time-ordered id.
    #[schema(format = "uuid")]
    id: String,
    /// Time of the event.
    at: Timestamp,
    #[schema(schema_with = audit_kind)]
    kind: String,
    /// User id of the actor, or `cli`.
    #[schema(required)]
    actor: Option<String>,
    /// User id of the user who is affected.
    #[schema(required)]
    user_id: Option<String>,
    /// Object of the operation: a session handle, a token key, a route.
    #[schema(required)]
    target: Option<String>,
    /// Address of the client.
    #[schema(required)]
    ip_address: Option<String>,
    /// Id of the request, as in `X-Request-ID` and the log.
    #[schema(required)]
    request_id: Option<String>,
    #[schema(schema_with = audit_result)]
    result: String,
    /// Number of occurrences: refusals of one user and kind within a minute are one event.
    #[schema(minimum = 1)]
    count: u64,
    /// Free text for people.
    #[schema(required)]
    detail: Option<String>,
}

/// Parameters of RFC 6749 §4.1.3 and §6. All are passed on to the authorization server, also unknown ones. In JSON,
/// each is a string; `null` counts as absent.
#[derive(ToSchema)]
pub(crate) struct TokenRequest {
    /// `authorization_code`, `refresh_token`, or another one that the authorization server knows.
    #[schema(min_length = 1)]
    grant_type: String,
    /// For `authorization_code`: the code.
    code: Option<String>,
    /// For `authorization_code`: the redirect URI of the login.
    redirect_uri: Option<String>,
    /// For `authorization_code`: the verifier of the challenge (RFC 7636 §4.5).
    code_verifier: Option<String>,
    /// For `refresh_token`: the refresh token.
    refresh_token: Option<String>,
    /// Scope, separated by spaces.
    scope: Option<String>,
    /// Client, unless HTTP Basic names it.
    client_id: Option<String>,
    /// Secret of the client, unless HTTP Basic has it.
    client_secret: Option<String>,
}

/// RFC 6749 §5.1: the answer of the authorization server with all of its members.
#[derive(ToSchema)]
#[schema(example = json!({"access_token": "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJkZXYtbWVtYmVyIn0.c2lnbmF0dXJl",
    "token_type": "Bearer", "expires_in": 900, "refresh_token": "rt_8Jk2mPq4Vx0sZ1", "scope": "openid profile"}))]
pub(crate) struct TokenResponse {
    access_token: String,
    /// Usually `Bearer`.
    token_type: Option<Value>,
    /// Lifetime in seconds.
    expires_in: Option<u64>,
    /// Refresh token, valid once.
    refresh_token: Option<String>,
    /// Granted scope, if it differs from the requested one.
    scope: Option<Value>,
    /// ID token (OpenID Connect Core §2).
    id_token: Option<Value>,
}

/// Token to validate: one of the members. `refresh_token` goes before `access_token`, and that before `token`.
#[derive(ToSchema)]
pub(crate) struct ValidateRequest {
    /// Refresh token.
    #[schema(min_length = 1, nullable = false)]
    refresh_token: Option<String>,
    /// Access token.
    #[schema(min_length = 1, nullable = false)]
    access_token: Option<String>,
    /// Access token.
    #[schema(min_length = 1, nullable = false)]
    token: Option<String>,
}

/// RFC 7009 §2.1, and RFC 7662 §2.1.
#[derive(ToSchema)]
pub(crate) struct TokenReference {
    /// Token, at most 16 KiB long.
    #[schema(min_length = 1)]
    token: String,
    /// `access_token` or `refresh_token`. Any other word is ignored; introspection does not read it.
    token_type_hint: Option<String>,
    /// Client, unless HTTP Basic names it.
    client_id: Option<String>,
    /// Secret of the client, unless HTTP Basic has it.
    client_secret: Option<String>,
}

/// RFC 7662 §2.2. A token that is not active has the member `active` only.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Introspection {
    /// `true` if the token is valid.
    active: bool,
    /// Always `Bearer`.
    #[schema(nullable = false)]
    token_type: Option<String>,
    /// User id.
    #[schema(nullable = false)]
    sub: Option<String>,
    /// Issuer of the user; left out for the configured authorization server.
    #[schema(nullable = false)]
    iss: Option<String>,
    /// Display name.
    #[schema(nullable = false)]
    username: Option<String>,
    /// Client that the token was issued to.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// Scope, separated by spaces.
    #[schema(nullable = false)]
    scope: Option<String>,
    /// Expiry, in seconds since 1970.
    #[schema(nullable = false)]
    exp: Option<i64>,
    /// Issue time, in seconds since 1970.
    #[schema(nullable = false)]
    iat: Option<i64>,
    /// Id of the token.
    #[schema(nullable = false)]
    jti: Option<String>,
    /// Session of the token.
    #[schema(nullable = false)]
    sid: Option<String>,
    /// E-mail address.
    #[schema(nullable = false)]
    email: Option<String>,
    #[schema(nullable = false)]
    roles: Option<Vec<String>>,
    #[schema(nullable = false)]
    permissions: Option<Vec<String>>,
    #[schema(nullable = false)]
    groups: Option<Vec<String>>,
    #[schema(nullable = false)]
    workspaces: Option<Vec<String>>,
}

/// Credentials to end in addition to the presented one. All may be left out.
#[derive(ToSchema)]
pub(crate) struct LogoutBody {
    /// Refresh token to revoke as well.
    refresh_token: Option<String>,
    /// `true` ends everything of the user.
    logout_all_devices: Option<bool>,
}

/// JSON object that is not read.
#[derive(ToSchema)]
#[schema(example = json!({}))]
pub(crate) struct AnyObject {
    #[serde(flatten)]
    members: BTreeMap<String, Value>,
}

fn everything() -> Object {
    let mut schema = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Boolean))
        .description(Some("Everything that was issued to anyone."))
        .build();
    schema.enum_values = Some(vec![Value::Bool(true)]);
    schema
}

/// Scope to revoke: exactly one of these members.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CutoffRequest {
    /// Everything of this user.
    #[schema(min_length = 1, nullable = false)]
    user_id: Option<String>,
    /// Everything that was issued to this client.
    #[schema(min_length = 1, nullable = false)]
    client_id: Option<String>,
    /// Everything that this issuer issued. Compared exactly.
    #[schema(min_length = 1, nullable = false)]
    issuer: Option<String>,
    #[schema(schema_with = everything, required = false)]
    everything: Option<bool>,
}

/// JWK Set (RFC 7517 §5).
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
    "kid": "vkj2Qq9GbiZJDd2iinydCFnYXE0qyIOHJJc6qWKtYq8", "x": "erTr-VSaPQkXTA6XNvRaw2k_qOcdpyMUgTqynmnNHww",
    "y": "m8x9np0Js6LvqUpe_8uq5WEDUQPRqF1fGFxhTahLh_4"}]}))]
pub(crate) struct IdentityKeys {
    /// Public keys. The first one signs.
    keys: Vec<IdentityKey>,
}

/// Public key on P-256 (RFC 7518 §6.2).
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityKey {
    /// `EC`.
    kty: String,
    /// `P-256`.
    crv: String,
    /// Coordinate, in base64url.
    x: String,
    /// Coordinate, in base64url.
    y: String,
    /// Thumbprint of the key (RFC 7638).
    kid: String,
    /// `sig`.
    r#use: String,
    /// `ES256`.
    alg: String,
}

/// OpenAPI 3.1 document.
#[derive(ToSchema)]
#[schema(example = json!({"openapi": "3.1.0", "info": {"title": "maxlab-auth"}, "paths": {}}))]
pub(crate) struct OpenApiDocument {
    /// Version of OpenAPI.
    #[schema(pattern = r"^3\.1\.\d+$")]
    openapi: String,
    info: BTreeMap<String, Value>,
    /// Operations, by path and method.
    paths: BTreeMap<String, Value>,
}
