//! Adapter from the use cases' port to the token endpoint of the authorization server.

use std::time::Duration;

use async_trait::async_trait;
use maxlab_auth_core::token_endpoint::{
    AuthServerRefusal, TokenAnswer, TokenEndpoint, TokenRequest, UpstreamError,
};
use reqwest::{Method, StatusCode, header};
use serde_json::{Map, Value};

use crate::{AuthServer, AuthServerEndpoint, AuthServerResponse};

#[async_trait]
impl TokenEndpoint for AuthServer {
    fn time_limit(&self) -> Duration {
        self.config().timeout
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn request_tokens(&self, request: &TokenRequest) -> Result<TokenAnswer, UpstreamError> {
        let outgoing = self
            .request(Method::POST, AuthServerEndpoint::Token)
            .await
            .ok_or(UpstreamError::Unreadable("no token endpoint is known"))?;
        let mut outgoing = outgoing.form(&request.parameters);
        if let Some(authorization) = &request.authorization {
            outgoing = outgoing.header(header::AUTHORIZATION, authorization.as_slice());
        }
        let answer = self.send(AuthServerEndpoint::Token, outgoing).await?;
        if answer.status.is_success() {
            read_success(&answer)
        } else if answer.status.is_client_error() {
            Ok(TokenAnswer::Refused(AuthServerRefusal::from(&answer)))
        } else if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            // Apart from other 5xx: after a 503 the code is certainly unspent.
            Err(UpstreamError::Unavailable)
        } else {
            Err(UpstreamError::Unreadable("the token endpoint failed"))
        }
    }
}

/// Reads an answer with a status of success.
fn read_success(answer: &AuthServerResponse) -> Result<TokenAnswer, UpstreamError> {
    let body = token_members(answer)?;
    let has_text = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    if has_text("error") && !has_text("access_token") {
        return Ok(TokenAnswer::Refused(AuthServerRefusal {
            body: Some(body),
            ..answer.refusal_despite_success()
        }));
    }
    Ok(TokenAnswer::Granted(body))
}

/// Returns the members of a token answer: JSON (RFC 6749 §5.1), or the form of servers that are older than
/// the RFC.
fn token_members(answer: &AuthServerResponse) -> Result<Map<String, Value>, UpstreamError> {
    let is_form = matches!(
        answer.media_type().as_deref(),
        Some("application/x-www-form-urlencoded" | "text/plain")
    );
    match answer.json_object() {
        Err(fault) if is_form => form_members(answer.text_bytes()).ok_or(fault),
        result => result,
    }
}

/// Returns the members of a form that names a token or an error. `None` if a name is repeated.
fn form_members(form: &[u8]) -> Option<Map<String, Value>> {
    let mut members = Map::new();
    for (name, value) in form_urlencoded::parse(form) {
        if members
            .insert(name.into_owned(), value.into_owned().into())
            .is_some()
        {
            return None;
        }
    }
    // Any text can be read as a form.
    (members.contains_key("access_token") || members.contains_key("error")).then_some(members)
}

impl AuthServerResponse {
    /// Returns an error that came with a status of success, as GitHub sends it: with the status that RFC 6749
    /// §5.2 gives it.
    pub fn refusal_despite_success(&self) -> AuthServerRefusal {
        AuthServerRefusal {
            status: StatusCode::BAD_REQUEST.as_u16(),
            ..AuthServerRefusal::from(self)
        }
    }
}

impl From<&AuthServerResponse> for AuthServerRefusal {
    fn from(answer: &AuthServerResponse) -> Self {
        let header = |name| answer.headers.get(name).map(|value| value.as_bytes().to_vec());
        Self {
            status: answer.status.as_u16(),
            body: answer.json_object().ok(),
            challenge: header(header::WWW_AUTHENTICATE),
            retry_after: header(header::RETRY_AFTER),
        }
    }
}
