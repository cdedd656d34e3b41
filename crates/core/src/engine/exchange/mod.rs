//! Exchange of a grant for tokens (RFC 6749 §4.1.3, §6): claimed, sent to the token endpoint, recorded.

mod browser_login;
mod code;
mod outcome;
mod pending;
mod refresh;

use std::sync::Arc;
use std::time::Duration;

pub use browser_login::LoginCode;
pub use outcome::{BegunSession, ExchangeFault, ExchangeOutcome};

use self::pending::{PendingExchanges, SharedOutcome};
use super::token_grant::remove_absent_tokens;
use super::{Engine, TokenGrant};
use crate::audit::AuditOrigin;
use crate::credential::{PresentedToken, SessionId, hex, sha256};
use crate::issued_tokens::TokenUse;
use crate::token_endpoint::{TokenAnswer, TokenEndpoint, TokenRequest, UpstreamError};
use crate::unavailable::Unavailable;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// Time that a request waits for its tokens to be recorded, in addition to the time limit of the
/// authorization server.
const RECORDING_TIMEOUT: Duration = Duration::from_secs(3);

/// Request for tokens. Owned, because its exchange may outlive the client's request.
#[derive(Clone, Debug)]
pub struct ExchangeRequest {
    /// Request for the token endpoint.
    pub upstream: TokenRequest,
    /// Client that the request names or authenticates as.
    pub client_id: Option<String>,
    /// Session id that the browser has now. A login ends its session.
    pub presented_session: Option<SessionId>,
    /// Origin of the request, for the audit.
    pub origin: AuditOrigin,
}

/// Exchanges grants at one token endpoint. Identical requests share one exchange (invariant I7, decision 9).
#[derive(Clone)]
pub struct TokenExchanger {
    engine: Engine,
    endpoint: Arc<dyn TokenEndpoint>,
    pending: PendingExchanges,
}

impl std::fmt::Debug for TokenExchanger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenExchanger").finish_non_exhaustive()
    }
}

impl TokenExchanger {
    /// Creates an exchanger for one token endpoint. Its clones share the exchanges in progress.
    pub fn new(engine: Engine, endpoint: Arc<dyn TokenEndpoint>) -> Self {
        Self {
            engine,
            endpoint,
            pending: PendingExchanges::default(),
        }
    }

    /// Exchanges an authorization code for tokens and a session.
    ///
    /// # Errors
    /// Fails if the exchange takes too long. It goes on, and an identical request joins it.
    #[tracing::instrument(skip_all)]
    pub async fn exchange_code(
        &self,
        request: ExchangeRequest,
        code: String,
    ) -> Result<Arc<ExchangeOutcome>, Unavailable> {
        let key = request.single_flight_key("code", &code);
        let exchange = self.exchange(request);
        let shared = self
            .join(key, async move { Box::pin(exchange.code(&code)).await.into() })
            .await?;
        Ok(shared.outcome)
    }

    /// Exchanges the code of a browser login for a session. The request's form must have everything but the
    /// client's authentication, which the endpoint adds.
    ///
    /// # Errors
    /// Fails like [`exchange_code`](Self::exchange_code).
    #[tracing::instrument(skip_all)]
    pub async fn exchange_login_code(
        &self,
        request: ExchangeRequest,
        login: LoginCode,
    ) -> Result<Arc<ExchangeOutcome>, Unavailable> {
        let grant = format!("{} {}", login.attempt, login.code);
        let key = request.single_flight_key("login", &grant);
        let exchange = self.exchange(request);
        let shared = self
            .join(
                key,
                async move { Box::pin(exchange.login_code(&login)).await.into() },
            )
            .await?;
        Ok(shared.outcome)
    }

    /// Exchanges a refresh token for new tokens.
    ///
    /// # Errors
    /// Fails like [`exchange_code`](Self::exchange_code).
    #[tracing::instrument(skip_all)]
    pub async fn exchange_refresh_token(
        &self,
        request: ExchangeRequest,
        token: PresentedToken,
    ) -> Result<Arc<ExchangeOutcome>, Unavailable> {
        let key = request.single_flight_key("refresh", self.engine.refresh_key(&token).as_str());
        let client_id = request.client_id.clone();
        let exchange = self.exchange(request);
        let (exchanged, request_key) = (token.clone(), key.clone());
        let shared = self
            .join(key, async move {
                exchange.refresh_token(&exchanged, &request_key).await.into()
            })
            .await?;
        // The exchange may have begun, or ended, before the token was revoked. This request did not: an
        // acknowledged revocation binds it (invariant I1).
        if shared.is_joined && shared.outcome.is_granted() {
            let still_valid = self.engine.refuse_revoked_refresh(&token, client_id.as_deref());
            if let Err(fault) = still_valid.await {
                return Ok(Arc::new(ExchangeOutcome::Failed(fault.into())));
            }
        }
        Ok(shared.outcome)
    }

    /// Forwards a grant of another type. Nothing is known of it, so nothing is shared and no session begins.
    #[tracing::instrument(skip_all)]
    pub async fn forward_grant(&self, request: ExchangeRequest) -> ExchangeOutcome {
        match self.exchange(request).request_tokens().await {
            Ok(Ok((body, _))) => ExchangeOutcome::Granted { body, session: None },
            Ok(Err(outcome)) => outcome,
            Err(fault) => ExchangeOutcome::Failed(fault.into()),
        }
    }

    /// Returns the number of requests that wait for an exchange of a code or a refresh token.
    pub fn waiting_requests(&self) -> usize {
        self.pending.waiting_requests()
    }

    fn exchange(&self, request: ExchangeRequest) -> GrantExchange {
        GrantExchange {
            engine: self.engine.clone(),
            endpoint: Arc::clone(&self.endpoint),
            request,
        }
    }

    async fn join<F>(&self, key: String, exchange: F) -> Result<SharedOutcome, Unavailable>
    where
        F: Future<Output = ExchangeOutcome> + Send + 'static,
    {
        let max_wait = self.endpoint.time_limit() + RECORDING_TIMEOUT;
        let outcome = self.pending.join(key, max_wait, exchange).await;
        outcome.ok_or_else(|| Unavailable::store("the new tokens are not recorded yet"))
    }
}

impl ExchangeRequest {
    /// Returns the key of the exchange. Requests with the same grant, client and parameters share one.
    fn single_flight_key(&self, kind: &str, grant: &str) -> String {
        // Parameters in hexadecimal, so that none can imitate a separator. Hashed, so that no secret is kept
        // as a key.
        let mut text = format!("{kind}\n{grant}\n");
        for (name, value) in &self.upstream.parameters {
            text.push_str(&format!("{}={}\n", hex(name.as_bytes()), hex(value.as_bytes())));
        }
        if let Some(value) = &self.upstream.authorization {
            text.push_str(&hex(value));
        }
        hex(&sha256(text.as_bytes()))
    }
}

/// One exchange in progress.
struct GrantExchange {
    engine: Engine,
    endpoint: Arc<dyn TokenEndpoint>,
    request: ExchangeRequest,
}

/// Answer of the token endpoint to a grant: the tokens with the complete body, or an outcome without tokens.
type GrantAnswer = Result<Result<(Map<String, Value>, TokenGrant), ExchangeOutcome>, UpstreamError>;

impl GrantExchange {
    /// Sends the request and reads its tokens. `Ok(Err(..))` is an answer without tokens.
    async fn request_tokens(&self) -> GrantAnswer {
        match self.endpoint.request_tokens(&self.request.upstream).await? {
            TokenAnswer::Refused(refusal) => Ok(Err(ExchangeOutcome::Refused(refusal))),
            TokenAnswer::Granted(mut body) => {
                remove_absent_tokens(&mut body);
                let parsed = TokenGrant::parse(&body);
                if parsed.is_err() {
                    self.revoke_unusable(&body).await;
                }
                let grant = TokenGrant {
                    client_id: self.request.client_id.clone(),
                    ..parsed?
                };
                Ok(Ok((body, grant)))
            }
        }
    }

    /// Revokes the refresh token of an answer without a usable access token: the client gets neither.
    async fn revoke_unusable(&self, body: &Map<String, Value>) {
        let Some(text) = body.get("refresh_token").and_then(Value::as_str) else {
            return;
        };
        if let Ok(token) = PresentedToken::parse_issued(text) {
            self.enqueue_undelivered(&token, TokenUse::Refresh, self.engine.now())
                .await;
        }
    }

    /// Has the authorization server revoke a token that the client does not get.
    async fn enqueue_undelivered(&self, token: &PresentedToken, token_use: TokenUse, now: Timestamp) {
        // In the outbox: the authorization server has issued the token and must end it. The request does not
        // wait.
        if let Err(fault) = self
            .engine
            .enqueue_token_revocation(token, token_use, None, None, now)
            .await
        {
            tracing::warn!(%fault, "revocation of an undelivered token not queued");
        }
    }
}

/// Returns the outcome of an exchange that got no tokens.
fn outcome_without_tokens(answer: GrantAnswer) -> Result<ExchangeOutcome, ExchangeFault> {
    match answer {
        Ok(Err(outcome)) => Ok(outcome),
        // Not called with tokens. A fault is the safe answer without a panic.
        Ok(Ok(_)) => Ok(ExchangeOutcome::interrupted()),
        Err(fault) => Err(fault.into()),
    }
}
