//! `POST /auth/backchannel-logout/{id}`: back-channel logout (OpenID Connect Back-Channel Logout 1.0 §2.5).

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::verify::UpstreamBudget as _;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::app_state::SharedState;
use crate::http::body::{LogoutTokenBody, RequestParameters};
use crate::http::docs::failures::{NotFoundFailure, OAuthBodyFailures};
use crate::http::error::{ApiError, OAuthApiError};
use crate::http::extract::RequestOrigin;
use crate::http::rate_limit::CallerBudget;

/// Name of the only parameter.
const LOGOUT_TOKEN: &str = "logout_token";

/// Form that a provider sends.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "only for the description: the body is read strictly by `LogoutTokenBody`"
)]
pub(crate) struct LogoutTokenForm {
    /// Signed JWT with the claims of OpenID Connect Back-Channel Logout 1.0 §2.4.
    logout_token: String,
}

/// Failure, in the form of its cause.
#[derive(Debug)]
pub enum BackchannelFault {
    /// Failure that the specification answers with `error` and `error_description` (§2.8).
    Refused(OAuthApiError),
    /// Failure of any route, as a problem.
    Problem(ApiError),
}

impl<F: Into<ApiError>> From<F> for BackchannelFault {
    fn from(failure: F) -> Self {
        Self::Refused(OAuthApiError(failure.into()))
    }
}

impl IntoResponse for BackchannelFault {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(fault) => fault.into_response(),
            Self::Problem(fault) => fault.into_response(),
        }
    }
}

/// Ends the session or the person that a logout token names.
///
/// # Errors
/// The token is not accepted, or the end is not in force on every instance.
#[utoipa::path(
    post, path = "/auth/backchannel-logout/{id}", tag = "Provider logout", operation_id = "backchannelLogout",
    security(()),
    summary = "Back-channel logout",
    description = "OpenID Connect Back-Channel Logout 1.0. For the provider, not for browsers. After a 200 no instance accepts \
        what came out of the session (`sid`) or belongs to the person (`sub`) and began up to the second of `iat`. An unknown \
        session is a success too. Sending a token again has no further effect. 503: not in force everywhere, send it again.\n\nA body \
        longer than 16 KiB is 413.",
    params(("id" = String, Path, description = "Provider: `default` is `EXTERNAL_AUTH_URL` with `OAUTH_CLIENT_ID`.",
        example = "default")),
    request_body(content(
        (LogoutTokenForm = "application/x-www-form-urlencoded", example = json!({"logout_token": "eyJ0eXAiOiJsb2dvdXQrand0In0.e30.c2ln"})),
    )),
    responses((status = 200, description = "Ended on every instance, or there was nothing to end. No body.",
        headers(("Cache-Control" = String))), OAuthBodyFailures, NotFoundFailure),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn backchannel_logout(
    State(gateway): State<SharedState>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    RequestOrigin(origin): RequestOrigin,
    budget: CallerBudget,
    body: Result<LogoutTokenBody, ApiError>,
) -> Result<Response, BackchannelFault> {
    let provider = gateway
        .provider_logouts
        .find(&id)
        .map_err(BackchannelFault::Problem)?;
    let LogoutTokenBody(parameters) = match body {
        Err(fault @ ApiError::PayloadTooLarge) => return Err(BackchannelFault::Problem(fault)),
        body => body?,
    };
    let query = RequestParameters::parse_pairs(query.unwrap_or_default().as_bytes())?;
    if query.iter().any(|(name, _)| name == LOGOUT_TOKEN) {
        let why = "`logout_token` belongs in the body, and not in the query";
        return Err(ApiError::InvalidRequest(why.into()).into());
    }
    let token = parameters.required(LOGOUT_TOKEN)?;
    // Before the signature: an unchecked token is charged to its sender.
    budget.try_spend()?;
    let scope = gateway.provider_logouts.scope;
    gateway
        .engine
        .end_by_logout_token(provider, scope, token, &origin)
        .await?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::OK, no_store).into_response())
}
