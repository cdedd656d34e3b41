//! Contents of a session. The store gets them in sealed form only.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::provider_login::ProviderLogin;
use super::store::IndexedSession;
use crate::clock;
use crate::credential::{PresentedToken, SessionHandle, SessionId, SessionKey};
use crate::identity::{Identity, Issuer, UpstreamSession};
use crate::issued_tokens::TokenUse;
use crate::verdict::{CutoffScope, IssueTime, TokenKey};

/// Maximum difference between the clocks of two instances. A time further in the
/// future comes from a wrong clock.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Token of a session, kept so that the end of the session can revoke it at the authorization server too.
///
/// `Debug` does not show the token.
#[derive(Clone, Serialize, Deserialize)]
pub struct SessionToken {
    /// Key of the token.
    pub key: TokenKey,
    /// Token type hint: `access_token` or `refresh_token` (RFC 7009 §2.1).
    pub hint: String,
    /// Issuer of the token, whose authorization server can revoke it.
    #[serde(default, skip_serializing_if = "Issuer::is_default")]
    pub issuer: Issuer,
    /// Text of the token.
    token: String,
    /// Expiry, if known.
    pub expires_at: Option<Timestamp>,
}

impl SessionToken {
    /// Creates the record of a token.
    pub fn new(
        key: TokenKey,
        token_use: TokenUse,
        issuer: Issuer,
        token: &PresentedToken,
        expires_at: Option<Timestamp>,
    ) -> Self {
        Self {
            key,
            hint: token_use.as_str().to_owned(),
            issuer,
            token: token.expose().to_owned(),
            expires_at,
        }
    }

    /// Returns the text of the token, only for a request to the authorization server.
    pub fn expose(&self) -> &str {
        &self.token
    }

    fn is_refresh(&self) -> bool {
        self.hint == TokenUse::Refresh.as_str()
    }
}

impl Drop for SessionToken {
    fn drop(&mut self) {
        // The memory of a dropped session must not keep tokens that are still valid.
        self.token.zeroize();
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionToken")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Data of a login that creates a session.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Identity of the user.
    pub identity: Identity,
    /// Client address at the login.
    pub ip_address: Option<String>,
    /// Client's `User-Agent` at the login.
    pub user_agent: Option<String>,
    /// Public handle.
    pub handle: SessionHandle,
    /// Time at which the login began. A cut-off up to then covers the session.
    pub login_at: Timestamp,
    /// Tokens of the session.
    pub tokens: Vec<SessionToken>,
    /// Clients, issuers and upstream sessions of these tokens. Their cut-offs cover the session.
    pub cutoff_scopes: Vec<CutoffScope>,
    /// Login at the provider, if the gateway itself logged the person in.
    pub login: Option<ProviderLogin>,
}

/// Contents of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Key under which this was sealed. Contents that were moved to another key are refused.
    pub(super) bound_to: SessionKey,
    /// Public handle.
    pub handle: SessionHandle,
    /// Identity of the user.
    pub identity: Identity,
    /// Client address at the login.
    pub ip_address: Option<String>,
    /// Client's `User-Agent` at the login.
    pub user_agent: Option<String>,
    /// Time at which the login began.
    pub created_at: Timestamp,
    /// Time of the last use, accurate to the interval in which touches are coalesced.
    pub last_accessed: Timestamp,
    /// Number of touches: at most one in that interval.
    pub access_count: u64,
    /// Tokens of the session.
    pub tokens: Vec<SessionToken>,
    /// Hashes of earlier ids whose revocation is not certain (decision 23).
    pub(super) retired: Vec<SessionKey>,
    /// Clients that the tokens were issued to.
    pub(super) clients: Vec<String>,
    /// Issuers of the tokens.
    pub(super) issuers: Vec<String>,
    /// Sessions at the authorization server that the tokens belong to.
    pub(super) upstream_sessions: Vec<UpstreamSession>,
    /// Login at the provider, if the gateway itself logged the person in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<ProviderLogin>,
}

impl SessionRecord {
    /// Creates the contents of a new session.
    pub(super) fn new(new: NewSession, key: &SessionKey, now: Timestamp) -> Self {
        let (mut clients, mut issuers, mut upstream_sessions) = (Vec::new(), Vec::new(), Vec::new());
        for scope in new.cutoff_scopes {
            match scope {
                CutoffScope::Client(id) => clients.push(id),
                CutoffScope::Issuer(id) => issuers.push(id),
                CutoffScope::UpstreamSession(session) => upstream_sessions.push(session),
                // Covered without a list: the user is in the identity, and "everything" needs no name.
                CutoffScope::User(_) | CutoffScope::Everything => {}
            }
        }
        Self {
            retired: Vec::new(),
            clients,
            issuers,
            upstream_sessions,
            bound_to: key.clone(),
            handle: new.handle,
            identity: new.identity,
            ip_address: new.ip_address,
            user_agent: new.user_agent,
            created_at: new.login_at,
            last_accessed: now,
            access_count: 1,
            tokens: new.tokens,
            login: new.login,
        }
    }

    /// Corrects times in the future, which come from a clock that was set back since.
    ///
    /// Returns the issue time of the session. The next touch stores the corrected times.
    pub(super) fn correct_future_times(&mut self, touch_interval: Duration, now: Timestamp) -> IssueTime {
        let latest_plausible = clock::after(now, MAX_CLOCK_SKEW);
        if self.last_accessed > latest_plausible {
            // One interval in the past, so that the next touch is due at once.
            self.last_accessed = clock::before(now, touch_interval);
        }
        if self.created_at > latest_plausible {
            self.created_at = now;
            // Until the corrected time is stored, the true age is unknown, and
            // every cut-off must cover the session.
            return IssueTime::Unknown;
        }
        IssueTime::At(self.created_at)
    }

    /// Adds ids that the session had until now.
    pub(super) fn retire_keys(&mut self, keys: [&SessionKey; 2]) {
        for key in keys {
            // The presented id and the current id are mostly the same.
            if !self.retired.contains(key) {
                self.retired.push(key.clone());
            }
        }
    }

    /// Returns the scopes whose cut-offs cover the session. The user comes first.
    pub(super) fn cutoff_scopes(&self) -> Vec<CutoffScope> {
        let mut scopes = vec![CutoffScope::User(self.identity.subject())];
        scopes.extend(self.clients.iter().cloned().map(CutoffScope::Client));
        scopes.extend(self.issuers.iter().cloned().map(CutoffScope::Issuer));
        let upstream_sessions = self.upstream_sessions.iter().cloned();
        scopes.extend(upstream_sessions.map(CutoffScope::UpstreamSession));
        scopes.push(CutoffScope::Everything);
        scopes
    }

    /// Adds new tokens, and removes the expired ones. A new refresh token replaces the old one.
    pub(super) fn renew_tokens(&mut self, tokens: Vec<SessionToken>, now: Timestamp) {
        let has_refresh_token = tokens.iter().any(SessionToken::is_refresh);
        // An old access token stays until it expires: the end of the session must still revoke it upstream.
        self.tokens
            .retain(|t| t.expires_at.is_none_or(|at| at > now) && !(has_refresh_token && t.is_refresh()));
        self.tokens.extend(tokens);
    }
}

/// Session that was just created.
#[derive(Debug)]
pub struct CreatedSession {
    /// Session id for the cookie.
    pub id: SessionId,
    /// Contents.
    pub record: SessionRecord,
    /// Sessions over the limit, oldest first. The caller must end them.
    pub evicted: Vec<IndexedSession>,
    pub(super) key: SessionKey,
}

impl CreatedSession {
    /// Returns its entry in the user's index.
    pub fn to_indexed(&self) -> IndexedSession {
        IndexedSession {
            handle: self.record.handle.clone(),
            key: self.key.clone(),
            created_at: self.record.created_at,
        }
    }
}
