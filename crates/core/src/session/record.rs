//! What a session holds, in the sealed form that no store can read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::credential::{PresentedToken, SessionHandle, SessionKey};
use crate::identity::Identity;
use crate::revocation::{TokenKey, TokenUse};

/// A token that hangs on a session, kept so that ending the session ends it at the authorization server too.
///
/// `Debug` does not show the token.
#[derive(Clone, Serialize, Deserialize)]
pub struct SessionToken {
    /// Its identity.
    pub key: TokenKey,
    /// `access_token` or `refresh_token` (RFC 7009 §2.1).
    pub hint: String,
    /// The token itself.
    token: String,
    /// When it expires, if that is known.
    pub expires_at: Option<Timestamp>,
}

impl SessionToken {
    /// A token to keep with its session.
    pub fn new(
        key: TokenKey,
        token_use: TokenUse,
        token: &PresentedToken,
        expires_at: Option<Timestamp>,
    ) -> Self {
        Self {
            key,
            hint: token_use.as_str().to_owned(),
            token: token.expose().to_owned(),
            expires_at,
        }
    }

    /// The token itself, to be sent to the authorization server and nothing else.
    pub fn expose(&self) -> &str {
        &self.token
    }

    fn is_refresh(&self) -> bool {
        self.hint == TokenUse::Refresh.as_str()
    }
}

impl Drop for SessionToken {
    fn drop(&mut self) {
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

/// What is known at the login that begins a session.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose it is.
    pub identity: Identity,
    /// The client's address at the login.
    pub ip_address: Option<String>,
    /// The client's `User-Agent` at the login.
    pub user_agent: Option<String>,
    /// The session's public name.
    pub handle: SessionHandle,
    /// When the login began: what is revoked up to then covers it.
    pub login_at: Timestamp,
    /// The tokens that hang on it.
    pub tokens: Vec<SessionToken>,
}

/// A session's contents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The key under which this was sealed: a blob that was moved to another key does not open.
    pub(super) bound_to: SessionKey,
    /// Its public name.
    pub handle: SessionHandle,
    /// Whose it is.
    pub identity: Identity,
    /// The client's address at the login.
    pub ip_address: Option<String>,
    /// The client's `User-Agent` at the login.
    pub user_agent: Option<String>,
    /// When the login began.
    pub created_at: Timestamp,
    /// When it was last used, to within the time by which touches are coalesced.
    pub last_accessed: Timestamp,
    /// How often it was touched, which is at most once in that time.
    pub access_count: u64,
    /// The tokens that hang on it.
    pub tokens: Vec<SessionToken>,
}

impl SessionRecord {
    pub(super) fn begin(new: NewSession, key: &SessionKey, now: Timestamp) -> Self {
        Self {
            bound_to: key.clone(),
            handle: new.handle,
            identity: new.identity,
            ip_address: new.ip_address,
            user_agent: new.user_agent,
            created_at: new.login_at,
            last_accessed: now,
            access_count: 1,
            tokens: new.tokens,
        }
    }

    /// Puts new tokens in the place of the expired ones and, if there is a refresh token among them, of the old one.
    pub(super) fn renew_tokens(&mut self, tokens: Vec<SessionToken>, now: Timestamp) {
        let renewed = tokens.iter().any(SessionToken::is_refresh);
        self.tokens
            .retain(|t| t.expires_at.is_none_or(|at| at > now) && !(renewed && t.is_refresh()));
        self.tokens.extend(tokens);
    }
}
