//! Tells the authorization server what was revoked, until it hears.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use maxlab_auth_core::clock::Clock;
use maxlab_auth_core::outbox::{Outbox, RevocationRequest, UpstreamRevocation, next_attempt};
use maxlab_auth_core::seal::SealingKeys;
use maxlab_auth_core::unavailable::Unavailable;
use reqwest::Method;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at};
use tokio_util::sync::CancellationToken;

use super::{AuthServer, Endpoint, UpstreamError};
use crate::observed;

/// What waited longer than this is given up, with a word in the log: by then the token has expired.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A server that goes on refusing the client is asked this often: with the growing pauses, for about two hours.
const MOST_REFUSALS: u32 = 30;
/// How many are told at once.
const AT_ONCE: usize = 8;
/// What became due meanwhile is looked for so often while others are being told.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

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
    /// Tells what is due until nothing more is, so many at once that one which is not answered holds up no other; how many
    /// were heard. From `stop` on nothing more is begun.
    ///
    /// # Errors
    /// The outbox did not answer. What was being told then has been told, and may be told again.
    pub async fn deliver_due(self: &Arc<Self>, stop: &CancellationToken) -> Result<usize, Unavailable> {
        // Tasks, each of which goes on while this waits for the database that they use as well.
        let mut under_way = JoinSet::new();
        let mut look = interval_at(Instant::now() + LOOK_AGAIN, LOOK_AGAIN);
        let (mut heard, mut fault, mut most) = (0, None, AT_ONCE / 2);
        loop {
            if under_way.len() <= most && fault.is_none() && !stop.is_cancelled() {
                let free = AT_ONCE - under_way.len();
                match self.take(free).await {
                    Ok(due) => {
                        // Taken some at a time, since each take is a write; and none, if there are no more.
                        most = if due.len() == free { AT_ONCE / 2 } else { 0 };
                        for item in due {
                            let this = Arc::clone(self);
                            under_way.spawn(async move { this.deliver(item).await });
                        }
                    }
                    Err(unavailable) => fault = Some(unavailable),
                }
            }
            tokio::select! {
                told = under_way.join_next() => match told {
                    None => break,
                    Some(Ok(Ok(was_heard))) => heard += usize::from(was_heard),
                    Some(Ok(Err(unavailable))) => fault = Some(unavailable),
                    Some(Err(broken)) => tracing::error!(%broken, "a revocation was not told, and will be later"),
                },
                _ = look.tick() => {
                    most = AT_ONCE - 1;
                    fault = self.tell_backlog().await.err().or(fault);
                }
            }
        }
        match fault {
            None => self.tell_backlog().await.map(|()| heard),
            Some(unavailable) => Err(unavailable),
        }
    }

    /// Up to so many that are due, for as long as one may take: finding the endpoint, and asking.
    async fn take(&self, most: usize) -> Result<Vec<UpstreamRevocation>, Unavailable> {
        let lease = self.server.config().timeout * 2 + Duration::from_secs(30);
        let limit = u32::try_from(most).unwrap_or(u32::MAX);
        self.outbox.take_due(self.clock.now(), lease, limit).await
    }

    /// Tells one, and notes what came of it; whether it was heard.
    async fn deliver(&self, item: UpstreamRevocation) -> Result<bool, Unavailable> {
        match self.tell(&item, self.clock.now()).await {
            Told::Heard => {
                self.outbox.delivered(item.id).await?;
                return Ok(true);
            }
            Told::Useless(why) => {
                tracing::error!(id = %item.id, why, "a revocation cannot be told to the authorization server");
                self.outbox.delivered(item.id).await?;
            }
            Told::NotHeard(why) => {
                tracing::warn!(id = %item.id, attempts = item.attempts + 1, why, "will be told again");
                let next = next_attempt(self.clock.now(), item.attempts);
                self.outbox.retry_at(item.id, next).await?;
            }
        }
        Ok(false)
    }

    async fn tell_backlog(&self) -> Result<(), Unavailable> {
        let (waiting, _) = self.outbox.backlog().await?;
        observed::outbox_backlog(waiting);
        Ok(())
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
