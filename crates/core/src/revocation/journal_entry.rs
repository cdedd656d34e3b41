//! Entries of the journal and of the store: revocations, and exemptions from cut-offs.

use jiff::Timestamp;

use crate::identity::Subject;
use crate::verdict::{RevocationKey, RevocationReason};

/// One revocation as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Name of the token, the session or the cut-off.
    pub key: RevocationKey,
    /// Time of a cut-off: everything issued up to it is revoked. `None` exactly for a revocation by name.
    pub cutoff: Option<Timestamp>,
    /// Reason.
    pub reason: RevocationReason,
    /// Time at which it was first recorded.
    pub revoked_at: Timestamp,
    /// Time from which it may be deleted: everything that it covers has expired by then, on every clock.
    pub expires_at: Timestamp,
    /// Expiry of the token according to its issuer; `None` if it is not proven.
    pub token_expires_at: Option<Timestamp>,
    /// Owner; `None` if it is not proven.
    pub subject: Option<Subject>,
}

/// A login that began after a cut-off and is exempt from it by name, however its issue time was rounded (I5,
/// decision 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutoffExemption {
    /// Name of the exempt token or session.
    pub key: RevocationKey,
    /// Time at which the login began. Cut-offs up to this time do not cover it.
    pub began_at: Timestamp,
    /// Expiry of the token or session.
    pub expires_at: Timestamp,
    /// Owner; `None` if it is not known.
    pub subject: Option<Subject>,
}

/// Content of one line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalEntry {
    /// A revocation.
    Revoked(Revocation),
    /// An exemption of a login from earlier cut-offs.
    Exempted(CutoffExemption),
}

impl JournalEntry {
    /// Time from which the line may be deleted.
    pub fn expires_at(&self) -> Timestamp {
        match self {
            Self::Revoked(revocation) => revocation.expires_at,
            Self::Exempted(exemption) => exemption.expires_at,
        }
    }
}

/// A line of the journal with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// Position in the journal. Later lines have greater positions.
    pub position: i64,
    /// Content. If the same revocation was recorded before and is not acknowledged, the content of that
    /// earlier line.
    pub entry: JournalEntry,
}
