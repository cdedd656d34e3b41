//! `GET /api/v1/auth/me`: the normalised identity.

use axum::Json;
use axum::extract::State;
use maxlab_auth_core::identity::Identity;

use super::super::error::Failure;
use super::super::extract::CurrentUser;
use super::super::gateway::Gateway;

/// Who is asking, with the workspaces that the database knows of.
///
/// # Errors
/// The database did not answer.
pub async fn me(State(gateway): State<Gateway>, user: CurrentUser) -> Result<Json<Identity>, Failure> {
    let live = gateway.engine.with_workspaces(user.live).await?;
    Ok(Json(live.identity().clone()))
}
