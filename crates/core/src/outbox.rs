//! What the authorization server has still to be told: kept durably, sent until it is heard.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock;
use crate::seal::{Sealed, SealingKeys};
use crate::unavailable::Unavailable;

/// One token that the authorization server must be asked to revoke (RFC 7009).
#[derive(Clone, Debug)]
pub struct UpstreamRevocation {
    /// Its own id, by which it is finished.
    pub id: Uuid,
    /// The token and its `token_type_hint`, sealed: the database never holds a raw token.
    pub sealed: Sealed,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// How often it has been tried.
    pub attempts: u32,
}

/// The durable queue. Delivery is at least once; RFC 7009 makes a repeat harmless.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Records it; it is due at once.
    async fn enqueue(&self, items: &[UpstreamRevocation]) -> Result<(), Unavailable>;
    /// Takes up to `limit` that are due, and keeps them from every other taker until `lease` has passed.
    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<UpstreamRevocation>, Unavailable>;
    /// It was heard: forget it.
    async fn delivered(&self, id: Uuid) -> Result<(), Unavailable>;
    /// It was not heard: try again at `next_attempt_at`; counts an attempt.
    async fn retry_at(&self, id: Uuid, next_attempt_at: Timestamp) -> Result<(), Unavailable>;
    /// How many wait, and since when the oldest does.
    async fn backlog(&self) -> Result<(u64, Option<Timestamp>), Unavailable>;
}

/// When to try again after `attempts` failures: 1 s, doubled each time, at most 5 minutes.
pub fn next_attempt(now: Timestamp, attempts: u32) -> Timestamp {
    let seconds = 1_u64.checked_shl(attempts.min(9)).unwrap_or(300).min(300);
    clock::after(now, Duration::from_secs(seconds))
}

/// With what a client names itself to the authorization server.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClientCredentials {
    /// `client_id`
    pub id: String,
    /// `client_secret`, for a client that has one.
    pub secret: Option<String>,
}

impl ClientCredentials {
    /// A client without a secret of its own here; the configured one is used if it is the gateway's client.
    pub fn public(id: String) -> Self {
        Self { id, secret: None }
    }
}

impl std::fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What is asked of the authorization server. `Debug` does not show the token.
#[derive(Clone, Serialize, Deserialize)]
pub struct RevocationRequest {
    /// The token.
    pub token: String,
    /// `token_type_hint`
    pub hint: String,
    /// In whose name it is asked.
    pub client: Option<ClientCredentials>,
}

impl std::fmt::Debug for RevocationRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RevocationRequest")
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

impl RevocationRequest {
    /// The form in which it waits.
    ///
    /// # Errors
    /// It could not be written.
    pub fn seal(&self, keys: &SealingKeys, now: Timestamp) -> Result<Sealed, Unavailable> {
        let plain = serde_json::to_vec(self)
            .map(Zeroizing::new)
            .map_err(|_| Unavailable::database("the revocation could not be written as JSON"))?;
        Ok(keys.seal(&plain, now))
    }

    /// Reads what waited, if it waited no longer than `max_age` and one of the keys opens it.
    pub fn open(sealed: &Sealed, keys: &SealingKeys, max_age: Duration, now: Timestamp) -> Option<Self> {
        serde_json::from_slice(&keys.open(sealed, max_age, now).ok()?).ok()
    }
}
