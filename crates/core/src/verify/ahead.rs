//! Renewal ahead: the verdict on a token in use is asked for again before it runs out, beside the requests.
//!
//! A use of the token shortly before the verdict's end puts the token into a bounded queue; nothing is done for a token that
//! nobody uses. Whoever drains the queue ([`DueRenewals`]) asks the layers again. Until there is an answer the old verdict
//! counts, and never longer than it would have: what a renewal says counts at once, be it yes or no, and one that got no
//! answer is not tried again. Whoever comes after the old verdict's end waits for the renewal under way.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{mpsc, watch};

use super::remembered::Remembered;
use crate::credential::PresentedToken;

/// So many tokens wait to be renewed at most; further ones are asked about when their verdicts have run out.
const QUEUE: usize = 256;

/// What became of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The token is good: remembered for as long again.
    Verified,
    /// It is not good: refused from now on.
    Rejected,
    /// The layer did not answer: the old verdict counts until its own end.
    Unavailable,
    /// The token is revoked, or somebody else has asked meanwhile: nobody was asked.
    Needless,
}

/// The tokens whose verdicts are due to be renewed.
#[derive(Debug)]
pub struct DueRenewals(mpsc::Receiver<PresentedToken>);

impl DueRenewals {
    /// The next one, when there is one; `None` when the chain is gone.
    pub async fn next(&mut self) -> Option<PresentedToken> {
        self.0.recv().await
    }
}

type Answer = Option<Remembered>;

/// The queue, and the renewals under way.
#[derive(Default)]
pub(super) struct Ahead {
    /// Nothing is queued before somebody drains the queue.
    queue: OnceLock<mpsc::Sender<PresentedToken>>,
    under_way: Mutex<HashMap<String, watch::Receiver<Answer>>>,
}

impl Ahead {
    /// The queue's other end, to whoever asks first.
    pub(super) fn drained(&self) -> Option<DueRenewals> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        self.queue.set(sender).ok().map(|()| DueRenewals(receiver))
    }

    /// A place in the queue, if somebody drains it and one is free.
    pub(super) fn place(&self) -> Option<mpsc::Permit<'_, PresentedToken>> {
        self.queue.get()?.try_reserve().ok()
    }

    /// Announces a renewal; `None` if one of this token is under way.
    pub(super) fn begin(&self, token: &str) -> Option<UnderWay<'_>> {
        let mut under_way = self.lock();
        if under_way.contains_key(token) {
            return None;
        }
        let (answer, waiting) = watch::channel(None);
        under_way.insert(token.to_owned(), waiting);
        Some(UnderWay {
            ahead: self,
            token: token.to_owned(),
            answer,
        })
    }

    /// The answer of the renewal under way, if there is one and it gets an answer.
    pub(super) async fn answer_of(&self, token: &str) -> Option<Remembered> {
        let mut waiting = self.lock().get(token).cloned()?;
        let answer = waiting.wait_for(Option::is_some).await.ok()?;
        answer.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Answer>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A renewal under way. When it is dropped without an answer, whoever waits for it asks himself.
pub(super) struct UnderWay<'a> {
    ahead: &'a Ahead,
    token: String,
    answer: watch::Sender<Answer>,
}

impl UnderWay<'_> {
    /// Tells whoever waits.
    pub(super) fn end(self, answer: Remembered) {
        self.answer.send_replace(Some(answer));
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.ahead.lock().remove(&self.token);
    }
}
