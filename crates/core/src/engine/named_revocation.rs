//! Revocation of one key for an operator, with the tokens that the key alone does not cover.

use jiff::Timestamp;

use super::termination::MAX_NAMED_TOKENS;
use super::{Engine, EngineDeps, TerminationFault};
use crate::audit::AuditEvent;
use crate::events::GatewayEvent;
use crate::revocation::{Revocation, RevocationReason};
use crate::verdict::{CutoffScope, RevocationKey, TokenKey};

impl Engine {
    /// Revokes a key for an operator: a token, a session, or a cut-off.
    ///
    /// # Errors
    /// Fails if the revocation is not acknowledged.
    #[tracing::instrument(skip_all, fields(reason = reason.as_str()))]
    pub async fn revoke_key(
        &self,
        key: RevocationKey,
        reason: RevocationReason,
        audit: Vec<AuditEvent>,
    ) -> Result<(), TerminationFault> {
        if let RevocationKey::Cutoff(CutoffScope::User(subject)) = &key {
            // A user also has sessions and tokens that are ended by name.
            self.end_all_of_user(subject, reason, audit).await?;
            return Ok(());
        }
        let now = self.now();
        let cutoff = self.cutoff_time(now).await;
        let client_id = match &key {
            RevocationKey::Cutoff(CutoffScope::Client(id)) => Some(id.clone()),
            _ => None,
        };
        let revocation = Revocation {
            cutoff: key.is_cutoff().then_some(cutoff),
            key,
            reason,
            revoked_at: now,
            expires_at: self.deps.revocations.keep_until(None, now),
            token_expires_at: None,
            subject: None,
        };
        self.deps
            .revocations
            .revoke(vec![revocation], &audit, now)
            .await?;
        self.report(GatewayEvent::Revoked { reason });
        if let Some(client_id) = client_id {
            self.revoke_tokens_without_client(&client_id, reason, now).await?;
        }
        Ok(())
    }

    /// Revokes by name the access tokens of a client that do not name their client, so that
    /// its cut-off does not cover them.
    ///
    /// A token that is registered later belongs to a request that still checks the cut-off before it answers.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn revoke_tokens_without_client(
        &self,
        client_id: &str,
        reason: RevocationReason,
        now: Timestamp,
    ) -> Result<(), TerminationFault> {
        let EngineDeps {
            issued_tokens,
            revocations,
            ..
        } = &self.deps;
        let mut after: Option<TokenKey> = None;
        loop {
            let page = issued_tokens
                .of_client_without_claim(client_id, after.as_ref(), now, MAX_NAMED_TOKENS)
                .await?;
            let Some(last) = page.last() else { return Ok(()) };
            // The page continues after the last key, not at an offset: rows
            // may be added and purged meanwhile.
            after = Some(last.key.clone());
            let by_name = page.into_iter().map(|token| Revocation {
                subject: token.subject,
                ..revocations.revocation_by_name(
                    RevocationKey::Token(token.key),
                    reason,
                    Some(token.expires_at),
                    now,
                )
            });
            revocations.revoke(by_name.collect(), &[], now).await?;
        }
    }
}
