//! Reasons for which a request may not pass, and their labels in metrics.

use crate::engine::{AuthFault, CredentialRefusal};
use crate::guard::AccessDenied;
use crate::policy::{AmbiguousRequest, MissingAttribute};
use crate::unavailable::Unavailable;

/// How a client without a valid credential is asked to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginPrompt {
    /// Status 401 with a challenge, for programs.
    Challenge,
    /// Redirect to the login page: a browser is loading a page, and there is a login page.
    Redirect,
}

/// Reason why a request has no authenticated credential.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CredentialFault {
    /// No credential is presented.
    #[error("no credential is presented")]
    Missing,
    /// Credential that cannot be read in one way. The text is for the client.
    #[error("{0}")]
    Ambiguous(String),
    /// Unsafe request with a session cookie that does not prove where it comes from.
    #[error("the request may come from another site")]
    CrossSite,
    /// Credential that is not accepted, or cannot be checked now.
    #[error(transparent)]
    Auth(#[from] AuthFault),
}

impl From<CredentialRefusal> for CredentialFault {
    fn from(refusal: CredentialRefusal) -> Self {
        Self::Auth(refusal.into())
    }
}

/// Reason why a request may not pass.
#[derive(Clone, Debug)]
pub enum AccessRefusal {
    /// No valid credential: status 401, or a redirect to the login.
    Unauthenticated {
        /// Why the credential is not accepted; `None` if there is none.
        fault: Option<CredentialRefusal>,
        /// How to ask for one.
        prompt: LoginPrompt,
    },
    /// The credential can be read in more than one way: status 400.
    AmbiguousCredential(String),
    /// An unsafe request may come from another site: status 403.
    CrossSite,
    /// A requirement is not met: status 403.
    Requirement(AccessDenied),
    /// The policy allows the request to no one: status 403.
    Policy,
    /// The request can be read in more than one way: status 400.
    Ambiguous(AmbiguousRequest),
    /// The policy reads an attribute that is unknown for the request: status 400.
    MissingAttribute(MissingAttribute),
    /// A component did not answer, so the result is unknown: status 503, or 429 at a rate limit. Never 401: the
    /// credential may be valid.
    Unavailable(Unavailable),
}

impl AccessRefusal {
    /// Returns the refusal of a request that needs a credential and has none that is valid.
    /// Returns the refusal of a request whose credential has this fault.
    pub fn of_credential(fault: CredentialFault, prompt: LoginPrompt) -> Self {
        match fault {
            CredentialFault::Missing => Self::Unauthenticated { fault: None, prompt },
            CredentialFault::Ambiguous(text) => Self::AmbiguousCredential(text),
            CredentialFault::CrossSite => Self::CrossSite,
            CredentialFault::Auth(AuthFault::Unavailable(fault)) => Self::Unavailable(fault),
            CredentialFault::Auth(AuthFault::Refused(refusal)) => Self::Unauthenticated {
                fault: Some(refusal),
                prompt,
            },
        }
    }
}

/// Reason of a refusal as a label value of metrics: the one list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// Credential that is not valid.
    Rejected,
    /// Revoked token.
    TokenRevoked,
    /// Ended session.
    SessionRevoked,
    /// Session that does not exist or has expired.
    InvalidSession,
    /// Credential that could not be checked. Not a refusal of it: nothing is known about it.
    Unavailable,
    /// Request that the policy closes to everyone.
    PolicyDenied,
    /// Request that can be read in more than one way.
    AmbiguousRequest,
    /// Request without an attribute that the policy reads.
    MissingAttribute,
}

impl RefusalReason {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::Rejected,
        Self::TokenRevoked,
        Self::SessionRevoked,
        Self::InvalidSession,
        Self::Unavailable,
        Self::PolicyDenied,
        Self::AmbiguousRequest,
        Self::MissingAttribute,
    ];

    /// Returns the label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::TokenRevoked => "token_revoked",
            Self::SessionRevoked => "session_revoked",
            Self::InvalidSession => "invalid_session",
            Self::Unavailable => "unavailable",
            Self::PolicyDenied => "policy_denied",
            Self::AmbiguousRequest => "ambiguous_request",
            // Label values are public, and this one keeps its first name.
            Self::MissingAttribute => "untold",
        }
    }
}

impl From<&CredentialRefusal> for RefusalReason {
    fn from(refusal: &CredentialRefusal) -> Self {
        match refusal {
            CredentialRefusal::Rejected(_) => Self::Rejected,
            CredentialRefusal::TokenRevoked(_) => Self::TokenRevoked,
            CredentialRefusal::SessionRevoked(_) => Self::SessionRevoked,
            CredentialRefusal::NoSession => Self::InvalidSession,
        }
    }
}
