//! Outbox: revocations that the authorization server must be notified of, stored durably and sent
//! until it confirms.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock;
use crate::identity::Issuer;
use crate::seal::{SealedValue, SealingKeys};
use crate::unavailable::Unavailable;

/// Message of the outbox: one token that the authorization server must revoke (RFC 7009).
#[derive(Clone, Debug)]
pub struct UpstreamRevocation {
    /// Id of the message, for [`Outbox::mark_delivered`] and [`Outbox::retry_at`].
    pub id: Uuid,
    /// Sealed [`RevocationRequest`]: the database never contains a raw token.
    pub sealed: SealedValue,
    /// Time when the message was recorded.
    pub created_at: Timestamp,
    /// Time before which it is not sent. After a logout the provider hears of its own logout first.
    pub due_at: Timestamp,
    /// Number of failed attempts.
    pub attempts: u32,
    /// Source of the message: a client's address, or one session. Sources take turns, so that a thousand
    /// messages of one source do not delay the single message of another.
    pub fairness_key: String,
}

/// Durable queue with delivery at least once. A repeat is harmless (RFC 7009 §2.2: an unknown
/// token is a success).
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Records messages.
    async fn enqueue(&self, items: &[UpstreamRevocation]) -> Result<(), Unavailable>;
    /// Takes up to `limit` due messages, one fairness key after another, and hides them from other
    /// takers for `lease`.
    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<UpstreamRevocation>, Unavailable>;
    /// Deletes a message that the authorization server has confirmed.
    async fn mark_delivered(&self, id: Uuid) -> Result<(), Unavailable>;
    /// Counts a failed attempt, and makes the message due at `next_attempt_at`.
    async fn retry_at(&self, id: Uuid, next_attempt_at: Timestamp) -> Result<(), Unavailable>;
    /// Makes the messages of a source due now that were never tried, and returns how many of its messages wait.
    async fn release(&self, fairness_key: &str, now: Timestamp) -> Result<u64, Unavailable>;
    /// Returns the number of waiting messages, and the time when the oldest was recorded.
    async fn backlog(&self) -> Result<(u64, Option<Timestamp>), Unavailable>;
}

/// Returns the time of the next attempt after `attempts` failures: 1 s later, doubled each time,
/// at most 5 minutes.
pub fn next_attempt_at(now: Timestamp, attempts: u32) -> Timestamp {
    // 2^9 s is already over the limit, so a larger exponent is never needed and the shift cannot overflow.
    let seconds = 1_u64.checked_shl(attempts.min(9)).unwrap_or(300).min(300);
    clock::after(now, Duration::from_secs(seconds))
}

/// Credentials of an OAuth client at the authorization server (RFC 6749 §2.3.1).
#[derive(Clone, Serialize, Deserialize)]
pub struct ClientCredentials {
    /// `client_id`.
    pub id: String,
    /// `client_secret`, for a confidential client.
    pub secret: Option<String>,
}

impl ClientCredentials {
    /// Builds credentials without a secret. For the gateway's own client the configured secret is used later.
    pub fn public(id: String) -> Self {
        Self { id, secret: None }
    }
}

impl std::fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret must not reach a log line.
        f.debug_struct("ClientCredentials")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Content of a revocation request (RFC 7009 §2.1). `Debug` does not show the token.
#[derive(Clone, Serialize, Deserialize)]
pub struct RevocationRequest {
    /// Token to revoke.
    pub token: String,
    /// `token_type_hint`.
    pub hint: String,
    /// Client in whose name the token is revoked; `None` for the gateway's own client.
    pub client: Option<ClientCredentials>,
    /// Issuer of the token. Only its authorization server may be sent the token.
    #[serde(default, skip_serializing_if = "Issuer::is_default")]
    pub issuer: Issuer,
}

impl std::fmt::Debug for RevocationRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token must not reach a log line, nor a secret of its client.
        f.debug_struct("RevocationRequest")
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

impl RevocationRequest {
    /// Seals the request, for [`UpstreamRevocation::sealed`].
    ///
    /// # Errors
    /// [`Unavailable`] when the request cannot be written as JSON.
    pub fn seal(&self, keys: &SealingKeys, now: Timestamp) -> Result<SealedValue, Unavailable> {
        // The JSON contains the token in clear text, so the buffer is erased when it is dropped.
        let plain = serde_json::to_vec(self)
            .map(Zeroizing::new)
            .map_err(|_| Unavailable::process("the revocation could not be written as JSON"))?;
        Ok(keys.seal(&plain, now))
    }

    /// Opens a sealed request. Returns `None` if it is older than `max_age`, or no key opens it.
    pub fn open(sealed: &SealedValue, keys: &SealingKeys, max_age: Duration, now: Timestamp) -> Option<Self> {
        serde_json::from_slice(&keys.open(sealed, max_age, now).ok()?).ok()
    }
}
