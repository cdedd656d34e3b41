//! What is recorded of a revocation, in the journal and in the store.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::RevocationKey;

/// Why something was revoked. The words are the guide's where it has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its holder revoked it (RFC 7009).
    Revoked,
    /// Its session was logged out.
    Logout,
    /// Everything of the user was logged out.
    LogoutAll,
    /// Its session was ended by name.
    SessionTerminated,
    /// Its refresh token came a second time.
    RefreshReuse,
    /// An operator did it.
    Admin,
    /// Another program wrote the entry (a deployment of the guide on the same Redis), with a reason of its own.
    Other,
}

impl Reason {
    const ALL: [Self; 7] = [
        Self::Revoked,
        Self::Logout,
        Self::LogoutAll,
        Self::SessionTerminated,
        Self::RefreshReuse,
        Self::Admin,
        Self::Other,
    ];

    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::SessionTerminated => "session_terminated",
            Self::RefreshReuse => "refresh_reuse",
            Self::Admin => "admin",
            Self::Other => "other",
        }
    }

    /// The reason with that word; [`Reason::Other`] for a word that is not ours.
    pub fn parse(word: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|r| r.as_str() == word)
            .unwrap_or(Self::Other)
    }
}

/// One revocation as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What is revoked.
    pub key: RevocationKey,
    /// For a cut-off: what was issued up to this moment is revoked. `None` exactly for what is revoked by name.
    pub cutoff: Option<Timestamp>,
    /// Why.
    pub reason: Reason,
    /// When it was first recorded.
    pub revoked_at: Timestamp,
    /// When it may be forgotten, because what it covers has expired by then, on every clock.
    pub expires_at: Timestamp,
    /// The token's own expiry, as its issuer says, where that is proven.
    pub token_expires_at: Option<Timestamp>,
    /// Whose it was, where that is proven.
    pub user_id: Option<String>,
}

/// A login that began after a cut-off and is exempt from it by name, however its issue time was rounded (I5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spare {
    /// The token or session that is spared.
    pub key: RevocationKey,
    /// When the login began: cut-offs up to this moment do not cover it.
    pub began_at: Timestamp,
    /// When the token or session expires.
    pub expires_at: Timestamp,
    /// Whose it is.
    pub user_id: String,
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalEntry {
    /// Something was revoked.
    Revoked(Revocation),
    /// A login was spared from the cut-offs before it.
    Spared(Spare),
}

impl JournalEntry {
    /// When the line may be forgotten.
    pub fn expires_at(&self) -> Timestamp {
        match self {
            Self::Revoked(revocation) => revocation.expires_at,
            Self::Spared(spare) => spare.expires_at,
        }
    }
}

/// A journal line as it stands there, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journalled {
    /// Its place: later lines have greater ones.
    pub position: i64,
    /// What it says; where the same order stood there unfinished, the earlier line's words.
    pub entry: JournalEntry,
}
