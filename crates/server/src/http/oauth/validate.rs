//! `POST /oauth/token/validate`: full verification, and never "anything not denied is valid".

use axum::Json;
use axum::extract::State;
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::engine::{AuthFault, RefreshFault};
use maxlab_auth_core::verify::Rejection;
use serde_json::{Value, json};

use super::super::body::OAuthBody;
use super::super::error::{Failure, OAuthFailure};
use super::super::gateway::Gateway;

/// Whether a token is good, and why not.
///
/// # Errors
/// The request is not one, or nobody knows.
pub async fn validate(
    State(gateway): State<Gateway>,
    OAuthBody(parameters): OAuthBody,
) -> Result<Json<Value>, OAuthFailure> {
    let refresh = parameters.find("refresh_token");
    let text = refresh
        .or_else(|| parameters.find("access_token"))
        .or_else(|| parameters.find("token"));
    let text = text.ok_or_else(|| Failure::InvalidRequest("Token is required".into()))?;
    let Ok(token) = PresentedToken::parse(text) else {
        return Ok(Json(
            json!({ "valid": false, "reason": "Invalid token", "code": "invalid_token" }),
        ));
    };
    let answer = if refresh.is_some() {
        of_refresh(&gateway, &token).await?
    } else {
        of_access(&gateway, &token).await?
    };
    Ok(Json(answer))
}

async fn of_access(gateway: &Gateway, token: &PresentedToken) -> Result<Value, Failure> {
    let invalid = |reason: &str, code: &str| json!({ "valid": false, "reason": reason, "code": code });
    Ok(match gateway.engine.authenticate_token(token).await {
        Ok(live) => {
            let who = live.identity();
            json!({
                "valid": true,
                "token_type": "access_token",
                "user_id": who.user_id,
                "client_id": who.client_id,
                "scope": who.scope.join(" "),
                "expires_at": live.facts().expires_at,
                "verification_source": who.verification_source,
            })
        }
        Err(AuthFault::Unavailable(fault)) => return Err(fault.into()),
        Err(AuthFault::TokenRevoked(_)) => invalid("Token is blacklisted", "token_revoked"),
        Err(AuthFault::SessionRevoked(_)) => invalid("Session has been ended", "session_revoked"),
        Err(AuthFault::Rejected(Rejection::Expired)) => invalid("Token has expired", "token_expired"),
        Err(AuthFault::Rejected(_) | AuthFault::NoSession) => invalid("Invalid token", "invalid_token"),
    })
}

/// A refresh token is known to be good only if it was given out here: no endpoint tells it of another.
async fn of_refresh(gateway: &Gateway, token: &PresentedToken) -> Result<Value, Failure> {
    let invalid = |reason: &str, code: &str| json!({ "valid": false, "reason": reason, "code": code });
    Ok(match gateway.engine.look_at_refresh(token).await {
        Ok(standing) => match standing.known() {
            Some(known) => json!({ "valid": true, "token_type": "refresh_token", "user_id": known.user_id }),
            None => invalid(
                "The refresh token was not issued through this gateway",
                "invalid_token",
            ),
        },
        Err(RefreshFault::Unavailable(fault)) => return Err(fault.into()),
        Err(RefreshFault::Revoked) => invalid("Token is blacklisted", "token_revoked"),
        Err(RefreshFault::Reused) => invalid("The refresh token was used before", "token_revoked"),
    })
}
