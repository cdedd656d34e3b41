//! The one engine behind every door: who is asking, what a login begins, and what ends it.

mod ending;
mod holdings;
mod login;
mod refresh;
mod revoke;

use std::sync::Arc;

use jiff::Timestamp;

pub use ending::{EndFault, EndedAll};
pub use login::{Granted, LoggedIn, LoginFault};
pub use refresh::{RefreshFault, RefreshStanding};

use crate::audit::{AuditEvent, AuditLog};
use crate::clock::Clock;
use crate::credential::{Credential, PresentedToken, SessionId};
use crate::outbox::Outbox;
use crate::revocation::{Issued, IssuedTokens, Live, Reason, Refusal, Revocations};
use crate::seal::SealingKeys;
use crate::session::{Opened, SessionFault, Sessions};
use crate::unavailable::Unavailable;
use crate::verify::{Examined, Rejection, Renewed, Verified, VerifyChain, VerifyFault};
use crate::workspace::Workspaces;

/// Why a credential does not let its bearer in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthFault {
    /// The token is not good.
    #[error("{0}")]
    Rejected(Rejection),
    /// The token is revoked.
    #[error("the token was revoked ({})", .0.as_str())]
    TokenRevoked(Reason),
    /// The session was ended, and with it whatever hangs on it; and why, as long as its ending is not finished.
    #[error("the session was ended")]
    SessionRevoked(Option<Reason>),
    /// There is no such session, or it died of age.
    #[error("there is no such session")]
    NoSession,
    /// Nobody knows.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<VerifyFault> for AuthFault {
    fn from(fault: VerifyFault) -> Self {
        match fault {
            VerifyFault::Rejected(rejection) => Self::Rejected(rejection),
            VerifyFault::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<Refusal> for AuthFault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TokenRevoked(reason) => Self::TokenRevoked(reason),
            Refusal::SessionRevoked(reason) => Self::SessionRevoked(Some(reason)),
            Refusal::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<SessionFault> for AuthFault {
    fn from(fault: SessionFault) -> Self {
        match fault {
            SessionFault::Missing => Self::NoSession,
            SessionFault::Ended => Self::SessionRevoked(None),
            SessionFault::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

/// The parts that an engine is made of.
#[derive(Clone)]
pub struct Parts {
    /// The layers.
    pub chain: Arc<VerifyChain>,
    /// The gate.
    pub revocations: Arc<Revocations>,
    /// The sessions.
    pub sessions: Arc<Sessions>,
    /// The register of issued tokens.
    pub issued: Arc<dyn IssuedTokens>,
    /// What the authorization server has still to be told.
    pub outbox: Arc<dyn Outbox>,
    /// What happened.
    pub audit: Arc<dyn AuditLog>,
    /// Who belongs to which workspace; `None` where only claims say it.
    pub workspaces: Option<Arc<dyn Workspaces>>,
    /// What seals the outbox.
    pub keys: Arc<SealingKeys>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

/// The engine. Every door (HTTP routes, forward-auth, guards) asks it, and none has a check of its own.
#[derive(Clone)]
pub struct Engine {
    parts: Parts,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("chain", &self.parts.chain)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine of these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// The parts it is made of.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The present, by the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Who presents this credential, if it is good and not revoked.
    ///
    /// # Errors
    /// It is not, or nobody knows.
    pub async fn authenticate(&self, credential: &Credential) -> Result<Live, AuthFault> {
        match credential {
            Credential::Token(token) => self.authenticate_token(token).await,
            Credential::Session(id) => Ok(self.open_session(id).await?.0),
        }
    }

    /// Who presents this access token, if that can be told at once: its verdict is remembered or can be found without asking
    /// anybody, the replica may answer, and nothing in it stands against the token. `None` means that nothing is decided;
    /// [`authenticate_token`](Self::authenticate_token) decides it.
    pub fn authenticate_at_once(&self, token: &str, now: Timestamp) -> Option<Live> {
        let Parts {
            chain, revocations, ..
        } = &self.parts;
        let verified = match chain.recall(token, now) {
            Some(verdict) => verdict.ok()?,
            None if revocations.answers_from_memory() => chain.verify_at_once(token, now)?,
            None => return None,
        };
        revocations.admit_at_once(verified, now)
    }

    /// Who presents this access token.
    ///
    /// # Errors
    /// It is not good, or nobody knows.
    pub async fn authenticate_token(&self, token: &PresentedToken) -> Result<Live, AuthFault> {
        let now = self.now();
        let Parts {
            chain, revocations, ..
        } = &self.parts;
        if let Some(verdict) = chain.recall(token.expose(), now) {
            return Ok(self.admit(verdict?, now).await?);
        }
        let examined = Examined::of(token);
        // Only ever to refuse, and to spare the authorization server the question: what counts is below.
        revocations
            .check(&examined.unproven_names(), &[], Issued::Unknown, now)
            .await?;
        let verified = chain.verify_examined(&examined, now).await?;
        Ok(self.admit(verified, self.now()).await?)
    }

    async fn admit(&self, verified: Verified, now: Timestamp) -> Result<Live, Refusal> {
        let gate = &self.parts.revocations;
        match gate.admit_at_once(verified.clone(), now) {
            Some(live) => Ok(live),
            None => gate.admit(verified, now).await,
        }
    }

    /// Asks again about a token that [`VerifyChain::due_renewals`] names, unless it is revoked: nobody is let in with it
    /// anyway.
    pub async fn renew(&self, token: &PresentedToken) -> Renewed {
        let (chain, now) = (&self.parts.chain, self.now());
        let Some(verified) = chain.awaiting_renewal(token, now) else {
            return Renewed::Needless;
        };
        match self.admit(verified, now).await {
            Ok(_) => chain.renew(token, now).await,
            Err(Refusal::Unavailable(_)) => Renewed::Unavailable,
            Err(_) => Renewed::Needless,
        }
    }

    /// Who presents this session cookie, and the session. It counts as a use of the session.
    ///
    /// # Errors
    /// It is not good, or nobody knows.
    pub async fn open_session(&self, id: &SessionId) -> Result<(Live, Opened), AuthFault> {
        let now = self.now();
        let Parts {
            sessions,
            revocations,
            ..
        } = &self.parts;
        let opened = sessions.open(id, now).await?;
        let live = revocations.admit(opened.verified(sessions.policy()), now).await?;
        sessions.touch(&opened, now).await?;
        Ok((live, opened))
    }

    /// The same identity with the workspaces that the database knows of it.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn with_workspaces(&self, live: Live) -> Result<Live, Unavailable> {
        match &self.parts.workspaces {
            None => Ok(live),
            Some(workspaces) => {
                let more = workspaces.of_member(&live.identity().user_id).await?;
                Ok(live.with_workspaces(more))
            }
        }
    }

    /// Records what happened.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn audit(&self, event: AuditEvent) -> Result<(), Unavailable> {
        tracing::info!(
            kind = event.kind.as_str(),
            result = event.result.as_str(),
            user_id = event.user_id,
            target = event.target,
            request_id = event.request_id,
            "audit"
        );
        self.parts.audit.append(&[event]).await
    }
}
