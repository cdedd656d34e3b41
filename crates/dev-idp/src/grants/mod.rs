//! What has been granted and what has been taken back: codes, refresh-token families, revoked access tokens.

mod journal;
mod ledger;
mod refresh_token;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::pkce::Challenge;
use crate::scope::Scope;

pub(crate) use ledger::{Grants, Refused};
pub(crate) use refresh_token::{RefreshToken, RefreshTokenKey};

/// What an authorization code stands for. Codes live a minute, so they are not written to disk.
#[derive(Debug, Clone)]
pub(crate) struct CodeGrant {
    /// The login session; the `sid` of every token that comes of it, and the id of its refresh-token family.
    pub(crate) sid: Uuid,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Challenge,
    pub(crate) sub: String,
    pub(crate) scope: Scope,
    pub(crate) nonce: Option<String>,
    /// When the person logged in, in seconds.
    pub(crate) auth_time: i64,
    pub(crate) expires_at: i64,
}

/// The refresh tokens of one login, of which only the newest is good (RFC 9700 §4.14.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Family {
    pub(crate) sid: Uuid,
    pub(crate) client_id: String,
    pub(crate) sub: String,
    pub(crate) scope: Scope,
    pub(crate) auth_time: i64,
    pub(crate) expires_at: i64,
    /// The number of the newest refresh token; it grows by one with each rotation.
    pub(crate) generation: u64,
    pub(crate) revoked: bool,
}

/// One line of the journal; of several about the same thing the last holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Record {
    Family(Family),
    RevokedToken { jti: Uuid, expires_at: i64 },
}
