//! The engine behind every entry point: authenticates requests, begins logins, and ends them.

mod auth_fault;
mod credential_proof;
mod evidence;
mod exchange;
mod id_token_login;
mod introspection;
mod login;
mod logout;
mod maintenance;
mod named_revocation;
mod operator;
mod provider_logout;
mod refresh;
mod refresh_answer;
mod refresh_fault;
mod revoke;
mod session_renewal;
mod session_rotation;
mod session_view;
mod termination;
mod token_grant;
mod token_provenance;
mod unproven;
mod upstream_revocations;
mod user_sessions;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use auth_fault::{AuthFault, CredentialRefusal};
pub use credential_proof::{CredentialProof, ProvenLogin};
pub use exchange::{
    BegunSession, ExchangeFault, ExchangeOutcome, ExchangeRequest, LoginCode, TokenExchanger,
};
pub use introspection::IntrospectedToken;
pub use login::{CompletedLogin, LoginFault};
pub use logout::{
    LogoutCookie, LogoutCounts, LogoutCredentials, LogoutFault, LogoutOptions, LogoutPayer, LogoutRequest,
    ProvenLogout,
};
pub use maintenance::PurgeSummary;
pub use operator::{SessionEnding, TokenOwner};
pub use provider_logout::ProviderLogoutFault;
pub use refresh::RefreshTokenState;
pub use refresh_fault::RefreshFault;
pub use revoke::{RevokeRequest, RevokeTokenFault};
pub use session_rotation::SessionRotation;
pub use session_view::{SessionEnd, SessionView, SessionWatch, WatchedState};
pub use termination::{LogoutAllCounts, TerminationFault};
pub use token_grant::TokenGrant;
pub use unproven::UnprovenPolicy;
pub use upstream_revocations::upstream_fairness_key;
pub use user_sessions::SessionOwnership;

use crate::audit::{AuditEvent, AuditLog};
use crate::clock::Clock;
use crate::credential::{PresentedCredential, PresentedToken, SessionId};
use crate::events::RefreshAheadOutcome;
use crate::events::{GatewayEvent, GatewayEvents};
use crate::issued_tokens::IssuedTokens;
use crate::outbox::Outbox;
use crate::revocation::{GateRefusal, RevocationGate, UnprovenTokens};
use crate::seal::SealingKeys;
use crate::session::{LoadedSession, SessionManager};
use crate::unavailable::Unavailable;
use crate::used_codes::UsedCodes;
use crate::verdict::{ActiveCredential, IssueTime, Verified};
use crate::verify::{ParsedToken, UnlimitedBudget, UpstreamBudget, VerifyChain};
use crate::workspace::WorkspaceStore;

/// Components of an engine.
#[derive(Clone)]
pub struct EngineDeps {
    /// Verification layers.
    pub chain: Arc<VerifyChain>,
    /// Revocation gate.
    pub revocations: Arc<RevocationGate>,
    /// Sessions.
    pub sessions: Arc<SessionManager>,
    /// Register of issued tokens.
    pub issued_tokens: Arc<dyn IssuedTokens>,
    /// Authorization codes that were exchanged.
    pub used_codes: Arc<dyn UsedCodes>,
    /// Tokens that are refused although nothing proves them.
    pub unproven_tokens: Arc<dyn UnprovenTokens>,
    /// Limits of the unproven tokens.
    pub unproven_policy: UnprovenPolicy,
    /// Revocations that the authorization server must still be notified of.
    pub outbox: Arc<dyn Outbox>,
    /// Audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Members of the workspaces. `None` if workspaces come from claims only.
    pub workspaces: Option<Arc<dyn WorkspaceStore>>,
    /// Keys that seal the outbox, the unproven tokens and the answers to refreshes.
    pub sealing_keys: Arc<SealingKeys>,
    /// Time after an exchange in which the same request gets the same answer, and a second use of the refresh
    /// token does not end the session (`REFRESH_GRACE_SECONDS`).
    pub refresh_grace: Duration,
    /// Receiver of the events of the use cases.
    pub events: Arc<dyn GatewayEvents>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for EngineDeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineDeps")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

/// Authenticates credentials, and begins and ends logins.
///
/// Every entry point (HTTP routes, forward-auth, guards) uses it, and none has a check of its own.
#[derive(Clone)]
pub struct Engine {
    deps: EngineDeps,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("chain", &self.deps.chain)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Creates an engine from its components.
    pub fn new(deps: EngineDeps) -> Self {
        Self { deps }
    }

    /// Returns the components, for tests that look behind a use case. Everything else uses the named methods.
    #[cfg(feature = "test-util")]
    pub fn deps(&self) -> &EngineDeps {
        &self.deps
    }

    /// Returns the current time, by the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    /// Authenticates a credential: it must be valid and not revoked.
    ///
    /// # Errors
    /// Fails if the credential is not accepted, or if a component does not answer.
    pub async fn authenticate(
        &self,
        credential: &PresentedCredential,
    ) -> Result<ActiveCredential, AuthFault> {
        self.authenticate_within(credential, &UnlimitedBudget).await
    }

    /// Authenticates a credential, and charges a request to the authorization server to the caller's budget.
    ///
    /// # Errors
    /// Fails like [`authenticate`](Self::authenticate), or if the budget is spent.
    pub async fn authenticate_within(
        &self,
        credential: &PresentedCredential,
        budget: &dyn UpstreamBudget,
    ) -> Result<ActiveCredential, AuthFault> {
        match credential {
            PresentedCredential::Token(token) => self.authenticate_token_within(token, budget).await,
            PresentedCredential::Session(id) => self.authenticate_cookie(id).await,
        }
    }

    /// Authenticates an access token without waiting.
    ///
    /// That is possible if its verdict is cached or needs no request, the replica may answer, and the
    /// replica has no revocation of it. `None` decides nothing: call
    /// [`authenticate_token`](Self::authenticate_token) then.
    pub fn try_authenticate(&self, token: &str, now: Timestamp) -> Option<ActiveCredential> {
        let EngineDeps {
            chain, revocations, ..
        } = &self.deps;
        let verified = match chain.lookup_cached(token, now) {
            // A cached refusal is left to the caller's slow path, which returns its reason.
            Some(verdict) => verdict.ok()?,
            // Without a lease the gate below would decide nothing, so a signature check would be wasted.
            None if revocations.can_answer_from_replica() => chain.try_verify(token, now)?,
            None => return None,
        };
        revocations.try_admit(verified, now)
    }

    /// Authenticates a session cookie without waiting, if its verdict is cached and the replica may answer.
    /// `None` decides nothing: call [`authenticate_cookie`](Self::authenticate_cookie) then.
    pub fn try_authenticate_cookie(&self, id: &SessionId, now: Timestamp) -> Option<ActiveCredential> {
        let verified = self.deps.sessions.lookup_cached(id, now)?;
        self.deps.revocations.try_admit(verified, now)
    }

    /// Authenticates an access token.
    ///
    /// # Errors
    /// Fails if the token is not accepted, or if a component does not answer.
    pub async fn authenticate_token(&self, token: &PresentedToken) -> Result<ActiveCredential, AuthFault> {
        self.authenticate_token_within(token, &UnlimitedBudget).await
    }

    /// Authenticates an access token, and charges a request to the
    /// authorization server to the caller's budget.
    ///
    /// # Errors
    /// Fails like [`authenticate_within`](Self::authenticate_within).
    pub async fn authenticate_token_within(
        &self,
        token: &PresentedToken,
        budget: &dyn UpstreamBudget,
    ) -> Result<ActiveCredential, AuthFault> {
        let now = self.now();
        let EngineDeps {
            chain, revocations, ..
        } = &self.deps;
        if let Some(verdict) = chain.lookup_cached(token.expose(), now) {
            return Ok(self.admit(verdict?, now).await?);
        }
        let parsed = ParsedToken::parse(token);
        // These names are unverified: they can only refuse, and save a request to the authorization server.
        // The check that counts is below, with verified names.
        revocations
            .check(
                &parsed.unverified_names(&chain.issuer_of(parsed.shape())),
                &[],
                IssueTime::Unknown,
                now,
            )
            .await?;
        let verified = chain.verify_parsed(&parsed, now, budget).await?;
        // A fresh clock reading: the layers may have taken seconds.
        Ok(self.admit(verified, self.now()).await?)
    }

    /// Passes a verified credential through the gate, from memory if possible.
    async fn admit(&self, verified: Verified, now: Timestamp) -> Result<ActiveCredential, GateRefusal> {
        let gate = &self.deps.revocations;
        match gate.try_admit(verified.clone(), now) {
            Some(credential) => Ok(credential),
            None => gate.admit(verified, now).await,
        }
    }

    /// Verifies a token again that [`VerifyChain::due_refreshes`] has returned.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn refresh_verdict(&self, token: &PresentedToken) -> RefreshAheadOutcome {
        let (chain, now) = (&self.deps.chain, self.now());
        let outcome = match chain.awaiting_refresh(token, now) {
            None => RefreshAheadOutcome::Skipped,
            Some(verified) => match self.admit(verified, now).await {
                Ok(_) => chain.refresh_verdict(token, now).await,
                // A revoked token is refused with any verdict, so the layers need not be asked.
                Err(GateRefusal::Unavailable(_)) => RefreshAheadOutcome::Unavailable,
                Err(_) => RefreshAheadOutcome::Skipped,
            },
        };
        self.report(GatewayEvent::VerdictRefreshed(outcome));
        outcome
    }

    /// Authenticates a session cookie, from memory if possible.
    ///
    /// # Errors
    /// Fails if the session is not accepted, or if a component does not answer.
    pub async fn authenticate_cookie(&self, id: &SessionId) -> Result<ActiveCredential, AuthFault> {
        let now = self.now();
        match self.deps.sessions.lookup_cached(id, now) {
            Some(verified) => Ok(self.admit(verified, now).await?),
            None => Ok(self.authenticate_session(id).await?.0),
        }
    }

    /// Authenticates a session cookie, loads its session, and records the use.
    ///
    /// # Errors
    /// Fails if the session is not accepted, or if the store does not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn authenticate_session(
        &self,
        id: &SessionId,
    ) -> Result<(ActiveCredential, LoadedSession), AuthFault> {
        let now = self.now();
        let sessions = &self.deps.sessions;
        let loaded = sessions.load(id, now).await?;
        let verified = loaded.to_verified(sessions.policy());
        let credential = self.admit(verified.clone(), now).await?;
        // After the gate: a revoked session must not get a longer life.
        sessions.record_use(&loaded, verified, now);
        // What an issuer vouched for ends with it (decision 41). After the verdict was cached: if the issuer was
        // removed meanwhile, the cache was emptied either after that, or before this.
        if !self.deps.chain.trusts_issuer(&loaded.record.identity.issuer) {
            sessions.forget_all();
            return Err(CredentialRefusal::NoSession.into());
        }
        Ok((credential, loaded))
    }

    /// Adds the workspaces that the database has for the user.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn with_workspaces(
        &self,
        credential: ActiveCredential,
    ) -> Result<ActiveCredential, Unavailable> {
        match &self.deps.workspaces {
            None => Ok(credential),
            Some(workspaces) => {
                let workspaces_of_user = workspaces.workspaces_of(&credential.identity().subject()).await?;
                Ok(credential.with_workspaces(workspaces_of_user))
            }
        }
    }

    /// Replaces the chains of all issuers but the default one. What an issuer vouched for that is no longer among
    /// them is refused from now on, cached or not.
    pub fn replace_other_issuers(&self, chains: Vec<Arc<VerifyChain>>) {
        self.deps.chain.replace_other_issuers(chains);
        self.deps.sessions.forget_all();
    }

    /// Reports an event to the receiver of this engine.
    fn report(&self, event: GatewayEvent<'_>) {
        self.deps.events.record(event);
    }

    /// Records an audit event, in the log and in the audit table.
    ///
    /// # Errors
    /// Fails if the database does not answer. The caller must not answer as if the event were recorded.
    pub async fn audit(&self, event: AuditEvent) -> Result<(), Unavailable> {
        // Reported first: the event must be visible even if the database does not answer.
        self.report(GatewayEvent::Audited(&event));
        self.deps.audit.append(&[event]).await
    }
}
