//! `GET /api/v1/auth/access/…`: may I? The guards, for applications that ask over HTTP.

use axum::Json;
use serde_json::{Value, json};

use super::super::extract::{RequireAdmin, RequireGroup, RequireWorkspace};

/// Whether whoever asks is an administrator: 200, or 403.
pub async fn is_admin(RequireAdmin(permit): RequireAdmin) -> Json<Value> {
    Json(json!({ "allowed": true, "user_id": permit.identity().user_id }))
}

/// Whether whoever asks is in the group: 200, or 403.
pub async fn in_group(RequireGroup(permit): RequireGroup) -> Json<Value> {
    Json(json!({ "allowed": true, "user_id": permit.identity().user_id }))
}

/// Whether whoever asks may enter the workspace: 200, or 403.
pub async fn in_workspace(RequireWorkspace(permit): RequireWorkspace) -> Json<Value> {
    Json(json!({ "allowed": true, "user_id": permit.identity().user_id }))
}
