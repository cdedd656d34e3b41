//! `GET, POST /oauth/userinfo`: the identity of the user, in the form of `docs/GUIDE.md` ("Userinfo").

use axum::Json;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::extract::CurrentUser;

/// Identity of the user, under the names of OpenID Connect.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"sub": "dev-member", "email": "member@example.test", "name": "Member", "picture": null,
    "roles": ["user"], "permissions": ["documents:read"], "groups": ["engineering"], "workspaces": ["ws-1"],
    "verified_at": "2026-03-02T09:30:00Z"}))]
pub struct Userinfo {
    /// Subject, never empty.
    sub: String,
    /// E-mail address.
    #[schema(required)]
    email: Option<String>,
    /// Display name.
    #[schema(required)]
    name: Option<String>,
    /// URL of a picture.
    #[schema(required)]
    picture: Option<String>,
    roles: Vec<String>,
    permissions: Vec<String>,
    groups: Vec<String>,
    workspaces: Vec<String>,
    /// Time of the verification.
    verified_at: Timestamp,
}

/// Answers with the user's identity, under the names of OpenID Connect Core §5.1 where there are any.
#[utoipa::path(
    method(get, post), path = "/oauth/userinfo", tag = "OAuth", operation_id = "userinfo",
    security(("bearer" = []), ("session" = [])),
    summary = "Identity of the user, under the names of OpenID Connect",
    description = "OpenID Connect Core §5.3, with roles, permissions, groups and workspaces.",
    responses((status = 200, description = "The identity.", body = Userinfo)),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn userinfo(user: CurrentUser) -> Json<Userinfo> {
    let identity = user.active.identity().clone();
    Json(Userinfo {
        sub: identity.user_id,
        email: identity.email,
        name: identity.name,
        picture: identity.avatar,
        roles: identity.roles,
        permissions: identity.permissions,
        groups: identity.groups,
        workspaces: identity.workspaces,
        verified_at: identity.verified_at,
    })
}
