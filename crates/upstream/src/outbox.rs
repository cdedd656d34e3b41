//! Delivery of revocations to the authorization server (RFC 7009), repeated until it succeeds.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use maxlab_auth_core::clock::Clock;
use maxlab_auth_core::outbox::{Outbox, RevocationRequest, UpstreamRevocation, next_attempt_at};
use maxlab_auth_core::seal::SealingKeys;
use maxlab_auth_core::unavailable::Unavailable;
use reqwest::Method;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at};
use tokio_util::sync::CancellationToken;

use super::{AuthServer, AuthServerEndpoint};

/// Maximum age of a message. An older one is dropped with a line in the log: its token has expired by then.
const MAX_ITEM_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Attempts after which a refused client is not retried any more. With the growing pauses, that is about two
/// hours.
const MAX_CLIENT_ERRORS: u32 = 30;
/// Maximum number of deliveries at the same time.
const MAX_CONCURRENT_DELIVERIES: usize = 8;
/// Time between two looks for newly due messages while deliveries are in progress.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Worker that empties the outbox.
pub struct OutboxWorker {
    /// Queue of revocations to deliver.
    pub outbox: Arc<dyn Outbox>,
    /// Receiver of the revocations.
    pub server: Arc<AuthServer>,
    /// Keys that open the sealed messages.
    pub keys: Arc<SealingKeys>,
    /// Clock that decides what is due.
    pub clock: Arc<dyn Clock>,
}

// Not derived: the keys must not be printed.
impl std::fmt::Debug for OutboxWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboxWorker").finish_non_exhaustive()
    }
}

/// Result of one delivery.
enum DeliveryOutcome {
    /// The authorization server accepted the revocation.
    Delivered,
    /// Another attempt cannot succeed. The text is the reason.
    Undeliverable(String),
    /// Another attempt may succeed. The text is the reason.
    Retry(String),
}

impl OutboxWorker {
    /// Delivers due messages until none is left. Returns how many were delivered.
    ///
    /// Several are in progress at once, so that one without an answer does not delay the others. After `stop`
    /// no new delivery starts.
    ///
    /// # Errors
    /// The outbox does not answer. Deliveries in progress are finished first, and may be repeated later.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn deliver_due(self: &Arc<Self>, stop: &CancellationToken) -> Result<usize, Unavailable> {
        // Tasks and not futures: each goes on while this loop waits for the database, which they use as well.
        let mut in_progress = JoinSet::new();
        let mut poll = interval_at(Instant::now() + POLL_INTERVAL, POLL_INTERVAL);
        let (mut delivered, mut fault) = (0, None);
        // New messages are claimed once at most this many deliveries are in progress.
        let mut refill_at = MAX_CONCURRENT_DELIVERIES / 2;
        loop {
            if in_progress.len() <= refill_at && fault.is_none() && !stop.is_cancelled() {
                let free = MAX_CONCURRENT_DELIVERIES - in_progress.len();
                match self.claim_due(free).await {
                    Ok(due) => {
                        // Each claim is a write. So claim several at a time, and after a claim that found
                        // fewer than asked for wait until all are done, or for the next tick.
                        refill_at = if due.len() == free {
                            MAX_CONCURRENT_DELIVERIES / 2
                        } else {
                            0
                        };
                        for item in due {
                            let this = Arc::clone(self);
                            in_progress.spawn(async move { this.deliver(item).await });
                        }
                    }
                    // No return here: dropping the set would abort deliveries that are in progress.
                    Err(unavailable) => fault = Some(unavailable),
                }
            }
            tokio::select! {
                finished = in_progress.join_next() => match finished {
                    None => break,
                    Some(Ok(Ok(was_delivered))) => delivered += usize::from(was_delivered),
                    Some(Ok(Err(unavailable))) => fault = Some(unavailable),
                    // The message stays claimed until its lease ends, and is due again then.
                    Some(Err(aborted)) => tracing::error!(fault = %aborted, "outbox delivery aborted, retried later"),
                },
                _ = poll.tick() => {
                    // One free place is enough now, so that a new message waits for one interval at most.
                    refill_at = MAX_CONCURRENT_DELIVERIES - 1;
                    fault = self.record_backlog().await.err().or(fault);
                }
            }
        }
        match fault {
            None => self.record_backlog().await.map(|()| delivered),
            Some(unavailable) => Err(unavailable),
        }
    }

    /// Claims up to `limit` due messages for as long as one delivery may take.
    async fn claim_due(&self, limit: usize) -> Result<Vec<UpstreamRevocation>, Unavailable> {
        // Two requests at most (metadata and the revocation itself), and time for the database.
        let lease = self.server.config().timeout * 2 + Duration::from_secs(30);
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        self.outbox.take_due(self.clock.now(), lease, limit).await
    }

    /// Delivers one message and records the result in the outbox. Returns whether it was delivered.
    #[tracing::instrument(level = "debug", skip_all, fields(id = %item.id))]
    async fn deliver(&self, item: UpstreamRevocation) -> Result<bool, Unavailable> {
        match self.send_revocation(&item, self.clock.now()).await {
            DeliveryOutcome::Delivered => {
                self.outbox.mark_delivered(item.id).await?;
                return Ok(true);
            }
            DeliveryOutcome::Undeliverable(why) => {
                tracing::error!(id = %item.id, why, "outbox message dropped, it cannot be delivered");
                // Removed like a delivered one: another attempt would fail in the same way.
                self.outbox.mark_delivered(item.id).await?;
            }
            DeliveryOutcome::Retry(why) => {
                tracing::warn!(id = %item.id, attempts = item.attempts + 1, why, "outbox delivery failed, retrying");
                let next = next_attempt_at(self.clock.now(), item.attempts);
                self.outbox.retry_at(item.id, next).await?;
            }
        }
        Ok(false)
    }

    /// Reports the number of waiting messages to [`UpstreamEvents`](super::UpstreamEvents).
    async fn record_backlog(&self) -> Result<(), Unavailable> {
        let (waiting, _) = self.outbox.backlog().await?;
        (self.server.config().events.backlog_measured)(waiting);
        Ok(())
    }

    /// Sends one revocation request (RFC 7009 §2.1).
    async fn send_revocation(&self, item: &UpstreamRevocation, now: Timestamp) -> DeliveryOutcome {
        let Some(request) = RevocationRequest::open(&item.sealed, &self.keys, MAX_ITEM_AGE, now) else {
            return DeliveryOutcome::Undeliverable("it waited too long, or no key opens it".to_owned());
        };
        // This server is the default issuer. A token of another issuer must not be shown to it.
        if !request.issuer.is_default() {
            return DeliveryOutcome::Retry("the token is of another issuer".to_owned());
        }
        let Some(http) = self
            .server
            .request(Method::POST, AuthServerEndpoint::Revoke)
            .await
        else {
            return DeliveryOutcome::Undeliverable("the server has no revocation endpoint".to_owned());
        };
        let mut form = vec![("token".to_owned(), request.token.clone())];
        form.push(("token_type_hint".to_owned(), request.hint.clone()));
        let http = self
            .server
            .add_client_auth(
                AuthServerEndpoint::Revoke,
                http,
                request.client.as_ref(),
                &mut form,
            )
            .await
            .form(&form);
        match self.server.send(AuthServerEndpoint::Revoke, http).await {
            Ok(answer) if answer.status.is_success() => DeliveryOutcome::Delivered,
            Ok(answer) if matches!(answer.status.as_u16(), 404 | 405 | 501) => {
                DeliveryOutcome::Undeliverable(format!("the revocation endpoint answered {}", answer.status))
            }
            // The server understood the request and refuses it. A repeat changes nothing (RFC 7009 §2.2.1).
            Ok(answer) if answer.status.as_u16() == 400 => {
                DeliveryOutcome::Undeliverable("the revocation endpoint answered 400".to_owned())
            }
            // The client was refused. An operator may correct its credentials, but not for an unlimited time.
            Ok(answer) if answer.status.is_client_error() && item.attempts >= MAX_CLIENT_ERRORS => {
                DeliveryOutcome::Undeliverable(format!("the client is still refused with {}", answer.status))
            }
            Ok(answer) => {
                DeliveryOutcome::Retry(format!("the revocation endpoint answered {}", answer.status))
            }
            // Also if the answer cannot be read: RFC 7009 §2.2 lets a revocation be repeated without harm.
            Err(fault) => DeliveryOutcome::Retry(fault.to_string()),
        }
    }
}
