//! `POST /oauth/token/validate`: full verification of a token. A token is not valid merely because it is not
//! revoked.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::engine::{AuthFault, CredentialRefusal, RefreshFault};
use maxlab_auth_core::error_code::ErrorCode;
use maxlab_auth_core::identity::{Subject, VerificationSource};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::super::app_state::SharedState;
use super::super::body::OAuthBody;
use super::super::docs::failures::OAuthBodyFailures;
use super::super::docs::{ValidateRequest, string_enum, verification_source};
use super::super::error::{ApiError, OAuthApiError};
use super::super::rate_limit::CallerBudget;

/// Result of a validation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Validation {
    /// Access token that is valid.
    AccessToken(ValidAccessToken),
    /// Refresh token that is valid.
    RefreshToken(ValidRefreshToken),
    /// Token that is not valid.
    Invalid(InvalidToken),
}

/// Access token that is verified and not revoked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidAccessToken {
    /// Always `true`.
    valid: bool,
    /// Always `access_token`.
    token_type: &'static str,
    user_id: String,
    /// Client that the token was issued to.
    #[schema(required)]
    client_id: Option<String>,
    /// Scope, separated by spaces. Empty if it is not known.
    scope: String,
    /// Expiry, if it is known.
    #[schema(required)]
    expires_at: Option<Timestamp>,
    #[schema(schema_with = verification_source)]
    verification_source: VerificationSource,
}

/// Refresh token that was issued through this gateway and is not revoked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidRefreshToken {
    /// Always `true`.
    valid: bool,
    /// Always `refresh_token`.
    token_type: &'static str,
    user_id: String,
}

/// Token that is not valid.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvalidToken {
    /// Always `false`.
    valid: bool,
    /// Text for people.
    reason: &'static str,
    #[schema(schema_with = invalid_code)]
    code: &'static str,
}

fn invalid_code() -> Object {
    let codes = [
        "invalid_token",
        "token_expired",
        "token_revoked",
        "session_revoked",
    ];
    string_enum("Stable word for programs.", codes)
}

/// Answers `valid: true`, or `valid: false` with the reason.
///
/// # Errors
/// The request is malformed, or a component did not answer.
#[utoipa::path(
    post, path = "/oauth/token/validate", tag = "OAuth", operation_id = "validateToken",
    summary = "Validate a token",
    description = "Full verification: signature or authorization server, claims, and revocation. A refresh token is valid if it \
        was issued through this gateway.",
    request_body(content(
        (ValidateRequest = "application/x-www-form-urlencoded", examples(
            ("access-token" = (summary = "An access token", value = json!({"access_token": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}))),
            ("refresh-token" = (summary = "A refresh token", value = json!({"refresh_token": "rt_8Jk2mPq4Vx0sZ1"}))),
        )),
        (ValidateRequest = "application/json", examples(
            ("access-token" = (summary = "An access token", value = json!({"access_token": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}))),
            ("refresh-token" = (summary = "A refresh token", value = json!({"refresh_token": "rt_8Jk2mPq4Vx0sZ1"}))),
        )),
    )),
    responses((status = 200, description = "The result. An invalid token is a result too.", body = Validation, examples(
        ("access-token" = (summary = "A valid access token", value = json!({"valid": true, "token_type": "access_token",
            "user_id": "dev-member", "client_id": "maxlab-dev", "scope": "openid profile",
            "expires_at": "2026-03-02T09:30:00Z", "verification_source": "local_jwt"}))),
        ("refresh-token" = (summary = "A valid refresh token", value = json!({"valid": true, "token_type": "refresh_token",
            "user_id": "dev-member"}))),
        ("revoked" = (summary = "A revoked token", value = json!({"valid": false, "reason": "Token is blacklisted",
            "code": "token_revoked"}))),
    )), OAuthBodyFailures),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn validate(
    State(gateway): State<SharedState>,
    budget: CallerBudget,
    OAuthBody(parameters): OAuthBody,
) -> Result<Json<Validation>, OAuthApiError> {
    // The parameter's name decides the kind: an access token and a refresh token can look alike.
    let refresh = parameters.find("refresh_token");
    let text = refresh
        .or_else(|| parameters.find("access_token"))
        .or_else(|| parameters.find("token"));
    let text = text.ok_or_else(|| ApiError::InvalidRequest("Token is required".into()))?;
    let Ok(token) = PresentedToken::parse_parameter(text) else {
        let code = ErrorCode::InvalidToken;
        return Ok(Json(invalid(code.detail(), code)));
    };
    let answer = if refresh.is_some() {
        validate_refresh_token(&gateway, &token).await?
    } else {
        validate_access_token(&gateway, &token, &budget).await?
    };
    Ok(Json(answer))
}

async fn validate_access_token(
    gateway: &SharedState,
    token: &PresentedToken,
    budget: &CallerBudget,
) -> Result<Validation, ApiError> {
    Ok(
        match gateway.engine.authenticate_token_within(token, budget).await {
            Ok(active) => {
                let identity = active.identity();
                Validation::AccessToken(ValidAccessToken {
                    valid: true,
                    token_type: "access_token",
                    user_id: identity.subject().to_string(),
                    client_id: identity.client_id.clone(),
                    scope: identity.scope.join(" "),
                    expires_at: active.info().expires_at,
                    verification_source: identity.verification_source,
                })
            }
            // 503 and not `valid: false`: the token may be valid.
            Err(AuthFault::Unavailable(fault)) => return Err(fault.into()),
            Err(AuthFault::Refused(refusal)) => refused(&refusal),
        },
    )
}

fn refused(refusal: &CredentialRefusal) -> Validation {
    let reason = match refusal {
        // The guide's word for a revoked token, which its clients know (docs/GUIDE.md).
        CredentialRefusal::TokenRevoked(_) => "Token is blacklisted",
        other => other.code().detail(),
    };
    invalid(reason, refusal.code())
}

fn invalid(reason: &'static str, code: ErrorCode) -> Validation {
    Validation::Invalid(InvalidToken {
        valid: false,
        reason,
        code: code.as_str(),
    })
}

/// Validates a refresh token. Only those issued through this gateway can be known: no endpoint of the
/// authorization server reports on others.
async fn validate_refresh_token(
    gateway: &SharedState,
    token: &PresentedToken,
) -> Result<Validation, ApiError> {
    Ok(match gateway.engine.precheck_refresh(token).await {
        Ok(state) => match state.registered() {
            Some(known) => Validation::RefreshToken(ValidRefreshToken {
                valid: true,
                token_type: "refresh_token",
                user_id: known.subject.as_ref().map(Subject::to_string).unwrap_or_default(),
            }),
            None => invalid(
                "The refresh token was not issued through this gateway",
                ErrorCode::InvalidToken,
            ),
        },
        Err(RefreshFault::Unavailable(fault)) => return Err(fault.into()),
        Err(RefreshFault::Revoked) => invalid("Token is blacklisted", ErrorCode::TokenRevoked),
        Err(RefreshFault::Reused) => invalid("The refresh token was already used", ErrorCode::TokenRevoked),
    })
}
