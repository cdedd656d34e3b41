//! Outbox messages: tokens that the authorization server must revoke too (RFC 7009 §2.1).

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::Engine;
use crate::clock;
use crate::credential::PresentedToken;
use crate::issued_tokens::TokenUse;
use crate::outbox::{ClientCredentials, RevocationRequest, UpstreamRevocation};
use crate::session::SessionToken;
use crate::unavailable::Unavailable;
use crate::verdict::TokenKey;

impl Engine {
    /// Records in the outbox that the authorization server must revoke one token (RFC 7009 §2.1).
    ///
    /// # Errors
    /// Fails if the message cannot be sealed or recorded.
    pub async fn enqueue_token_revocation(
        &self,
        token: &PresentedToken,
        token_use: TokenUse,
        expires_at: Option<Timestamp>,
        client: Option<ClientCredentials>,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let issuer = self.deps.chain.issuer().clone();
        let key = TokenKey::from_presented(token);
        let item = SessionToken::new(key, token_use, issuer, token, expires_at);
        self.enqueue_upstream_revocations(&[item], client, now).await
    }

    /// Records in the outbox that the authorization server must revoke these tokens.
    ///
    /// # Errors
    /// Fails if the messages cannot be sealed or recorded.
    #[tracing::instrument(level = "debug", skip_all, fields(tokens = tokens.len()))]
    pub async fn enqueue_upstream_revocations(
        &self,
        tokens: &[SessionToken],
        client: Option<ClientCredentials>,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        self.enqueue_upstream_revocations_after(Duration::ZERO, tokens, client, now)
            .await
    }

    /// Records the same, to be sent after a delay, or when [`release_upstream_revocations`] says so.
    ///
    /// [`release_upstream_revocations`]: Self::release_upstream_revocations
    pub(super) async fn enqueue_upstream_revocations_after(
        &self,
        delay: Duration,
        tokens: &[SessionToken],
        client: Option<ClientCredentials>,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let mut items = self.upstream_revocations(tokens, client.as_ref(), now)?;
        if items.is_empty() {
            return Ok(());
        }
        for item in &mut items {
            item.due_at = clock::after(now, delay);
        }
        // The outbox is a table: what is recorded here survives a crash and is delivered later.
        self.deps.outbox.enqueue(&items).await
    }

    /// Lets the delayed messages of a source be sent now, and returns how many of its messages still wait.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn release_upstream_revocations(&self, fairness_key: &str) -> Result<u64, Unavailable> {
        self.deps.outbox.release(fairness_key, self.now()).await
    }

    /// Returns the outbox messages for those of these tokens that have not expired.
    pub(super) fn upstream_revocations(
        &self,
        tokens: &[SessionToken],
        client: Option<&ClientCredentials>,
        now: Timestamp,
    ) -> Result<Vec<UpstreamRevocation>, Unavailable> {
        // An expired token needs no message. One without a known expiry gets one.
        let unexpired = tokens.iter().filter(|t| {
            t.expires_at
                .is_none_or(|at| clock::time_until(now, at).as_secs() > 0)
        });
        // The tokens of one session take turns with other senders as one, by the key of its first token.
        let fairness_key = upstream_fairness_key(tokens);
        unexpired
            .map(|token| {
                let request = RevocationRequest {
                    token: token.expose().to_owned(),
                    hint: token.hint.clone(),
                    client: client.cloned(),
                    issuer: token.issuer.clone(),
                };
                Ok(UpstreamRevocation {
                    // Version 7 sorts by time: within a turn the outbox delivers in the order of creation.
                    id: Uuid::now_v7(),
                    sealed: request.seal(&self.deps.sealing_keys, now)?,
                    created_at: now,
                    due_at: now,
                    attempts: 0,
                    fairness_key: fairness_key.clone(),
                })
            })
            .collect()
    }
}

/// Returns the source of the messages about these tokens ([`UpstreamRevocation::fairness_key`]).
pub fn upstream_fairness_key(tokens: &[SessionToken]) -> String {
    tokens
        .first()
        .map(|token| token.key.to_string())
        .unwrap_or_default()
}
