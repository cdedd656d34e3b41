//! Layers that ask the authorization server, one file each.

mod introspection;
mod traditional_auth;
mod userinfo;

pub use introspection::IntrospectionVerifier;
pub use traditional_auth::TraditionalAuthVerifier;
pub use userinfo::UserinfoVerifier;

use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::{LayerClaims, TokenRejection, Verdict};
use reqwest::Method;
use serde_json::Value;

use crate::{AuthServer, AuthServerEndpoint, AuthServerResponse};

/// Sends a token to an endpoint that answers with the claims of its bearer, and returns the answer if its
/// status is 200.
///
/// 401 and 403 reject the token, unless it is only not allowed to ask there. 404, 405 and 501 mean that there
/// is no such endpoint, so the layer does not apply. Any other answer decides nothing.
#[tracing::instrument(level = "debug", skip_all, fields(endpoint = endpoint.as_str()))]
async fn ask_about_bearer(
    server: &AuthServer,
    endpoint: AuthServerEndpoint,
    token: &PresentedToken,
) -> Result<AuthServerResponse, Verdict> {
    let Some(request) = server.request(Method::GET, endpoint).await else {
        return Err(Verdict::NotApplicable);
    };
    let answer = match server.send(endpoint, request.bearer_auth(token.expose())).await {
        Ok(answer) => answer,
        Err(fault) => return Err(Verdict::Unavailable(fault.into())),
    };
    Err(match answer.status.as_u16() {
        200 => return Ok(answer),
        // RFC 6750 §3.1: the token is valid, but may not ask here, such as one of a service without the scope
        // `openid`. Another layer decides.
        401 | 403 if answer.bearer_error().as_deref() == Some("insufficient_scope") => Verdict::NotApplicable,
        // Rejected and not refuted: a later layer may accept the token (decision 19).
        401 | 403 => Verdict::Rejected(TokenRejection::Refused),
        // Some servers send the code of RFC 6750 §3.1 with another status.
        400 if answer.bearer_error().as_deref() == Some("invalid_token") => {
            Verdict::Rejected(TokenRejection::Refused)
        }
        404 | 405 | 501 => Verdict::NotApplicable,
        status => Verdict::Unavailable(undecided_status(endpoint, status)),
    })
}

/// Returns the verdict on a token whose bearer a JSON answer describes.
fn verdict_on_json(answer: &AuthServerResponse) -> Verdict {
    let claims = match answer.json_object() {
        Ok(claims) => claims,
        // A 200 without a JSON object may come from a proxy or a login page: no verdict.
        Err(fault) => return Verdict::Unavailable(fault.into()),
    };
    // An error in an answer with 200 (as GitHub and Slack send it) is no description of a user.
    let error = claims.get("error").and_then(Value::as_str);
    let names_nobody = !["sub", "user_id", "id"]
        .iter()
        .any(|name| claims.contains_key(*name));
    match error {
        Some("invalid_token") if names_nobody => Verdict::Rejected(TokenRejection::Refused),
        Some(_) if names_nobody => Verdict::Unavailable(Unavailable::upstream(
            "its answer is an error with the status 200",
        )),
        _ => Verdict::Verified(Box::new(LayerClaims {
            claims: claims.into(),
            expires_at: None,
            key_id: None,
        })),
    }
}

/// Builds the fault of a status that is no verdict on the token.
fn undecided_status(endpoint: AuthServerEndpoint, status: u16) -> Unavailable {
    let cause = format!("{} answered {status}", endpoint.as_str());
    match status {
        // The server cannot read this request. A repeat would get the same answer.
        400 | 413 | 414 | 431 => Unavailable::unprocessable(cause),
        _ => Unavailable::upstream(cause),
    }
}
