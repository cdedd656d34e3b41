//! `GET /api/v1/auth/access/…`: permission checks for applications that ask over HTTP. The extractors decide.

use axum::Json;
use maxlab_auth_core::identity::Subject;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::docs::failures::{DeniedFailure, NotFoundFailure};
use super::super::extract::{RequireAdmin, RequireGroup, RequireWorkspace};

/// Permission of the user. A refusal is 403.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"allowed": true, "user_id": "dev-member"}))]
pub struct AccessAllowed {
    /// Always `true`.
    allowed: bool,
    user_id: String,
}

impl AccessAllowed {
    fn to(subject: &Subject) -> Json<Self> {
        Json(Self {
            allowed: true,
            user_id: subject.to_string(),
        })
    }
}

/// Answers 200 if the user is an administrator, else 403.
#[utoipa::path(
    get, path = "/api/v1/auth/access/admin", tag = "Access", operation_id = "accessAdmin", security(("bearer" = []), ("session" = [])),
    summary = "Is the user an administrator?",
    description = "Decided by the roles in `ADMIN_ROLES`. A refusal is audited.",
    responses((status = 200, description = "The user has the permission.", body = AccessAllowed), DeniedFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn is_admin(RequireAdmin(permit): RequireAdmin) -> Json<AccessAllowed> {
    AccessAllowed::to(&permit.identity().subject())
}

/// Answers 200 if the user is a member of the group, else 403.
#[utoipa::path(
    get, path = "/api/v1/auth/access/groups/{group}", tag = "Access", operation_id = "accessGroup", security(("bearer" = []), ("session" = [])),
    summary = "Is the user in this group?",
    description = "The name of the group is compared exactly.",
    params(("group" = String, Path, description = "Group.", min_length = 1, example = "engineering")),
    responses((status = 200, description = "The user has the permission.", body = AccessAllowed), DeniedFailure, NotFoundFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn in_group(RequireGroup(permit): RequireGroup) -> Json<AccessAllowed> {
    AccessAllowed::to(&permit.identity().subject())
}

/// Answers 200 if the user is a member of the workspace or an administrator, else 403.
#[utoipa::path(
    get, path = "/api/v1/auth/access/workspaces/{workspace_id}", tag = "Access", operation_id = "accessWorkspace", security(("bearer" = []), ("session" = [])),
    summary = "May the user enter this workspace?",
    description = "Decided by the claims and, if configured, by the database. Administrators may enter every workspace.",
    params(("workspace_id" = String, Path, description = "Workspace.", min_length = 1, example = "ws-1")),
    responses((status = 200, description = "The user has the permission.", body = AccessAllowed), DeniedFailure, NotFoundFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn in_workspace(RequireWorkspace(permit): RequireWorkspace) -> Json<AccessAllowed> {
    AccessAllowed::to(&permit.identity().subject())
}
