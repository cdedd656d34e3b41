//! `POST /oauth/introspect`: token introspection for the configured clients (RFC 7662).

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::engine::IntrospectedToken;
use maxlab_auth_core::verify::UpstreamBudget as _;
use serde_json::{Value, json};

use super::super::app_state::SharedState;
use super::super::body::OAuthBody;
use super::super::docs::failures::{OAuthBodyFailures, OAuthClientFailure};
use super::super::docs::{Introspection, TokenReference};
use super::super::error::{ApiError, OAuthApiError};
use super::super::rate_limit::CallerBudget;
use super::{client_credentials, is_configured_client, no_store_headers};

/// Answers with the state of an access token (RFC 7662 §2.2). A token that is not valid is `active: false`,
/// for any reason.
///
/// # Errors
/// The client did not authenticate, the request is malformed, or a component did not answer.
#[utoipa::path(
    post, path = "/oauth/introspect", tag = "OAuth", operation_id = "introspectToken", security(("client" = []), ()),
    summary = "Introspect an access token",
    description = "RFC 7662, for the clients in `INTROSPECTION_CLIENTS`: with HTTP Basic, or `client_id` and `client_secret`.",
    request_body(content(
        (TokenReference = "application/x-www-form-urlencoded", examples(("access-token" = (summary = "An access token",
            value = json!({"token": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}))))),
        (TokenReference = "application/json", examples(("access-token" = (summary = "An access token",
            value = json!({"token": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}))))),
    )),
    responses((status = 200, description = "State of the token.", body = Introspection, headers(("Cache-Control" = String)),
        examples(
            ("active" = (summary = "A valid token", value = json!({"active": true, "token_type": "Bearer", "sub": "dev-member",
                "username": "Member", "client_id": "maxlab-dev", "scope": "openid profile", "exp": 1_772_444_700,
                "iat": 1_772_443_800, "roles": ["user"], "permissions": [], "groups": ["engineering"], "workspaces": []}))),
            ("inactive" = (summary = "Any other token", value = json!({"active": false}))),
        )), OAuthBodyFailures, OAuthClientFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn introspect(
    State(gateway): State<SharedState>,
    budget: CallerBudget,
    headers: HeaderMap,
    OAuthBody(parameters): OAuthBody,
) -> Result<Response, OAuthApiError> {
    let client = client_credentials(&headers, &parameters)?;
    let Some(client) = client.filter(|client| is_configured_client(&gateway, client)) else {
        // Charged to the address, so that secrets cannot be guessed without limit.
        budget.try_spend()?;
        return Err(ApiError::InvalidClient.into());
    };
    let budget = budget.for_client(&client.id);
    let text = parameters.required("token")?;
    let active = match PresentedToken::parse_parameter(text) {
        Ok(token) => gateway.engine.introspect(&token, &budget).await?,
        // Not a token at all is not an error here (RFC 7662 §2.2).
        Err(_) => None,
    };
    let answer = active.map_or_else(|| json!({ "active": false }), |token| active_answer(&token));
    Ok((no_store_headers(), Json(answer)).into_response())
}

/// Writes the answer about an active token (RFC 7662 §2.2).
fn active_answer(token: &IntrospectedToken) -> Value {
    let identity = &token.identity;
    let mut answer = json!({
        "active": true,
        "token_type": "Bearer",
        "sub": identity.user_id,
        "iss": identity.issuer.name(),
        "username": identity.name,
        "client_id": identity.client_id,
        "scope": identity.scope.join(" "),
        "exp": token.expires_at.map(Timestamp::as_second),
        "iat": token.issued_at.map(Timestamp::as_second),
        "jti": token.jti,
        "sid": identity.sid,
        "email": identity.email,
        "roles": identity.roles,
        "permissions": identity.permissions,
        "groups": identity.groups,
        "workspaces": identity.workspaces,
    });
    // Members without a value are left out: RFC 7662 §2.2 has no `null`.
    if let Value::Object(fields) = &mut answer {
        fields.retain(|_, value| !value.is_null());
    }
    answer
}
