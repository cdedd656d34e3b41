//! `GET /api/v1/auth/me`: the identity of the user, in one form for all layers.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use maxlab_auth_core::guard::Requirement as _;
use maxlab_auth_core::identity::Identity;
use serde::Serialize;

use super::super::app_state::SharedState;
use super::super::assurance;
use super::super::docs::IdentityBody;
use super::super::error::ApiError;
use super::super::extract::CurrentUser;

/// Identity, with the name of its issuer, and what follows from it.
#[derive(Debug, Serialize)]
pub struct MeBody {
    #[serde(flatten)]
    identity: Identity,
    issuer: Option<String>,
    /// `true` for an administrator (`ADMIN_ROLES`).
    is_admin: bool,
}

/// Answers with the identity of the user, including the workspaces of the database.
///
/// # Errors
/// The database did not answer.
#[utoipa::path(
    get, path = "/api/v1/auth/me", tag = "Account", operation_id = "me", security(("bearer" = []), ("session" = [])),
    summary = "Identity of the user",
    description = "In one form for all layers, with the workspaces of the database.",
    responses((status = 200, description = "The identity.", body = IdentityBody)),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn me(
    State(gateway): State<SharedState>,
    user: CurrentUser,
) -> Result<(HeaderMap, Json<MeBody>), ApiError> {
    let active = gateway.engine.with_workspaces(user.active).await?;
    let mut headers = HeaderMap::new();
    assurance::report(&gateway, &active, &mut headers);
    let mut identity = active.identity().clone();
    let is_admin = gateway.admin.is_met_by(&identity);
    // Taken out, so that the answer has the member once.
    let issuer = std::mem::take(&mut identity.issuer);
    let issuer = issuer.name().map(str::to_owned);
    let issuer = issuer.or_else(|| gateway.default_issuer());
    Ok((
        headers,
        Json(MeBody {
            identity,
            issuer,
            is_admin,
        }),
    ))
}
