//! Exchange of the code of a browser login, whose ID token says who logged in (OpenID Connect Core §3.1.3).

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::code::is_code_unspent;
use super::{BegunSession, ExchangeFault, ExchangeOutcome, GrantExchange, outcome_without_tokens};
use crate::engine::id_token_login::LoginTimes;
use crate::engine::{LoginFault, TokenGrant};
use crate::login::{IdTokenFault, IdTokenRules, VerifiedIdToken};
use crate::session::ProviderLogin;
use crate::token_endpoint::UpstreamError;
use crate::verify::{IdTokenProof, IssuedJwtFault};

/// Code that a browser brought back, with what its ID token must say.
#[derive(Clone)]
pub struct LoginCode {
    /// Authorization code.
    pub code: String,
    /// Name under which the attempt is claimed.
    pub attempt: String,
    /// Id of the provider.
    pub provider: String,
    /// Issuer of the provider.
    pub issuer: String,
    /// Client of the gateway there.
    pub client_id: String,
    /// Nonce of the attempt.
    pub nonce: String,
    /// `max_age` of the attempt, in seconds.
    pub max_age: Option<u32>,
    /// Start of the attempt, by the clock that all instances share. A cut-off since then covers the login: the
    /// person may have been logged in at the provider before it.
    pub began_at: Timestamp,
}

// Not derived: the code is a secret.
impl std::fmt::Debug for LoginCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LoginCode")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

impl GrantExchange {
    /// Exchanges the code of a browser login, and begins a session. The attempt is claimed before the code is
    /// sent, on all instances.
    pub(super) async fn login_code(&self, login: &LoginCode) -> Result<ExchangeOutcome, ExchangeFault> {
        let engine = &self.engine;
        let login_at = engine.shared_time().await?;
        self.claim_attempt(login).await?;
        let (body, granted) = match self.request_tokens().await {
            Ok(Ok(tokens)) => tokens,
            no_tokens => {
                if is_code_unspent(&no_tokens) {
                    engine.release_code(&login.attempt).await;
                    engine.release_code(&login.code).await;
                }
                return outcome_without_tokens(no_tokens);
            }
        };
        match self.begin_session(login, &body, &granted, login_at).await {
            Ok(session) => {
                self.end_replaced_session().await;
                Ok(ExchangeOutcome::Granted {
                    body,
                    session: Some(session),
                })
            }
            Err(fault) => {
                self.revoke_undelivered(&granted, login_at).await;
                Err(fault)
            }
        }
    }

    /// Claims the attempt, and its code.
    async fn claim_attempt(&self, login: &LoginCode) -> Result<(), ExchangeFault> {
        let (engine, limit) = (&self.engine, self.endpoint.time_limit());
        // The code first: if it is new and the attempt is not, somebody brought another code.
        let is_new_code = engine.claim_code(&login.code, limit).await?;
        match (engine.claim_code(&login.attempt, limit).await?, is_new_code) {
            (true, true) => Ok(()),
            (false, true) => Err(ExchangeFault::OtherCode),
            (_, false) => Err(ExchangeFault::CodeUsed),
        }
    }

    /// Verifies the ID token, and begins the session of the person that it names.
    async fn begin_session(
        &self,
        login: &LoginCode,
        body: &Map<String, Value>,
        granted: &TokenGrant,
        login_at: Timestamp,
    ) -> Result<BegunSession, ExchangeFault> {
        require_bearer(body)?;
        let text = body.get("id_token").and_then(Value::as_str);
        let text = text.ok_or(IdTokenFault::Missing)?;
        let token = self.verify_id_token(login, text, granted).await?;
        let proof = IdTokenProof {
            issuer: &login.issuer,
            client_id: &login.client_id,
            sid: token.sid.as_deref(),
            issued_at: token.issued_at,
            claims: &token.claims,
        };
        let record = provider_login(login, text, &token);
        let engine = &self.engine;
        let begun = engine
            .log_in_with_id_token(
                granted,
                &proof,
                record,
                LoginTimes {
                    began_at: login.began_at,
                    login_at,
                },
                &self.request.origin,
            )
            .await;
        match begun {
            Ok(begun) => Ok(BegunSession {
                handle: begun.session.record.handle.clone(),
                id: begun.session.id,
            }),
            Err(LoginFault::OtherPerson) => Err(IdTokenFault::OtherPerson.into()),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn verify_id_token(
        &self,
        login: &LoginCode,
        text: &str,
        granted: &TokenGrant,
    ) -> Result<VerifiedIdToken, ExchangeFault> {
        let (engine, now) = (&self.engine, self.engine.now());
        let claims = match engine.deps.chain.verify_issued_jwt(text, now).await {
            Ok(claims) => claims,
            Err(IssuedJwtFault::NotSigned) => return Err(IdTokenFault::NotSigned.into()),
            Err(IssuedJwtFault::Signature) => return Err(IdTokenFault::Signature.into()),
            Err(IssuedJwtFault::Unavailable(fault)) => return Err(fault.into()),
        };
        let rules = IdTokenRules {
            issuer: &login.issuer,
            client_id: &login.client_id,
            nonce: Some(&login.nonce),
            access_token: granted.access_token.expose(),
            max_age: login.max_age,
        };
        Ok(rules.check(&claims, now)?)
    }
}

/// Refuses a token of a type that the gateway cannot use (RFC 6749 §7.1). One without a type counts as a bearer
/// token: some providers leave it out.
fn require_bearer(body: &Map<String, Value>) -> Result<(), ExchangeFault> {
    let is_bearer = match body.get("token_type") {
        None => true,
        Some(kind) => kind
            .as_str()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")),
    };
    if is_bearer {
        Ok(())
    } else {
        Err(UpstreamError::Unreadable("the access token is no bearer token").into())
    }
}

fn provider_login(login: &LoginCode, text: &str, token: &VerifiedIdToken) -> ProviderLogin {
    ProviderLogin {
        provider: login.provider.clone(),
        issuer: login.issuer.clone(),
        sid: token.sid.clone(),
        id_token: text.to_owned(),
        issued_at: token.issued_at,
        auth_time: token.auth_time,
        acr: token.acr.clone(),
        amr: token.amr.clone(),
    }
}
