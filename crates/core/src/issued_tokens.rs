//! The register of issued tokens: user, session, client and login time of each token that passed through the
//! gateway.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::credential::SessionHandle;
use crate::identity::{Subject, UpstreamSession};
use crate::seal::SealedValue;
use crate::unavailable::Unavailable;
use crate::verdict::{CutoffScope, TokenKey};

/// Purpose of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUse {
    /// Calls applications (RFC 6749 §1.4).
    Access,
    /// Gets new tokens (RFC 6749 §1.5).
    Refresh,
}

impl TokenUse {
    /// Returns the token type hint of RFC 7009 §2.1: `access_token` or `refresh_token`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access_token",
            Self::Refresh => "refresh_token",
        }
    }

    /// Parses a token type hint; `None` if it is neither of the two.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Access, Self::Refresh]
            .into_iter()
            .find(|u| u.as_str() == word)
    }
}

/// One token that was issued through the gateway. Only its key is stored, not the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// Name under which the token is revoked.
    pub key: TokenKey,
    /// Purpose of the token.
    pub token_use: TokenUse,
    /// User that the token was issued for, if known.
    pub subject: Option<Subject>,
    /// Session that the token belongs to. The refresh-token family has the same name.
    pub session: Option<SessionHandle>,
    /// Session at the authorization server that the token belongs to, if it names one.
    pub upstream_session: Option<UpstreamSession>,
    /// Client that the token was issued to, if known.
    pub client_id: Option<String>,
    /// True if the token itself names that client: then a cut-off of the client covers it without the
    /// register.
    pub has_client_claim: bool,
    /// Issuer, if known.
    pub issuer: Option<String>,
    /// Time at which the login behind the token began, by the clock that all instances share (decision 3).
    pub login_at: Timestamp,
    /// Time from which the row may be deleted.
    pub expires_at: Timestamp,
    /// Time at which a refresh token was exchanged for its successor.
    pub superseded_at: Option<Timestamp>,
}

/// Answer to an exchange of a refresh token, kept for a request that repeats it (decision 35).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshAnswer {
    /// The answer, sealed: it contains tokens.
    pub sealed: SealedValue,
    /// Time from which it is not given out, and may be deleted.
    pub expires_at: Timestamp,
}

/// Number of credentials in one cut-off scope that the register knows and that were not revoked before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CredentialCounts {
    /// Number of unexpired tokens.
    pub tokens: u64,
    /// Number of sessions that these tokens belong to.
    pub sessions: u64,
}

/// The durable register of issued tokens. It is in SQL, so that it survives a flush of the store (decision
/// 4).
#[async_trait]
pub trait IssuedTokens: Send + Sync {
    /// Records tokens. The row of a known key does not change.
    async fn record(&self, tokens: &[IssuedToken]) -> Result<(), Unavailable>;
    /// Returns the row of a token; `None` if the register does not know it.
    async fn find(&self, key: &TokenKey) -> Result<Option<IssuedToken>, Unavailable>;
    /// Returns up to `limit` unexpired tokens of a user, the newest first.
    async fn of_user(
        &self,
        subject: &Subject,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<IssuedToken>, Unavailable>;
    /// Returns the unexpired tokens of a session.
    async fn of_session(
        &self,
        session: &SessionHandle,
        now: Timestamp,
    ) -> Result<Vec<IssuedToken>, Unavailable>;
    /// Returns up to `limit` unexpired tokens of a session at the authorization server, the newest first.
    async fn of_upstream_session(
        &self,
        upstream: &UpstreamSession,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<IssuedToken>, Unavailable>;
    /// Returns up to `limit` unexpired access tokens of a client that do not name it themselves, by key,
    /// after `after`. A cut-off of the client cannot cover them, so they are revoked one by one.
    async fn of_client_without_claim(
        &self,
        client_id: &str,
        after: Option<&TokenKey>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<IssuedToken>, Unavailable>;
    /// Counts the credentials in a scope that were revoked neither by name nor by a cut-off of the same
    /// scope.
    async fn count_in_scope(
        &self,
        scope: &CutoffScope,
        now: Timestamp,
    ) -> Result<CredentialCounts, Unavailable>;
    /// Returns up to `limit` ids of the same kind as `scope` (users, clients, issuers or upstream sessions) that tokens were
    /// issued for. Empty for [`CutoffScope::Everything`].
    async fn ids_of_same_kind(&self, scope: &CutoffScope, limit: u32) -> Result<Vec<String>, Unavailable>;
    /// Marks a refresh token as exchanged, and keeps the answer with the mark, in one step. Returns `false`
    /// and keeps nothing if the token was marked before, or is not known.
    async fn supersede(
        &self,
        key: &TokenKey,
        at: Timestamp,
        answer: Option<&RefreshAnswer>,
    ) -> Result<bool, Unavailable>;
    /// Returns the answer that was kept for an exchanged refresh token and has not expired at `now`.
    async fn refresh_answer(
        &self,
        key: &TokenKey,
        now: Timestamp,
    ) -> Result<Option<RefreshAnswer>, Unavailable>;
    /// Claims a refresh token for one exchange with the authorization server. The claim ends when the token
    /// is superseded, when [`end_exchange`](Self::end_exchange) releases it, or at `until` (if the claimant
    /// has died). Returns `false` if another caller has claimed the token, if it was superseded, or if it is
    /// not known.
    async fn begin_exchange(
        &self,
        key: &TokenKey,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Unavailable>;
    /// Releases a claim: the exchange failed, or the authorization server does not rotate the token.
    async fn end_exchange(&self, key: &TokenKey) -> Result<(), Unavailable>;
    /// Deletes expired tokens, and returns how many. Expired answers are deleted too.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
