//! The tokens that passed through the gateway: whose they are, and on which session they hang.

use async_trait::async_trait;
use jiff::Timestamp;

use super::key::TokenKey;
use crate::credential::SessionHandle;
use crate::unavailable::Unavailable;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUse {
    /// To call applications.
    Access,
    /// To get new tokens (RFC 6749 §1.5).
    Refresh,
}

impl TokenUse {
    /// The word of RFC 7009 §2.1: `access_token` or `refresh_token`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access_token",
            Self::Refresh => "refresh_token",
        }
    }

    /// The use with that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Access, Self::Refresh]
            .into_iter()
            .find(|u| u.as_str() == word)
    }
}

/// One token that the gateway saw issued. The token itself is not kept, only its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// Its identity.
    pub key: TokenKey,
    /// What it is for.
    pub token_use: TokenUse,
    /// Whose it is.
    pub user_id: String,
    /// The session on which it hangs; its refresh-token family has the same name.
    pub session: Option<SessionHandle>,
    /// When the login began that led to it, by the gateway's clock.
    pub login_at: Timestamp,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
    /// When a refresh token was exchanged for its successor.
    pub superseded_at: Option<Timestamp>,
}

/// The durable register of issued tokens, in SQL, so that it outlives a flushed store.
#[async_trait]
pub trait IssuedTokens: Send + Sync {
    /// Records tokens; a key that is known keeps what is known of it.
    async fn record(&self, tokens: &[IssuedToken]) -> Result<(), Unavailable>;
    /// What is known of a token.
    async fn find(&self, key: &TokenKey) -> Result<Option<IssuedToken>, Unavailable>;
    /// The unexpired tokens of a user, the newest first, at most `limit`.
    async fn of_user(
        &self,
        user_id: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<IssuedToken>, Unavailable>;
    /// The unexpired tokens of a session.
    async fn of_session(
        &self,
        session: &SessionHandle,
        now: Timestamp,
    ) -> Result<Vec<IssuedToken>, Unavailable>;
    /// Marks a refresh token as exchanged. `false` if it was before, or is not known.
    async fn supersede(&self, key: &TokenKey, at: Timestamp) -> Result<bool, Unavailable>;
    /// Claims a refresh token for one exchange with the authorization server, until it is superseded, given back by
    /// [`end_exchange`](Self::end_exchange), or `until` has come (the claimant died). `false` if another has claimed
    /// it, if it was superseded, or if it is not known.
    async fn begin_exchange(
        &self,
        key: &TokenKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable>;
    /// Gives a claim back: the exchange came to nothing, or the token stays good.
    async fn end_exchange(&self, key: &TokenKey) -> Result<(), Unavailable>;
    /// Forgets what has expired; how many that were.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
