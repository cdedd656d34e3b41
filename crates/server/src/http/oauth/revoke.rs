//! `POST /oauth/revoke`: RFC 7009, answered when the revocation is durable and in force.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::credential::{MalformedCredential, PresentedToken};
use serde_json::json;

use super::super::body::OAuthBody;
use super::super::error::{Failure, OAuthFailure};
use super::super::extract::Caller;
use super::super::gateway::Gateway;
use super::{client_of, no_store};

/// Revokes a token. An invalid token is a success too: there is nothing left to revoke (RFC 7009 §2.2).
///
/// # Errors
/// The request is not one, or the revocation is not acknowledged.
pub async fn revoke(
    State(gateway): State<Gateway>,
    Caller(origin): Caller,
    headers: HeaderMap,
    OAuthBody(parameters): OAuthBody,
) -> Result<Response, OAuthFailure> {
    let text = parameters
        .find("token")
        .ok_or_else(|| Failure::InvalidRequest("Token is required".into()))?;
    let client = client_of(&headers, &parameters)?;
    let hint = parameters.find("token_type_hint");
    match PresentedToken::parse(text) {
        Ok(token) => gateway.engine.revoke_token(&token, hint, client, &origin).await?,
        Err(MalformedCredential::TooLong) => {
            return Err(Failure::InvalidRequest("The token is longer than 16 KiB".into()).into());
        }
        // What cannot be a token is not one.
        Err(MalformedCredential::Empty | MalformedCredential::Characters) => {}
    }
    Ok((no_store(), Json(json!({ "status": "success" }))).into_response())
}
