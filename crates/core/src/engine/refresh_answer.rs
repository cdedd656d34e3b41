//! Answer to a refresh, kept for a short time: the same request gets the same tokens again (decision 35).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::Engine;
use super::refresh_fault::RefreshFault;
use super::token_grant::refresh_key;
use crate::clock;
use crate::credential::PresentedToken;
use crate::issued_tokens::RefreshAnswer;
use crate::verdict::TokenKey;

/// Longest answer that is kept, in bytes of JSON. Answers with a few tokens have less than a tenth of it.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Request for a refresh, and the answer of the authorization server.
#[derive(Clone, Copy)]
pub(super) struct AnsweredRefresh<'a> {
    /// Hash of grant, client, its authentication and all parameters.
    pub(super) request_key: &'a str,
    /// Complete answer.
    pub(super) body: &'a Map<String, Value>,
}

/// Sealed contents. The token's key binds it to its row.
#[derive(Serialize, Deserialize)]
struct RefreshAnswerContents {
    token: String,
    request: String,
    body: Map<String, Value>,
}

impl Engine {
    /// Seals an answer for the grace period. `None` if there is none, or the answer is too long: then a
    /// repeated request is refused, and ends nothing within that time.
    pub(super) fn seal_answer(
        &self,
        key: &TokenKey,
        answered: AnsweredRefresh<'_>,
        now: Timestamp,
    ) -> Option<RefreshAnswer> {
        let grace = self.deps.refresh_grace;
        if grace.is_zero() {
            return None;
        }
        let kept = RefreshAnswerContents {
            token: key.as_str().to_owned(),
            request: answered.request_key.to_owned(),
            body: answered.body.clone(),
        };
        let text = Zeroizing::new(serde_json::to_vec(&kept).ok()?);
        (text.len() <= MAX_ANSWER_BYTES).then(|| RefreshAnswer {
            sealed: self.deps.sealing_keys.seal(&text, now),
            expires_at: clock::after(now, grace),
        })
    }

    /// Returns the answer to the exchange of a refresh token, for a request that repeats it within the grace
    /// period: with the same client, the same authentication and the same parameters. `None` if there is no
    /// such answer.
    ///
    /// # Errors
    /// Fails if the token is revoked, or if a component does not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn repeated_answer(
        &self,
        token: &PresentedToken,
        client_id: Option<&str>,
        request_key: &str,
    ) -> Result<Option<Map<String, Value>>, RefreshFault> {
        let (key, now, grace) = (refresh_key(token), self.now(), self.deps.refresh_grace);
        if grace.is_zero() {
            return Ok(None);
        }
        let Some(answer) = self.deps.issued_tokens.refresh_answer(&key, now).await? else {
            return Ok(None);
        };
        // The first key may have changed since: what nothing opens is no answer.
        let opened = self
            .deps
            .sealing_keys
            .open_ignoring_future(&answer.sealed, grace, now);
        let kept = opened
            .ok()
            .and_then(|text| serde_json::from_slice::<RefreshAnswerContents>(&text).ok())
            .filter(|kept| kept.token == key.as_str() && kept.request == request_key);
        let Some(kept) = kept else {
            return Ok(None);
        };
        // Last: a revocation that was acknowledged before this request binds it (invariant I1).
        self.refresh_state_of(token, client_id).await?;
        Ok(Some(kept.body))
    }
}
