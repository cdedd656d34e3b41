//! Reason of a revocation, as it is stored, shown and counted.

use serde::{Deserialize, Serialize};

/// Reason of a revocation. `docs/GUIDE.md#denylist-entries` has the words that other programs write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// The holder revoked the token (RFC 7009).
    Revoked,
    /// The session was logged out.
    Logout,
    /// Everything of the user was logged out.
    LogoutAll,
    /// The session was ended by its handle.
    SessionTerminated,
    /// The session got a new id. Only the old id is revoked (decision 23).
    SessionRotated,
    /// A refresh token was presented a second time (RFC 9700 §4.14).
    RefreshReuse,
    /// An operator revoked it.
    Admin,
    /// The OpenID provider ended the session or logged the person out.
    ProviderLogout,
    /// Another program wrote the entry, with a reason of its own (`docs/GUIDE.md#sharing-a-redis`).
    Other,
}

impl RevocationReason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::Revoked,
        Self::Logout,
        Self::LogoutAll,
        Self::SessionTerminated,
        Self::SessionRotated,
        Self::RefreshReuse,
        Self::Admin,
        Self::ProviderLogout,
        Self::Other,
    ];

    /// Returns the stable word, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::SessionTerminated => "session_terminated",
            Self::SessionRotated => "session_rotated",
            Self::RefreshReuse => "refresh_reuse",
            Self::Admin => "admin",
            Self::ProviderLogout => "provider_logout",
            Self::Other => "other",
        }
    }

    /// Parses a stored word. Returns [`RevocationReason::Other`] for a word that this program does not write.
    pub fn parse(word: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|r| r.as_str() == word)
            .unwrap_or(Self::Other)
    }
}
