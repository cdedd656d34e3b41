//! One token revoked at its holder's wish (RFC 7009), by what is proven of it and nothing more.

use std::time::Duration;

use jiff::Timestamp;

use super::login::refresh_key;
use super::{EndFault, Engine};
use crate::audit::{AuditEvent, AuditKind, Origin};
use crate::clock;
use crate::credential::PresentedToken;
use crate::outbox::ClientCredentials;
use crate::revocation::{Facts, Reason, Revocation, RevocationKey, TokenKey, TokenUse};
use crate::session::SessionToken;
use crate::token::{TokenShape, shape_of};
use crate::verify::{Rejection, VerifyFault};

/// So long an opaque token is refused of which nothing is known: anybody can send such, and they must not pile up.
const UNPROVEN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Engine {
    /// Revokes a token at its holder's wish (RFC 7009 §2). A refresh token ends its session and what hangs on it; an
    /// access token ends alone; a token that is proven worthless ends nothing, which is a success too.
    ///
    /// # Errors
    /// It is not acknowledged.
    pub async fn revoke_token(
        &self,
        token: &PresentedToken,
        hint: Option<&str>,
        client: Option<ClientCredentials>,
        origin: &Origin,
    ) -> Result<(), EndFault> {
        let now = self.now();
        let known = self.parts.issued.find(&refresh_key(token)).await?;
        if let Some(known) = known.filter(|known| known.token_use == TokenUse::Refresh) {
            let event = AuditEvent::new(AuditKind::Revoke, now, origin).by(&known.user_id);
            if let Some(handle) = &known.session {
                let event = event.on(handle.as_str());
                self.end_session(&known.user_id, handle, Reason::Revoked, vec![event])
                    .await?;
            } else {
                let own = self.named(
                    known.key.clone(),
                    Some(known.expires_at),
                    Some(&known.user_id),
                    now,
                );
                let event = event.on(known.key.as_str());
                return self
                    .revoke_presented(token, TokenUse::Refresh, vec![own], event, client, now)
                    .await;
            }
            return Ok(self
                .tell_upstream_of(token, TokenUse::Refresh, None, client, now)
                .await?);
        }
        self.revoke_access_token(token, hint, client, origin, now).await
    }

    async fn revoke_access_token(
        &self,
        token: &PresentedToken,
        hint: Option<&str>,
        client: Option<ClientCredentials>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(), EndFault> {
        let signed = !matches!(shape_of(token.expose()), TokenShape::Opaque);
        let revocations = match self.parts.chain.verify(token, now).await {
            Ok(verified) => self.revocations_of(&verified.into_facts(), Reason::Revoked, now),
            Err(VerifyFault::Rejected(rejection)) if signed && rejection != Rejection::Refused => {
                return Ok(());
            }
            // Nothing is proven of a signed token: to revoke what it names would end what may be another's.
            Err(VerifyFault::Unavailable(fault)) if signed => return Err(fault.into()),
            Err(fault) => {
                // It may be a refresh token that did not pass here. Its own bytes, and nothing else, are refused; where
                // the authorization server knows no such access token, until it has been told of this one for sure.
                let refused = matches!(fault, VerifyFault::Rejected(_));
                let until = refused.then(|| clock::after(now, UNPROVEN));
                vec![self.named(TokenKey::from_bytes_of(token), until, None, now)]
            }
        };
        let user_id = revocations.first().and_then(|own| own.user_id.clone());
        let mut event = AuditEvent::new(AuditKind::Revoke, now, origin);
        event.actor.clone_from(&user_id);
        event.user_id = user_id;
        event.target = revocations.first().map(|own| own.key.to_string());
        let token_use = hint.and_then(TokenUse::parse).unwrap_or(TokenUse::Access);
        self.revoke_presented(token, token_use, revocations, event, client, now)
            .await
    }

    /// Records in one that it is revoked, and that the authorization server is to be told.
    async fn revoke_presented(
        &self,
        token: &PresentedToken,
        token_use: TokenUse,
        revocations: Vec<Revocation>,
        event: AuditEvent,
        client: Option<ClientCredentials>,
        now: Timestamp,
    ) -> Result<(), EndFault> {
        let own = SessionToken::new(TokenKey::from_bytes_of(token), token_use, token, None);
        let upstream = self.upstream_revocations(&[own], client.as_ref(), now)?;
        let gate = &self.parts.revocations;
        Ok(gate.revoke_and_tell(revocations, &[event], upstream, now).await?)
    }

    /// What revokes the credential of these facts, and nothing else.
    pub fn revocations_of(&self, facts: &Facts, reason: Reason, now: Timestamp) -> Vec<Revocation> {
        let own = facts.names.iter().take(facts.own_names);
        own.map(|key| Revocation {
            key: key.clone(),
            cutoff: None,
            reason,
            revoked_at: now,
            expires_at: self.parts.revocations.keep_until(facts.expires_at, now),
            token_expires_at: facts.expires_at,
            user_id: Some(facts.identity.user_id.clone()),
        })
        .collect()
    }

    fn named(
        &self,
        key: TokenKey,
        expires_at: Option<Timestamp>,
        user_id: Option<&str>,
        now: Timestamp,
    ) -> Revocation {
        Revocation {
            key: RevocationKey::Token(key),
            cutoff: None,
            reason: Reason::Revoked,
            revoked_at: now,
            expires_at: self.parts.revocations.keep_until(expires_at, now),
            token_expires_at: expires_at,
            user_id: user_id.map(str::to_owned),
        }
    }
}
