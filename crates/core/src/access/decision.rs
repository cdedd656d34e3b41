//! Result of a decision, and the steps that it may need first.

use super::pending::{PendingCredential, PendingWorkspaces};
use super::refusal::{AccessRefusal, CredentialFault};
use crate::verdict::ActiveCredential;

/// Decision about a request, or the step that it needs first.
#[derive(Debug)]
#[must_use]
pub enum AccessOutcome<'r> {
    /// The decision.
    Decided(AccessDecision),
    /// Something must be fetched first. The step contains the rest of the decision.
    NeedsIo(IoStep<'r>),
}

/// Step that the caller takes before the decision can go on.
#[derive(Debug)]
pub enum IoStep<'r> {
    /// Authenticate the request's credential, then [`resume`](PendingCredential::resume).
    Authenticate(PendingCredential<'r>),
    /// Add the workspaces that the store has for this user, then [`resume`](PendingWorkspaces::resume).
    LoadWorkspaces(ActiveCredential, PendingWorkspaces<'r>),
}

/// Decision about a request.
#[derive(Debug)]
pub enum AccessDecision {
    /// The request may pass with this identity.
    Allow(ActiveCredential),
    /// The request may pass without an identity: its path is public. The fault says why there is none; the
    /// path stays open if a credential is not valid, and if it cannot be checked now.
    AllowPublic(CredentialFault),
    /// The request may not pass.
    Refuse(AccessRefusal),
}

impl From<AccessRefusal> for AccessOutcome<'_> {
    fn from(refusal: AccessRefusal) -> Self {
        Self::Decided(AccessDecision::Refuse(refusal))
    }
}
