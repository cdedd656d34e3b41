//! Reasons for which a credential is not accepted: refused, or not decided.

use crate::error_code::ErrorCode;
use crate::revocation::{GateRefusal, RevocationReason};
use crate::session::SessionFault;
use crate::unavailable::Unavailable;
use crate::verify::{TokenRejection, VerifyFault};

/// Reason for which a credential is refused. An outage is never one: [`Unavailable`] has no place in it, so a
/// 401 cannot be made from an outage (invariant I11).
#[derive(Clone, Debug, thiserror::Error)]
pub enum CredentialRefusal {
    /// Token that is not valid.
    #[error("{0}")]
    Rejected(TokenRejection),
    /// Token that is revoked.
    #[error("the token was revoked ({})", .0.as_str())]
    TokenRevoked(RevocationReason),
    /// Session that was ended, with its tokens. The reason is known until the end is finished.
    #[error("the session was ended")]
    SessionRevoked(Option<RevocationReason>),
    /// Session that does not exist, or that has reached its idle or absolute limit.
    #[error("the session does not exist or has expired")]
    NoSession,
}

impl CredentialRefusal {
    /// Returns the error code. All of them are 401.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Rejected(TokenRejection::Expired) => ErrorCode::TokenExpired,
            Self::Rejected(_) => ErrorCode::InvalidToken,
            Self::TokenRevoked(_) => ErrorCode::TokenRevoked,
            Self::SessionRevoked(_) => ErrorCode::SessionRevoked,
            Self::NoSession => ErrorCode::InvalidSession,
        }
    }
}

/// Reason for which a credential is not accepted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthFault {
    /// Credential that is refused.
    #[error(transparent)]
    Refused(#[from] CredentialRefusal),
    /// Component that did not answer, so that nothing is known about the credential.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AuthFault {
    /// Separates a refusal from an outage.
    ///
    /// # Errors
    /// The component that did not answer.
    pub fn into_refusal(self) -> Result<CredentialRefusal, Unavailable> {
        match self {
            Self::Refused(refusal) => Ok(refusal),
            Self::Unavailable(fault) => Err(fault),
        }
    }
}

impl From<VerifyFault> for AuthFault {
    fn from(fault: VerifyFault) -> Self {
        match fault {
            VerifyFault::Rejected(rejection) => CredentialRefusal::Rejected(rejection).into(),
            VerifyFault::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<GateRefusal> for AuthFault {
    fn from(refusal: GateRefusal) -> Self {
        match refusal {
            GateRefusal::TokenRevoked(reason) => CredentialRefusal::TokenRevoked(reason).into(),
            GateRefusal::SessionRevoked(reason) => CredentialRefusal::SessionRevoked(Some(reason)).into(),
            GateRefusal::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<SessionFault> for AuthFault {
    fn from(fault: SessionFault) -> Self {
        match fault {
            SessionFault::Missing => CredentialRefusal::NoSession.into(),
            SessionFault::Ended => CredentialRefusal::SessionRevoked(None).into(),
            SessionFault::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}
