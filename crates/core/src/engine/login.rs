//! Login: creates a session, and registers the tokens that belong to it.

use std::time::Duration;

use jiff::Timestamp;

use super::token_grant::{TokenGrant, belong_to_upstream_session, session_tokens};
use super::token_provenance::add_cutoff_scopes;
use super::{AuthFault, CredentialRefusal, Engine, TerminationFault};
use crate::audit::{AuditEvent, AuditKind, AuditOrigin};
use crate::clock;
use crate::credential::{MAX_TOKEN_BYTES, SessionHandle};
use crate::events::GatewayEvent;
use crate::issued_tokens::IssuedToken;
use crate::revocation::{CutoffExemption, GateRefusal, Revocation, RevocationReason};
use crate::session::{CreatedSession, NewSession, ProviderLogin};
use crate::unavailable::Unavailable;
use crate::used_codes::{CODE_REUSE_WINDOW, CodeKey};
use crate::verdict::{ActiveCredential, CutoffScope, IssueTime, RevocationKey, Verified};
use crate::verify::{ParsedToken, TokenRejection};

/// Successful login.
#[derive(Debug)]
pub struct CompletedLogin {
    /// Active credential of the user who logged in.
    pub credential: ActiveCredential,
    /// Session that the login created.
    pub session: CreatedSession,
}

/// Reason for which a login creates no session.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoginFault {
    /// The layers do not accept the access token, so the gateway cannot tell who the user is.
    #[error(transparent)]
    NotIdentified(CredentialRefusal),
    /// ID token and access token of different people.
    #[error("the ID token and the access token are of different people")]
    OtherPerson,
    /// Cut-off, for example a logout-all, that came during the login.
    #[error("a logout-all or a cut-off came during the login")]
    Revoked,
    /// Component that did not answer. The tokens must not be returned to the client.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<TerminationFault> for LoginFault {
    fn from(fault: TerminationFault) -> Self {
        Self::Unavailable(fault.into_unavailable())
    }
}

impl Engine {
    /// Begins a session for tokens that an authorization code was just exchanged for.
    ///
    /// `login_at` is the time at which the exchange began. Cut-offs are compared with it (decision 3).
    ///
    /// # Errors
    /// See [`LoginFault`]. No session is left after an error, and the caller must not use one.
    #[tracing::instrument(skip_all)]
    pub async fn log_in(
        &self,
        grant: &TokenGrant,
        login_at: Timestamp,
        origin: &AuditOrigin,
    ) -> Result<CompletedLogin, LoginFault> {
        let verified = self.identify(grant).await?;
        self.begin_session(verified, grant, None, login_at, origin).await
    }

    /// Begins the session of a person who was identified.
    pub(super) async fn begin_session(
        &self,
        verified: Verified,
        grant: &TokenGrant,
        login: Option<ProviderLogin>,
        login_at: Timestamp,
        origin: &AuditOrigin,
    ) -> Result<CompletedLogin, LoginFault> {
        // A fresh clock reading: the layers may have taken seconds.
        let now = self.now();
        let info = verified.clone().into_info();
        let subject = info.identity.subject();
        let mut scopes = info.cutoff_scopes.clone();
        add_cutoff_scopes(&mut scopes, grant.client_id.clone().map(CutoffScope::Client));
        let handle = SessionHandle::generate()?;
        let mut issued = self.issued_tokens(grant, Some(&subject), Some(&handle), login_at, now);
        // The register must use the name that the gate looks up, which comes from verified claims.
        if let (Some(RevocationKey::Token(key)), Some(access)) =
            (info.revocation_keys.first(), issued.first_mut())
        {
            access.key = key.clone();
        }
        let upstream_session = info.cutoff_scopes.iter().find_map(|scope| match scope {
            CutoffScope::UpstreamSession(session) => Some(session),
            _ => None,
        });
        belong_to_upstream_session(&mut issued, upstream_session);
        // The exemption comes before the gate, which would refuse the new token by an earlier cut-off.
        self.exempt_from_earlier_cutoffs(&issued, info.issue_time, &scopes, login_at, now)
            .await?;
        let credential = self
            .deps
            .revocations
            .admit(verified, now)
            .await
            .map_err(|refusal| match AuthFault::from(refusal) {
                AuthFault::Unavailable(fault) => LoginFault::Unavailable(fault),
                AuthFault::Refused(_) => LoginFault::Revoked,
            })?;
        // Registered before the last check: a cut-off that comes now finds
        // the tokens here, or is found below.
        self.register_tokens(&issued, now).await?;
        self.refuse_if_cut_off(&scopes, &issued, now).await?;
        let new = NewSession {
            identity: credential.identity().clone(),
            ip_address: origin.ip_address.clone(),
            user_agent: origin.user_agent.clone(),
            handle,
            login_at,
            tokens: session_tokens(self.deps.chain.issuer(), grant, &issued),
            cutoff_scopes: scopes,
            login,
        };
        let session = self.create_session(new, origin, now).await?;
        self.report(GatewayEvent::SessionCreated);
        Ok(CompletedLogin { credential, session })
    }

    /// Verifies the access token of a grant: which user is this?
    pub(super) async fn identify(&self, grant: &TokenGrant) -> Result<Verified, LoginFault> {
        // No layer takes one that is longer. The client may still use it elsewhere.
        if grant.access_token.expose().len() > MAX_TOKEN_BYTES {
            let refusal = CredentialRefusal::Rejected(TokenRejection::Malformed);
            return Err(LoginFault::NotIdentified(refusal));
        }
        let chain = &self.deps.chain;
        // The code is spent: the login must not fail because the key is new.
        chain
            .fetch_key_of_issued(&ParsedToken::parse(&grant.access_token), self.now())
            .await;
        let verdict = chain.verify(&grant.access_token, self.now()).await;
        verdict.map_err(|fault| match AuthFault::from(fault) {
            AuthFault::Unavailable(fault) => LoginFault::Unavailable(fault),
            AuthFault::Refused(refusal) => LoginFault::NotIdentified(refusal),
        })
    }

    /// Creates the session, and ends those that exceed the user's limit.
    async fn create_session(
        &self,
        new: NewSession,
        origin: &AuditOrigin,
        now: Timestamp,
    ) -> Result<CreatedSession, LoginFault> {
        let created = self.deps.sessions.create(new, now).await?;
        if let Err(fault) = self.evict_excess_sessions(&created, origin).await {
            // The client does not get this id. Without the removal the session would exceed the limit.
            let subject = created.record.identity.subject();
            let removed = self
                .deps
                .sessions
                .remove(&subject, &created.to_indexed(), now)
                .await;
            if let Err(fault) = removed {
                tracing::warn!(%fault, "unused session not removed, it ends by its idle time-out");
            }
            return Err(fault.into());
        }
        Ok(created)
    }

    /// Ends the user's oldest sessions over the limit, and records the audit event of the login.
    async fn evict_excess_sessions(
        &self,
        created: &CreatedSession,
        origin: &AuditOrigin,
    ) -> Result<(), TerminationFault> {
        let (record, now) = (&created.record, self.now());
        let subject = &record.identity.subject();
        for evicted in &created.evicted {
            let event = AuditEvent::new(AuditKind::SessionTerminated, now, origin)
                .with_actor(subject)
                .with_target(evicted.handle.as_str())
                .with_detail("more sessions than SESSION_MAX_PER_USER");
            self.end_session(
                subject,
                &evicted.handle,
                RevocationReason::SessionTerminated,
                vec![event],
            )
            .await?;
        }
        let event = AuditEvent::new(AuditKind::Login, now, origin)
            .with_actor(subject)
            .with_target(record.handle.as_str());
        Ok(self.audit(event).await?)
    }

    /// Fails if a cut-off came during the login, and revokes the tokens.
    ///
    /// A cut-off is recorded before its tokens are looked for. So either they were in the register by then,
    /// or this check finds the cut-off.
    async fn refuse_if_cut_off(
        &self,
        scopes: &[CutoffScope],
        tokens: &[IssuedToken],
        now: Timestamp,
    ) -> Result<(), LoginFault> {
        let Some(login_at) = tokens.first().map(|access| access.login_at) else {
            return Ok(());
        };
        let revocations = &self.deps.revocations;
        match revocations.check(&[], scopes, IssueTime::At(login_at), now).await {
            Ok(_) => Ok(()),
            Err(GateRefusal::Unavailable(fault)) => Err(fault.into()),
            Err(_) => {
                self.revoke_issued(tokens, now).await?;
                Err(LoginFault::Revoked)
            }
        }
    }

    /// Revokes by name tokens that are not returned to the client.
    pub(super) async fn revoke_issued(
        &self,
        tokens: &[IssuedToken],
        now: Timestamp,
    ) -> Result<(), TerminationFault> {
        let revocations = &self.deps.revocations;
        let revoked = tokens.iter().map(|token| Revocation {
            subject: token.subject.clone(),
            ..revocations.revocation_by_name(
                RevocationKey::Token(token.key.clone()),
                RevocationReason::SessionTerminated,
                Some(token.expires_at),
                now,
            )
        });
        Ok(revocations.revoke(revoked.collect(), &[], now).await?)
    }

    /// Claims an authorization code for one exchange, on all instances (RFC 6749 §4.1.2, decision 18).
    ///
    /// Returns `false` if the code was used before. `max_duration` is the longest
    /// time that the exchange may take.
    ///
    /// # Errors
    /// Fails if the database does not answer. The code can still be used then.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn claim_code(&self, code: &str, max_duration: Duration) -> Result<bool, Unavailable> {
        let now = self.now();
        // The window begins when the exchange has ended, which may take up to `max_duration`.
        let until = clock::after(now, CODE_REUSE_WINDOW + max_duration);
        self.deps
            .used_codes
            .claim_code(&CodeKey::of(code), until, now)
            .await
    }

    /// Releases the claim after an exchange that has certainly not used the code. If
    /// that fails, the code stays refused.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn release_code(&self, code: &str) {
        if let Err(fault) = self.deps.used_codes.release_code(&CodeKey::of(code)).await {
            tracing::warn!(%fault, "claim on an authorization code not released, code stays refused");
        }
    }

    /// Exempts the tokens of a login from a cut-off that is older than the login (decision 3).
    ///
    /// If the issue time is clearly later than the cut-off, no exemption is needed and none is recorded.
    pub(super) async fn exempt_from_earlier_cutoffs(
        &self,
        issued: &[IssuedToken],
        access_issued: IssueTime,
        scopes: &[CutoffScope],
        login_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let Some(access) = issued.first() else {
            return Ok(());
        };
        let revocations = &self.deps.revocations;
        let Some(cutoff) = revocations.latest_cutoff(scopes, now).await? else {
            return Ok(());
        };
        if login_at < cutoff || !access_issued.is_covered_by(cutoff, revocations.policy().skew) {
            return Ok(());
        }
        // Only the access token: the refresh token is checked by its login time in the register.
        let exemption = CutoffExemption {
            key: RevocationKey::Token(access.key.clone()),
            began_at: login_at,
            expires_at: revocations.keep_until(Some(access.expires_at), now),
            subject: access.subject.clone(),
        };
        revocations.exempt(vec![exemption], now).await
    }
}
