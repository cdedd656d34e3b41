//! Tells the authorization server what was revoked, until it hears.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use maxlab_auth_core::clock::Clock;
use maxlab_auth_core::outbox::{Outbox, RevocationRequest, UpstreamRevocation, next_attempt};
use maxlab_auth_core::seal::SealingKeys;
use maxlab_auth_core::unavailable::Unavailable;
use reqwest::Method;

use super::{AuthServer, Endpoint, UpstreamError};
use crate::observed;

/// What waited longer than this is given up, with a word in the log: by then the token has expired.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A server that goes on refusing the client is asked this often: with the growing pauses, for about two hours.
const MOST_REFUSALS: u32 = 30;
/// How many are told at a time.
const BATCH: u32 = 20;

/// The worker that empties the outbox.
pub struct OutboxWorker {
    /// Where the revocations wait.
    pub outbox: Arc<dyn Outbox>,
    /// Who is told.
    pub server: Arc<AuthServer>,
    /// What opens them.
    pub keys: Arc<SealingKeys>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for OutboxWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboxWorker").finish_non_exhaustive()
    }
}

/// How telling went.
enum Told {
    Heard,
    Useless(String),
    NotHeard(String),
}

impl OutboxWorker {
    /// Tells what is due; how many were heard.
    ///
    /// # Errors
    /// The outbox did not answer.
    pub async fn deliver_due(&self) -> Result<usize, Unavailable> {
        let now = self.clock.now();
        let lease = self.server.config().timeout * BATCH + Duration::from_secs(30);
        let due = self.outbox.take_due(now, lease, BATCH).await?;
        let mut heard = 0;
        for item in due {
            match self.tell(&item, now).await {
                Told::Heard => {
                    heard += 1;
                    self.outbox.delivered(item.id).await?;
                }
                Told::Useless(why) => {
                    tracing::error!(id = %item.id, why, "a revocation cannot be told to the authorization server");
                    self.outbox.delivered(item.id).await?;
                }
                Told::NotHeard(why) => {
                    tracing::warn!(id = %item.id, attempts = item.attempts + 1, why, "will be told again");
                    self.outbox
                        .retry_at(item.id, next_attempt(self.clock.now(), item.attempts))
                        .await?;
                }
            }
        }
        let (waiting, _) = self.outbox.backlog().await?;
        observed::outbox_backlog(waiting);
        Ok(heard)
    }

    async fn tell(&self, item: &UpstreamRevocation, now: Timestamp) -> Told {
        let Some(request) = RevocationRequest::open(&item.sealed, &self.keys, LONGEST_WAIT, now) else {
            return Told::Useless("it waited too long, or no key opens it".to_owned());
        };
        let Some(http) = self.server.request(Method::POST, Endpoint::Revoke).await else {
            return Told::Useless("the server has no revocation endpoint".to_owned());
        };
        let mut form = vec![("token".to_owned(), request.token.clone())];
        form.push(("token_type_hint".to_owned(), request.hint.clone()));
        let http = self
            .server
            .naming(http, request.client.as_ref(), &mut form)
            .form(&form);
        match self.server.send(Endpoint::Revoke, http).await {
            Ok(answer) if answer.status.is_success() => Told::Heard,
            Ok(answer) if matches!(answer.status.as_u16(), 404 | 405 | 501) => {
                Told::Useless(format!("the revocation endpoint answers {}", answer.status))
            }
            // It understood and will not: asking again changes nothing (RFC 7009 §2.2.1).
            Ok(answer) if answer.status.as_u16() == 400 => Told::Useless("it answers 400".to_owned()),
            // The client is not let in. An operator may mend that, but not for ever.
            Ok(answer) if answer.status.is_client_error() && item.attempts >= MOST_REFUSALS => {
                Told::Useless(format!("it goes on answering {}", answer.status))
            }
            Ok(answer) => Told::NotHeard(format!("it answers {}", answer.status)),
            Err(fault @ (UpstreamError::Timeout | UpstreamError::Unreachable(_))) => {
                Told::NotHeard(fault.to_string())
            }
            Err(fault) => Told::NotHeard(fault.to_string()),
        }
    }
}
