//! `GET, POST /oauth/userinfo`: the guide's shape of who is asking.

use axum::Json;
use serde_json::{Value, json};

use super::super::extract::CurrentUser;

/// Who is asking, as the guide's clients read it.
pub async fn userinfo(user: CurrentUser) -> Json<Value> {
    let who = user.live.identity();
    Json(json!({
        "sub": who.user_id,
        "email": who.email,
        "name": who.name,
        "picture": who.avatar,
        "roles": who.roles,
        "permissions": who.permissions,
        "groups": who.groups,
        "workspaces": who.workspaces,
        "verified_at": who.verified_at,
    }))
}
