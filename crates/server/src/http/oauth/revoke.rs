//! `POST /oauth/revoke`: token revocation (RFC 7009), answered when it is durable and in force on every
//! instance.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::credential::{MalformedBearerToken, PresentedToken};
use maxlab_auth_core::engine::RevokeRequest;
use maxlab_auth_core::verify::UpstreamBudget as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::app_state::SharedState;
use super::super::body::OAuthBody;
use super::super::docs::TokenReference;
use super::super::docs::failures::{OAuthBodyFailures, OAuthClientFailure};
use super::super::error::{ApiError, OAuthApiError};
use super::super::extract::RequestOrigin;
use super::super::rate_limit::CallerBudget;
use super::{client_credentials, is_configured_client, no_store_headers};

/// The revocation is durable and in force on every instance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "success"}))]
pub(crate) struct Revoked {
    /// Always `success`.
    status: &'static str,
}

/// Revokes a token. An invalid token is a success too, because there is nothing left to revoke (RFC 7009
/// §2.2).
///
/// # Errors
/// The request is malformed, or the revocation is not acknowledged.
#[utoipa::path(
    post, path = "/oauth/revoke", tag = "OAuth", operation_id = "revokeToken", security(("client" = []), ()),
    summary = "Revoke a token",
    description = "RFC 7009. After a 200 the revocation is durable and no instance accepts the token. The authorization server \
        is notified until it confirms. An invalid token is a success too: there is nothing to revoke. A token that nothing \
        proves is refused for a limited time. If there are too many of those, the answer is 503 `too_many_unproven`.\n\nA \
        refresh token ends its session with the session's access tokens. An access token ends alone.",
    request_body(content(
        (TokenReference = "application/x-www-form-urlencoded", examples(
            ("refresh-token" = (summary = "A refresh token", value = json!({"token": "rt_8Jk2mPq4Vx0sZ1",
                "token_type_hint": "refresh_token", "client_id": "maxlab-dev"}))),
            ("access-token" = (summary = "An access token", value = json!({"token": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}))),
        )),
        (TokenReference = "application/json", examples(
            ("refresh-token" = (summary = "A refresh token", value = json!({"token": "rt_8Jk2mPq4Vx0sZ1",
                "token_type_hint": "refresh_token", "client_id": "maxlab-dev"}))),
            ("access-token" = (summary = "An access token", value = json!({"token": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}))),
        )),
    )),
    responses((status = 200, description = "Revoked, or there was nothing to revoke.", body = Revoked,
        headers(("Cache-Control" = String))), OAuthBodyFailures, OAuthClientFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn revoke(
    State(gateway): State<SharedState>,
    RequestOrigin(origin): RequestOrigin,
    budget: CallerBudget,
    headers: HeaderMap,
    OAuthBody(parameters): OAuthBody,
) -> Result<Response, OAuthApiError> {
    let text = parameters
        .find("token")
        .ok_or_else(|| ApiError::InvalidRequest("Token is required".into()))?;
    let client = client_credentials(&headers, &parameters)?;
    // Possession of the token is the proof; a wrong client secret is not refused here (decision 10). A client
    // that authenticates has a budget of its own and more room for unproven tokens.
    let proven = client
        .as_ref()
        .filter(|client| is_configured_client(&gateway, client));
    match proven {
        Some(client) => budget.for_client(&client.id).try_spend()?,
        None => budget.try_spend()?,
    }
    let request = RevokeRequest {
        hint: parameters.find("token_type_hint"),
        client_is_proven: proven.is_some(),
        client,
        origin: &origin,
    };
    match PresentedToken::parse_parameter(text) {
        Ok(token) => gateway.engine.revoke_token(&token, request).await?,
        Err(MalformedBearerToken::TooLong) => {
            return Err(ApiError::InvalidRequest("The token is longer than 16 KiB".into()).into());
        }
        // Text that cannot be a token is an invalid token: a success, with nothing to revoke.
        Err(MalformedBearerToken::Empty | MalformedBearerToken::Characters) => {}
    }
    Ok((no_store_headers(), Json(Revoked { status: "success" })).into_response())
}
