//! Proof that a presented credential gives about its holder, even if it is expired or revoked.

use std::sync::Arc;

use super::{AuthFault, CredentialRefusal, Engine, TerminationFault};
use crate::credential::{PresentedToken, SessionHandle, SessionId};
use crate::identity::Subject;
use crate::issued_tokens::IssuedToken;
use crate::revocation::{Revocation, RevocationReason, RevokeFault};
use crate::session::SessionFault;
use crate::unavailable::Unavailable;
use crate::verdict::{ActiveCredential, CredentialInfo, CutoffScope, IssueTime, RevocationKey, TokenKey};
use crate::verify::{ParsedToken, UpstreamBudget, VerifyFault};

/// Proof that a credential gives (decision 17).
///
/// A name proves nothing, because anyone can write it into a token. A proof needs the signature of a known
/// key, the answer of a verification layer, or the exact bytes of a token that the gateway has recorded.
#[derive(Clone, Debug)]
pub enum CredentialProof {
    /// Active credential. Its holder may end everything of the user.
    Active(Box<ActiveCredential>),
    /// Revoked credential. Its holder may repeat the revocation, and may end its own login.
    Revoked(Box<ProvenLogin>, CredentialRefusal),
    /// Authentic credential that is not accepted now: expired, not valid yet, or refused by the authorization
    /// server. Its holder may end its own login.
    Inactive(Box<ProvenLogin>, CredentialRefusal),
    /// No proof. The fault is the reason of the refusal.
    Unproven(CredentialRefusal),
}

/// Login that a credential belongs to.
#[derive(Clone, Debug, Default)]
pub struct ProvenLogin {
    /// User, if known.
    pub subject: Option<Subject>,
    /// Info about the credential itself, if known.
    pub info: Option<Arc<CredentialInfo>>,
    /// All keys under which it may be revoked: its names, and the cut-offs that may cover it.
    pub keys: Vec<RevocationKey>,
    /// Sessions that the credential belongs to.
    pub sessions: Vec<SessionHandle>,
}

impl CredentialProof {
    /// Returns the user, if known.
    pub fn subject(&self) -> Option<Subject> {
        match self {
            Self::Active(credential) => Some(credential.identity().subject()),
            Self::Revoked(login, _) | Self::Inactive(login, _) => login.subject.clone(),
            Self::Unproven(_) => None,
        }
    }

    /// Returns the reason for which the credential is not accepted. `None` if it is active.
    pub fn fault(&self) -> Option<&CredentialRefusal> {
        match self {
            Self::Active(_) => None,
            Self::Revoked(_, fault) | Self::Inactive(_, fault) | Self::Unproven(fault) => Some(fault),
        }
    }

    /// Returns `true` if a logout with this proof ends something, or acknowledges an earlier end again.
    pub fn permits_logout(&self) -> bool {
        match self {
            Self::Active(_) | Self::Revoked(..) => true,
            // Without a known session, "logged out" would be a claim about a
            // session that may still be active.
            Self::Inactive(login, _) => !login.sessions.is_empty(),
            Self::Unproven(_) => false,
        }
    }

    /// Returns `true` if a logout-all revoked the credential. Its holder may repeat that logout-all.
    pub fn is_revoked_by_logout_all(&self) -> bool {
        matches!(
            self,
            Self::Revoked(
                _,
                CredentialRefusal::TokenRevoked(RevocationReason::LogoutAll)
                    | CredentialRefusal::SessionRevoked(Some(RevocationReason::LogoutAll))
            )
        )
    }
}

impl Engine {
    /// Returns the proof that a token gives. A request to the authorization server is charged to `budget`.
    ///
    /// # Errors
    /// Fails if a component that must decide does not answer.
    #[tracing::instrument(skip_all)]
    pub async fn proof_of_token(
        &self,
        token: &PresentedToken,
        budget: &dyn UpstreamBudget,
    ) -> Result<CredentialProof, Unavailable> {
        let (chain, now) = (&self.deps.chain, self.now());
        let parsed = ParsedToken::parse(token);
        // A revoked token whose signature a cached key proves, or whose bytes are
        // recorded, needs no upstream request.
        let authentic_info = chain.authentic_info(&parsed, now);
        if let Some(info) = &authentic_info
            && let Some(fault) = self
                .refusal(&info.revocation_keys, &info.cutoff_scopes, info.issue_time)
                .await?
        {
            let login = self.login_of_info(info).await?;
            return Ok(CredentialProof::Revoked(Box::new(login), fault));
        }
        let bytes_key = TokenKey::from_presented(token);
        let bytes_keys = [RevocationKey::Token(bytes_key.clone())];
        // Recorded bytes count only with an owner: anyone may have had any string refused.
        if let Some(fault) = self.refusal(&bytes_keys, &[], IssueTime::Unknown).await?
            && let Some(login) = self.login_revoked_by_bytes(&bytes_key).await?
        {
            return Ok(CredentialProof::Revoked(Box::new(login), fault));
        }
        let rejection = match chain.verify_parsed(&parsed, now, budget).await {
            Ok(verified) => {
                let info = verified.clone().into_info();
                // A fresh clock reading: the layers may have taken seconds.
                return match self.deps.revocations.admit(verified, self.now()).await {
                    Ok(credential) => Ok(CredentialProof::Active(Box::new(credential))),
                    Err(refusal) => {
                        let refusal = AuthFault::from(refusal).into_refusal()?;
                        let login = self.login_of_info(&info).await?;
                        Ok(CredentialProof::Revoked(Box::new(login), refusal))
                    }
                };
            }
            Err(VerifyFault::Unavailable(fault)) => return Err(fault),
            Err(VerifyFault::Rejected(rejection)) => CredentialRefusal::Rejected(rejection),
        };
        // Tried again: the layers may have fetched the keys meanwhile.
        let login = match authentic_info.or_else(|| chain.authentic_info(&parsed, now)) {
            Some(info) => Some(self.login_of_info(&info).await?),
            None => self.login_by_bytes(&bytes_key).await?,
        };
        Ok(match login {
            Some(login) => CredentialProof::Inactive(Box::new(login), rejection),
            None => CredentialProof::Unproven(rejection),
        })
    }

    /// Returns the proof that a session cookie gives.
    ///
    /// # Errors
    /// Fails if the store or the gate does not answer.
    #[tracing::instrument(skip_all)]
    pub async fn proof_of_cookie(&self, id: &SessionId) -> Result<CredentialProof, Unavailable> {
        let (sessions, now) = (&self.deps.sessions, self.now());
        let loaded = match sessions.load(id, now).await {
            Ok(loaded) => loaded,
            // No login to finish: the store removes a session only after its end was acknowledged.
            Err(SessionFault::Ended) => {
                return Ok(CredentialProof::Revoked(
                    Box::default(),
                    CredentialRefusal::SessionRevoked(None),
                ));
            }
            Err(SessionFault::Missing) => return Ok(CredentialProof::Unproven(CredentialRefusal::NoSession)),
            Err(SessionFault::Unavailable(fault)) => return Err(fault),
        };
        let verified = loaded.to_verified(sessions.policy());
        let info = verified.clone().into_info();
        match self.deps.revocations.admit(verified, now).await {
            Ok(credential) => Ok(CredentialProof::Active(Box::new(credential))),
            Err(refusal) => match AuthFault::from(refusal).into_refusal()? {
                // The session continues under another id. The holder of the old id must not
                // be able to end it (decision 23).
                refusal @ CredentialRefusal::SessionRevoked(Some(RevocationReason::SessionRotated)) => {
                    Ok(CredentialProof::Unproven(refusal))
                }
                refusal => {
                    let login = self.login_of_info(&info).await?;
                    Ok(CredentialProof::Revoked(Box::new(login), refusal))
                }
            },
        }
    }

    /// Returns the reason for which a credential with these keys is refused. `None` if it is not revoked.
    async fn refusal(
        &self,
        keys: &[RevocationKey],
        scopes: &[CutoffScope],
        issue_time: IssueTime,
    ) -> Result<Option<CredentialRefusal>, Unavailable> {
        let gate = &self.deps.revocations;
        match gate.check(keys, scopes, issue_time, self.now()).await {
            Ok(_) => Ok(None),
            Err(refusal) => Ok(Some(AuthFault::from(refusal).into_refusal()?)),
        }
    }

    pub(super) async fn login_of_credential(
        &self,
        credential: &ActiveCredential,
    ) -> Result<ProvenLogin, Unavailable> {
        self.login_of_info(&Arc::new(credential.info().clone())).await
    }

    async fn login_of_info(&self, info: &Arc<CredentialInfo>) -> Result<ProvenLogin, Unavailable> {
        let cutoffs = info.cutoff_scopes.iter().cloned().map(RevocationKey::Cutoff);
        Ok(ProvenLogin {
            subject: Some(info.identity.subject()),
            keys: info.revocation_keys.iter().cloned().chain(cutoffs).collect(),
            sessions: self.sessions_of_info(info).await?,
            info: Some(Arc::clone(info)),
        })
    }

    /// Returns the login of a token whose exact bytes are revoked, if their owner was proven at the time.
    async fn login_revoked_by_bytes(&self, bytes_key: &TokenKey) -> Result<Option<ProvenLogin>, Unavailable> {
        if let Some(login) = self.login_by_bytes(bytes_key).await? {
            return Ok(Some(login));
        }
        let key = RevocationKey::Token(bytes_key.clone());
        let revocations = self
            .deps
            .revocations
            .recorded_revocations(std::slice::from_ref(&key), self.now())
            .await;
        let revocations = revocations.map_err(RevokeFault::into_unavailable)?;
        // A line without a user is that of an unproven token, which proves nothing.
        let owner = revocations.into_iter().find_map(|revocation| revocation.subject);
        Ok(owner.map(|subject| ProvenLogin {
            keys: vec![key, RevocationKey::user(&subject)],
            subject: Some(subject),
            ..ProvenLogin::default()
        }))
    }

    /// Returns the login of a token that the register knows by its exact bytes.
    async fn login_by_bytes(&self, bytes_key: &TokenKey) -> Result<Option<ProvenLogin>, Unavailable> {
        let registered: Option<IssuedToken> = self.deps.issued_tokens.find(bytes_key).await?;
        Ok(registered.map(|token| ProvenLogin {
            keys: std::iter::once(RevocationKey::Token(token.key))
                .chain(token.subject.as_ref().map(RevocationKey::user))
                .collect(),
            subject: token.subject,
            info: None,
            sessions: token.session.into_iter().collect(),
        }))
    }

    /// Repeats an earlier logout: waits until it is acknowledged, and finishes the rest of it.
    ///
    /// The rest is the sessions that are already revoked and, after a logout-all, everything from before its
    /// cut-off. Nothing that is active is ended.
    ///
    /// # Errors
    /// Fails if the logout is not acknowledged.
    #[tracing::instrument(skip_all)]
    pub async fn repeat_logout(&self, login: &ProvenLogin) -> Result<(), TerminationFault> {
        let now = self.now();
        let gate = &self.deps.revocations;
        let mut keys = login.keys.clone();
        keys.extend(login.sessions.iter().map(RevocationKey::session));
        let revocations = gate.await_acknowledged(&keys, now).await?;
        if revocations.is_empty() {
            // Another instance revoked it, in its own journal. This instance
            // acknowledges only what its own journal has.
            self.record_in_own_journal(login).await?;
        }
        let Some(subject) = &login.subject else {
            return Ok(());
        };
        let user_key = RevocationKey::user(subject);
        let of_user = revocations.iter().filter(|revocation| revocation.key == user_key);
        // The latest cut-off covers what the earlier ones do.
        if let Some(cutoff) = of_user.max_by_key(|revocation| revocation.cutoff) {
            self.end_registered(subject, cutoff.reason, cutoff.cutoff).await?;
        }
        self.finish_partial_logout(subject).await
    }

    /// Records a known revocation in the journal of this instance, so that its
    /// acknowledgement is durable here.
    async fn record_in_own_journal(&self, login: &ProvenLogin) -> Result<(), TerminationFault> {
        let (gate, now) = (&self.deps.revocations, self.now());
        let Some(info) = &login.info else {
            return Ok(());
        };
        // The first scope is the user's (`ClaimsReader::cutoff_scopes`, `SessionRecord::cutoff_scopes`).
        let user_scope = &info.cutoff_scopes[..1.min(info.cutoff_scopes.len())];
        let mut revocations = self.revocations_of(info, RevocationReason::Logout, now);
        if let Some(cutoff) = gate.latest_cutoff(user_scope, now).await? {
            revocations.push(Revocation {
                key: RevocationKey::user(&info.identity.subject()),
                cutoff: Some(cutoff),
                reason: RevocationReason::LogoutAll,
                revoked_at: now,
                expires_at: gate.keep_until(None, now),
                token_expires_at: None,
                subject: Some(info.identity.subject()),
            });
        }
        gate.revoke_once(revocations, &[], Vec::new(), now).await?;
        Ok(())
    }
}
