//! Reasons for which a refresh token is not exchanged.

use super::TerminationFault;
use crate::revocation::GateRefusal;
use crate::unavailable::Unavailable;

/// Reason for which a refresh token is not exchanged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RefreshFault {
    /// Refresh token that is revoked: itself, its session, or everything of its user.
    #[error("the refresh token was revoked")]
    Revoked,
    /// Refresh token that was exchanged before. Its session is ended, except within a
    /// short grace period (RFC 9700 §4.14).
    #[error("the refresh token was already used")]
    Reused,
    /// Component that did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<GateRefusal> for RefreshFault {
    fn from(refusal: GateRefusal) -> Self {
        match refusal {
            GateRefusal::Unavailable(fault) => Self::Unavailable(fault),
            GateRefusal::TokenRevoked(_) | GateRefusal::SessionRevoked(_) => Self::Revoked,
        }
    }
}

impl From<TerminationFault> for RefreshFault {
    fn from(fault: TerminationFault) -> Self {
        Self::Unavailable(fault.into_unavailable())
    }
}
