//! Login that an ID token proves (OpenID Connect Core §3.1.3).

use jiff::Timestamp;

use super::{CompletedLogin, CredentialRefusal, Engine, LoginFault, TokenGrant};
use crate::audit::AuditOrigin;
use crate::revocation::GateRefusal;
use crate::session::ProviderLogin;
use crate::verdict::{IssueTime, Verified};
use crate::verify::{IdTokenProof, PersonFault, TokenRejection};

/// Times of a browser login, by the clock that all instances share.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoginTimes {
    /// Start of the attempt.
    pub(super) began_at: Timestamp,
    /// Time before the code was exchanged.
    pub(super) login_at: Timestamp,
}

impl Engine {
    /// Returns the time at which a login begins: by the clock that all instances share, so that it can be compared
    /// with cut-offs. While the store does not answer, by the own clock.
    pub async fn login_time(&self) -> Timestamp {
        match self.shared_time().await {
            Ok(now) => now,
            Err(fault) => {
                tracing::debug!(%fault, "login begun by the own clock");
                self.now()
            }
        }
    }

    /// Begins a session for the login that an ID token proves. The access token need not be one that the layers
    /// know.
    ///
    /// # Errors
    /// See [`LoginFault`].
    pub(super) async fn log_in_with_id_token(
        &self,
        grant: &TokenGrant,
        proof: &IdTokenProof<'_>,
        login: ProviderLogin,
        times: LoginTimes,
        origin: &AuditOrigin,
    ) -> Result<CompletedLogin, LoginFault> {
        let verified = match self.identify(grant).await {
            Ok(verified) => Some(verified),
            Err(LoginFault::NotIdentified(refusal)) => {
                tracing::debug!(%refusal, "access token of a login not accepted by the layers, ID token counts alone");
                None
            }
            Err(fault) => return Err(fault),
        };
        let chain = &self.deps.chain;
        let joined = chain.join_id_token(proof, &grant.access_token, verified, self.now());
        let verified = joined.map_err(|fault| match fault {
            PersonFault::Different => LoginFault::OtherPerson,
            PersonFault::NoUserId(_) => {
                LoginFault::NotIdentified(CredentialRefusal::Rejected(TokenRejection::NoSubject))
            }
        })?;
        self.refuse_cut_off_since(&verified, times.began_at).await?;
        self.begin_session(verified, grant, Some(login), times.login_at, origin)
            .await
    }

    /// Fails if a cut-off came since the login began: the person may have left the provider meanwhile, and its
    /// code may be older than that.
    async fn refuse_cut_off_since(&self, verified: &Verified, began_at: Timestamp) -> Result<(), LoginFault> {
        let info = verified.clone().into_info();
        let revocations = &self.deps.revocations;
        let checked = revocations.check(&[], &info.cutoff_scopes, IssueTime::At(began_at), self.now());
        match checked.await {
            Ok(_) => Ok(()),
            Err(GateRefusal::Unavailable(fault)) => Err(fault.into()),
            Err(_) => Err(LoginFault::Revoked),
        }
    }
}
