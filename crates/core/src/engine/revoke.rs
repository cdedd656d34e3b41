//! Revocation of one token for its holder (RFC 7009), by what is proven about the token (decision 10).

use jiff::Timestamp;

use super::evidence::TokenEvidence;
use super::token_grant::refresh_key;
use super::{Engine, TerminationFault};
use crate::audit::{AuditEvent, AuditKind, AuditOrigin};
use crate::credential::PresentedToken;
use crate::events::GatewayEvent;
use crate::identity::Subject;
use crate::issued_tokens::{IssuedToken, TokenUse};
use crate::outbox::ClientCredentials;
use crate::revocation::{RecordOutcome, Revocation, RevocationReason, RevokeFault};
use crate::session::SessionToken;
use crate::unavailable::Unavailable;
use crate::verdict::{CredentialInfo, RevocationKey, TokenKey};
use maxlab_auth_jose::{TokenShape, shape_of};

/// Request to revoke a token, without the token itself.
#[derive(Clone, Debug)]
pub struct RevokeRequest<'r> {
    /// `token_type_hint` (RFC 7009 §2.1).
    pub hint: Option<&'r str>,
    /// Client that the request names.
    pub client: Option<ClientCredentials>,
    /// `true` if the client authenticated with a secret that is configured here.
    pub client_is_proven: bool,
    /// Origin of the request, for the audit.
    pub origin: &'r AuditOrigin,
}

/// Reason for which the revocation of a token is not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RevokeTokenFault {
    /// Revocation that is not acknowledged.
    #[error(transparent)]
    Termination(#[from] TerminationFault),
    /// Nothing proves the token, and the set of unproven tokens is full (`REVOKE_UNPROVEN_MAX`).
    #[error("the limit of unproven tokens is reached (REVOKE_UNPROVEN_MAX)")]
    TooManyUnproven,
}

impl From<Unavailable> for RevokeTokenFault {
    fn from(fault: Unavailable) -> Self {
        Self::Termination(fault.into())
    }
}

impl From<RevokeFault> for RevokeTokenFault {
    fn from(fault: RevokeFault) -> Self {
        Self::Termination(fault.into())
    }
}

impl RevokeRequest<'_> {
    /// Returns the token use that the request names. An access token if it names none.
    pub(super) fn token_use(&self) -> TokenUse {
        self.hint.and_then(TokenUse::parse).unwrap_or(TokenUse::Access)
    }
}

impl Engine {
    /// Revokes a token for its holder (RFC 7009 §2).
    ///
    /// * A refresh token ends its session and all tokens of the session.
    /// * An access token ends alone.
    /// * A token that can never be accepted ends nothing. That is a success too (RFC 7009 §2.2).
    ///
    /// # Errors
    /// Fails if the revocation is not acknowledged.
    #[tracing::instrument(skip_all)]
    pub async fn revoke_token(
        &self,
        token: &PresentedToken,
        request: RevokeRequest<'_>,
    ) -> Result<(), RevokeTokenFault> {
        let now = self.now();
        // The register first, then the signature, and the layers last with a short time-out: a revocation
        // does not wait for a layer that hangs.
        let registered = self.deps.issued_tokens.find(&refresh_key(token)).await?;
        if let Some(registered) = registered {
            if registered.token_use == TokenUse::Refresh {
                return Ok(self.revoke_refresh_token(token, registered, request, now).await?);
            }
            // Only an opaque token is proven by the register. The key of a signed token leaves out the
            // signature, so a forgery has the same key.
            if matches!(shape_of(token.expose()), TokenShape::Opaque) {
                let revocation = self.token_revocation(
                    registered.key,
                    Some(registered.expires_at),
                    registered.subject,
                    now,
                );
                let outcome = self.revoke_proven(token, vec![revocation], request, now).await?;
                self.report_revoked(outcome, RevocationReason::Revoked);
                return Ok(());
            }
        }
        match self.evidence_for_revoking(token, now).await? {
            TokenEvidence::Proven(revocations) => {
                let outcome = self.revoke_proven(token, revocations, request, now).await?;
                self.report_revoked(outcome, RevocationReason::Revoked);
                Ok(())
            }
            TokenEvidence::NothingToRevoke => Ok(()),
            TokenEvidence::Unknown { key, provable_later } => {
                self.refuse_unknown(token, key, provable_later, request, now)
                    .await
            }
            TokenEvidence::Unanswered => self.refuse_until_answered(token, request, now).await,
        }
    }

    /// Revokes a refresh token that the register knows, and its session (RFC 9700 §4.14).
    async fn revoke_refresh_token(
        &self,
        token: &PresentedToken,
        registered: IssuedToken,
        request: RevokeRequest<'_>,
        now: Timestamp,
    ) -> Result<(), TerminationFault> {
        let mut event = AuditEvent::new(AuditKind::Revoke, now, request.origin);
        event.actor = registered.subject.as_ref().map(Subject::to_string);
        event.subject.clone_from(&registered.subject);
        let (Some(handle), Some(subject)) = (&registered.session, &registered.subject) else {
            let revocation = self.token_revocation(
                registered.key.clone(),
                Some(registered.expires_at),
                registered.subject.clone(),
                now,
            );
            let event = event.with_target(registered.key.as_str());
            let outcome = self
                .revoke_presented(
                    token,
                    TokenUse::Refresh,
                    vec![revocation],
                    event,
                    request.client,
                    now,
                )
                .await?;
            self.report_revoked(outcome, RevocationReason::Revoked);
            return Ok(());
        };
        let event = event.with_target(handle.as_str());
        let session = RevocationKey::session(handle);
        // Read before the session ends, because that records the line which is looked for.
        let earlier = self
            .deps
            .revocations
            .recorded_revocations(&[session], now)
            .await?;
        self.end_session(subject, handle, RevocationReason::Revoked, vec![event])
            .await?;
        if !earlier.is_empty() {
            // The first revocation has queued the message for the authorization server.
            return Ok(());
        }
        Ok(self
            .enqueue_token_revocation(token, TokenUse::Refresh, None, request.client, now)
            .await?)
    }

    /// Revokes a token by names that are proven to be its own, here and at the authorization server.
    pub(super) async fn revoke_proven(
        &self,
        token: &PresentedToken,
        revocations: Vec<Revocation>,
        request: RevokeRequest<'_>,
        now: Timestamp,
    ) -> Result<RecordOutcome, RevokeTokenFault> {
        let subject = revocations
            .first()
            .and_then(|revocation| revocation.subject.clone());
        let mut event = AuditEvent::new(AuditKind::Revoke, now, request.origin);
        event.actor = subject.as_ref().map(Subject::to_string);
        event.subject = subject;
        event.target = revocations.first().map(|revocation| revocation.key.to_string());
        let token_use = request.token_use();
        Ok(self
            .revoke_presented(token, token_use, revocations, event, request.client, now)
            .await?)
    }

    /// Records the revocation and the message for the authorization server in one transaction.
    async fn revoke_presented(
        &self,
        token: &PresentedToken,
        token_use: TokenUse,
        revocations: Vec<Revocation>,
        event: AuditEvent,
        client: Option<ClientCredentials>,
        now: Timestamp,
    ) -> Result<RecordOutcome, TerminationFault> {
        let owner = event.subject.as_ref().map(|subject| &subject.issuer);
        let named = || self.deps.chain.issuer_of(&shape_of(token.expose()));
        let issuer = owner.cloned().unwrap_or_else(named);
        let session_token =
            SessionToken::new(TokenKey::from_presented(token), token_use, issuer, token, None);
        // No expiry: the message is sent even if the token's own `exp` says that it is over.
        let mut upstream = self.upstream_revocations(&[session_token], client.as_ref(), now)?;
        // A client may send many tokens. Its address is the turn, so that it
        // cannot delay the messages of others.
        if let Some(address) = &event.ip_address {
            for item in &mut upstream {
                item.fairness_key.clone_from(address);
            }
        }
        let gate = &self.deps.revocations;
        Ok(gate.revoke_once(revocations, &[event], upstream, now).await?)
    }

    /// Reports a revocation, unless an earlier request has recorded and reported it.
    pub(super) fn report_revoked(&self, outcome: RecordOutcome, reason: RevocationReason) {
        if outcome == RecordOutcome::New {
            self.report(GatewayEvent::Revoked { reason });
        }
    }

    /// Returns the revocations that revoke exactly this credential.
    pub fn revocations_of(
        &self,
        info: &CredentialInfo,
        reason: RevocationReason,
        now: Timestamp,
    ) -> Vec<Revocation> {
        // Further keys name the session of the credential, which goes on.
        let own_keys = info.revocation_keys.iter().take(info.own_key_count);
        let gate = &self.deps.revocations;
        own_keys
            .map(|key| Revocation {
                subject: Some(info.identity.subject()),
                ..gate.revocation_by_name(key.clone(), reason, info.expires_at, now)
            })
            .collect()
    }

    /// Returns the revocation of one token by its key.
    pub(super) fn token_revocation(
        &self,
        key: TokenKey,
        expires_at: Option<Timestamp>,
        subject: Option<Subject>,
        now: Timestamp,
    ) -> Revocation {
        let (gate, reason) = (&self.deps.revocations, RevocationReason::Revoked);
        Revocation {
            subject,
            ..gate.revocation_by_name(RevocationKey::Token(key), reason, expires_at, now)
        }
    }
}
