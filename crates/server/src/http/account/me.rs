//! `GET /api/v1/auth/me`: the normalised identity.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use maxlab_auth_core::identity::Identity;

use super::super::assurance;
use super::super::error::Failure;
use super::super::extract::CurrentUser;
use super::super::gateway::Gateway;

/// Who is asking, with the workspaces that the database knows of.
///
/// # Errors
/// The database did not answer.
pub async fn me(
    State(gateway): State<Gateway>,
    user: CurrentUser,
) -> Result<(HeaderMap, Json<Identity>), Failure> {
    let live = gateway.engine.with_workspaces(user.live).await?;
    let mut headers = HeaderMap::new();
    assurance::show(&gateway, &live, &mut headers);
    Ok((headers, Json(live.identity().clone())))
}
