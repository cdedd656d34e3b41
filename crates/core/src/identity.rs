//! Identity of a credential, in one normalised shape for all verification layers.

mod claim_path;
mod claim_paths;
mod email;
mod source;
mod subject;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::claim_path::{ClaimPathFault, check_claim_path};
pub(crate) use self::claim_paths::subject_text;
pub use self::claim_paths::{ClaimPaths, SubjectFault};
pub use self::email::UnverifiedEmailPolicy;
pub use self::source::VerificationSource;
pub use self::subject::{Issuer, Subject, UpstreamSession};

/// Identity of the user of a credential.
///
/// Lists contain strings only. A claim that is one string becomes one element, so that a role is never found
/// as a part of another word. Elements that are not strings are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Id of the person at the issuer (`sub`), never empty.
    pub user_id: String,
    /// Issuer of the person. As JSON it is left out for the default issuer.
    #[serde(default, skip_serializing_if = "Issuer::is_default")]
    pub issuer: Issuer,
    /// E-mail address.
    pub email: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// URL of a picture.
    pub avatar: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Permissions.
    pub permissions: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// Workspaces, from claims or from the database.
    pub workspaces: Vec<String>,
    /// Scope of the token (RFC 6749 §3.3), as a list.
    pub scope: Vec<String>,
    /// OAuth client that the token was issued to.
    pub client_id: Option<String>,
    /// Public handle of the gateway's session, if the credential is its cookie.
    pub session_id: Option<String>,
    /// Session at the authorization server (`sid`, OpenID Connect Front-Channel Logout §3).
    // Absent in sessions that an earlier version stored.
    #[serde(default)]
    pub sid: Option<String>,
    /// Layer that verified the credential.
    pub verification_source: VerificationSource,
    /// Time of that verification.
    pub verified_at: Timestamp,
}

impl Identity {
    /// Returns the person: issuer and id.
    pub fn subject(&self) -> Subject {
        Subject::new(self.issuer.clone(), self.user_id.as_str())
    }

    /// Returns `true` if this is the identity of the person.
    pub fn belongs_to(&self, subject: &Subject) -> bool {
        *self.user_id == *subject.id && self.issuer == subject.issuer
    }
}
