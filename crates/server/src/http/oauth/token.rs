//! `POST /oauth/token`: a code becomes a session, a refresh token becomes new tokens, and a revoked one nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use jiff::Timestamp;
use maxlab_auth_core::audit::{AuditEvent, AuditKind, Origin};
use maxlab_auth_core::credential::{PresentedToken, SessionId, hex, sha256};
use maxlab_auth_core::engine::{Granted, LoginFault, RefreshFault, RefreshStanding};
use maxlab_auth_core::revocation::{Reason, TokenUse};
use maxlab_auth_core::unavailable::Unavailable;
use reqwest::Method;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::super::body::{OAuthBody, Parameters};
use super::super::cookies::Presented;
use super::super::error::{Failure, OAuthFailure};
use super::super::extract::Caller;
use super::super::gateway::Gateway;
use super::client_of;
use super::outcome::{Outcome, granted};
use crate::observed;
use crate::upstream::{Answer, Endpoint, UpstreamError};

/// The response header that names the session that a login began.
const SESSION_HEADER: HeaderName = HeaderName::from_static("x-session-id");

/// So long, beside the time for the authorization server's answer, a request waits for what came of it to be recorded.
const RECORDING: Duration = Duration::from_secs(3);
/// So long it is tried to record renewed tokens before they are given up.
const LONGEST_RECORDING: Duration = Duration::from_secs(120);

/// Exchanges a code or a refresh token (RFC 6749 §4.1.3, §6); any other grant is passed on.
///
/// # Errors
/// The request is not one, the grant is not good, or somebody does not answer.
pub async fn token(
    State(gateway): State<Gateway>,
    Caller(origin): Caller,
    headers: HeaderMap,
    OAuthBody(parameters): OAuthBody,
) -> Result<Response, OAuthFailure> {
    let grant = parameters.required("grant_type")?.to_owned();
    client_of(&headers, &parameters)?;
    let shown = match gateway.cookies.read(&headers) {
        Ok(Some(Presented::Session(id))) => Some(id),
        _ => None,
    };
    let exchange = Exchange {
        gateway: gateway.clone(),
        origin,
        authorization: basic(&headers),
        shown,
        parameters,
    };
    let patience = gateway.server.config().timeout + RECORDING;
    let outcome = match grant.as_str() {
        "authorization_code" => {
            let code = exchange.parameters.required("code")?.to_owned();
            let name = exchange.name("code", &code);
            gateway
                .flights
                .join(name, patience, async move { exchange.code().await.into() })
                .await
        }
        "refresh_token" => {
            let token = exchange.parameters.required("refresh_token")?;
            let token = PresentedToken::parse(token)
                .map_err(|fault| Failure::InvalidRequest(format!("`refresh_token`: {fault}")))?;
            let key = gateway.engine.refresh_key(&token);
            let name = exchange.name("refresh", key.as_str());
            gateway
                .flights
                .join(
                    name,
                    patience,
                    async move { exchange.refresh(&token).await.into() },
                )
                .await
        }
        _ => Some(Arc::new(exchange.other().await.into())),
    };
    let outcome =
        outcome.ok_or_else(|| Unavailable::store("what was exchanged could not be recorded yet"))?;
    Ok(outcome.response()?)
}

/// The client's own `Authorization`, to be passed on; a bearer token is not the client's.
fn basic(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(header::AUTHORIZATION)?;
    let scheme = value.to_str().ok()?.split(' ').next()?;
    scheme.eq_ignore_ascii_case("basic").then(|| value.clone())
}

struct Exchange {
    gateway: Gateway,
    origin: Origin,
    authorization: Option<HeaderValue>,
    /// The session whose cookie came along.
    shown: Option<SessionId>,
    parameters: Parameters,
}

impl Exchange {
    /// The same grant from the same client with the same parameters is the same exchange.
    fn name(&self, kind: &str, grant: &str) -> String {
        let mut text = format!("{kind}\n{grant}\n");
        for (name, value) in self.parameters.pairs() {
            text.push_str(&format!("{}={}\n", hex(name.as_bytes()), hex(value.as_bytes())));
        }
        if let Some(value) = &self.authorization {
            text.push_str(&hex(value.as_bytes()));
        }
        hex(&sha256(text.as_bytes()))
    }

    async fn passed_on(&self) -> Result<Answer, Failure> {
        let server = &self.gateway.server;
        let request = server
            .request(Method::POST, Endpoint::Token)
            .await
            .ok_or(UpstreamError::Unreadable("it has no token endpoint"))?;
        let mut request = request.form(self.parameters.pairs());
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.clone());
        }
        Ok(server.send(Endpoint::Token, request).await?)
    }

    /// Sends the request on. `Ok(Err(..))` is an answer that grants nothing.
    async fn granted(&self) -> Result<Result<(Map<String, Value>, Granted), Outcome>, Failure> {
        let answer = self.passed_on().await?;
        if !answer.status.is_success() {
            return if answer.status.is_client_error() {
                Ok(Err(Outcome::Refused(answer)))
            } else {
                Err(UpstreamError::Unreadable("its token endpoint failed").into())
            };
        }
        let body = answer.json()?;
        let granted = granted(&body)?;
        Ok(Ok((body, granted)))
    }

    async fn code(&self) -> Result<Outcome, Failure> {
        // What cannot be recorded must not be begun: a code is good for one exchange only.
        let engine = &self.gateway.engine;
        let login_at = engine.parts().revocations.shared_time(engine.now()).await?;
        let (body, granted) = match self.granted().await? {
            Ok(tokens) => tokens,
            Err(outcome) => return Ok(outcome),
        };
        match self.gateway.engine.log_in(&granted, login_at, &self.origin).await {
            Ok(login) => {
                observed::session_begun();
                self.replace_shown().await;
                let mut headers = HeaderMap::new();
                if let Some(cookie) = self.gateway.cookies.set(&login.begun.id) {
                    headers.append(header::SET_COOKIE, cookie);
                }
                if let Ok(handle) = HeaderValue::from_str(login.begun.record.handle.as_str()) {
                    headers.insert(SESSION_HEADER, handle);
                }
                Ok(Outcome::Granted { body, headers })
            }
            Err(LoginFault::NotIdentified(fault)) => {
                tracing::warn!(%fault, "a login began no session: its access token is not one that is accepted here");
                Ok(Outcome::Granted {
                    body,
                    headers: HeaderMap::new(),
                })
            }
            Err(fault) => {
                self.give_back(&granted, login_at).await;
                Err(fault.into())
            }
        }
    }

    /// A login ends the session that the browser had before: nobody goes on with an id that may have been planted there
    /// (session fixation). The login stands if this fails, and the browser has its new cookie either way.
    async fn replace_shown(&self) {
        let engine = &self.gateway.engine;
        let Some(id) = &self.shown else { return };
        let Ok((live, opened)) = engine.open_session(id).await else {
            return;
        };
        let (user_id, handle) = (&live.identity().user_id, &opened.record.handle);
        let event = AuditEvent::new(AuditKind::SessionTerminated, engine.now(), &self.origin)
            .by(user_id)
            .on(handle.as_str())
            .saying("a new login took its place in the browser");
        if let Err(fault) = engine
            .end_session(user_id, handle, Reason::SessionTerminated, vec![event])
            .await
        {
            tracing::warn!(%fault, "the session that a login replaced could not be ended");
        }
    }

    async fn refresh(&self, token: &PresentedToken) -> Result<Outcome, Failure> {
        let engine = &self.gateway.engine;
        let began_at = engine.parts().revocations.shared_time(engine.now()).await?;
        let standing = self.claimed(token).await?;
        let (body, granted) = match self.granted().await {
            Ok(Ok(tokens)) => tokens,
            nothing => {
                self.release(&standing).await;
                return nothing.map(|outcome| outcome.err().unwrap_or_else(Outcome::lost));
            }
        };
        // The authorization server has rotated: a store that fails now must not cost the session. Whoever waits is told
        // to come again, and this goes on.
        let started = Instant::now();
        loop {
            match engine
                .refreshed(&standing, &granted, began_at, &self.origin)
                .await
            {
                Ok(()) => {
                    self.release(&standing).await;
                    return Ok(Outcome::Granted {
                        body,
                        headers: HeaderMap::new(),
                    });
                }
                Err(RefreshFault::Unavailable(fault)) if started.elapsed() < LONGEST_RECORDING => {
                    tracing::warn!(%fault, "renewed tokens could not be recorded yet");
                    tokio::time::sleep(RECORDING / 10).await;
                }
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// A refresh token that may be exchanged, claimed for this exchange. While another instance has it, this waits to
    /// see what becomes of it.
    async fn claimed(&self, token: &PresentedToken) -> Result<RefreshStanding, Failure> {
        let engine = &self.gateway.engine;
        let patience = self.gateway.server.config().timeout;
        let started = Instant::now();
        loop {
            let standing = engine.may_refresh(token, &self.origin).await?;
            if engine
                .begin_exchange(&standing, patience + LONGEST_RECORDING)
                .await?
            {
                return Ok(standing);
            }
            if started.elapsed() > patience {
                return Err(
                    Unavailable::upstream("another instance is exchanging this refresh token").into(),
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Gives the claim back. If that fails it runs out by itself; what came of the exchange stands either way.
    async fn release(&self, standing: &RefreshStanding) {
        if let Err(fault) = self.gateway.engine.end_exchange(standing).await {
            tracing::warn!(%fault, "the claim on a refresh token was not given back");
        }
    }

    async fn other(&self) -> Result<Outcome, Failure> {
        match self.granted().await? {
            Ok((body, _)) => Ok(Outcome::Granted {
                body,
                headers: HeaderMap::new(),
            }),
            Err(outcome) => Ok(outcome),
        }
    }

    /// Tokens that are not given out are not left alive.
    async fn give_back(&self, granted: &Granted, now: Timestamp) {
        let engine = &self.gateway.engine;
        let tokens = [
            (Some(&granted.access), TokenUse::Access),
            (granted.refresh.as_ref(), TokenUse::Refresh),
        ];
        for (token, token_use) in tokens {
            let Some(token) = token else { continue };
            if let Err(fault) = engine.tell_upstream_of(token, token_use, None, None, now).await {
                tracing::warn!(%fault, "a token that was not given out lives on");
            }
        }
    }
}
