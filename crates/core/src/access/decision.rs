//! Result of a decision.

use super::refusal::{AccessRefusal, CredentialFault};
use crate::verdict::ActiveCredential;

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
