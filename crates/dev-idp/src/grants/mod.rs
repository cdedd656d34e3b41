//! Grants and their revocation: codes, refresh-token families, revoked access tokens.

mod journal;
mod ledger;
mod refresh_token;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::pkce::PkceChallenge;
use crate::scope::ScopeSet;

pub(crate) use ledger::{GrantLedger, GrantRefusal};
pub(crate) use refresh_token::{RefreshToken, RefreshTokenKey};

/// Grant behind an authorization code. Codes live for one minute, so they are not written to disk.
#[derive(Debug, Clone)]
pub(crate) struct CodeGrant {
    /// The login session; the `sid` of every token that comes of it, and the id of its refresh-token family.
    pub(crate) sid: Uuid,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: PkceChallenge,
    pub(crate) sub: String,
    pub(crate) scope: ScopeSet,
    pub(crate) nonce: Option<String>,
    /// When the person logged in, in seconds.
    pub(crate) auth_time: i64,
    pub(crate) expires_at: i64,
}

/// The refresh tokens of one login. Only the newest one is valid (RFC 9700 §4.14.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RefreshFamily {
    pub(crate) sid: Uuid,
    pub(crate) client_id: String,
    pub(crate) sub: String,
    pub(crate) scope: ScopeSet,
    pub(crate) auth_time: i64,
    pub(crate) expires_at: i64,
    /// The number of the newest refresh token; it grows by one with each rotation.
    pub(crate) generation: u64,
    pub(crate) revoked: bool,
}

/// One line of the journal. The last line about a family or token wins.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum GrantRecord {
    Family(RefreshFamily),
    RevokedToken { jti: Uuid, expires_at: i64 },
}
