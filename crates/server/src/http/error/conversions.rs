//! Conversions of the engine's and the upstream's faults to [`ApiError`], for `?`.

use maxlab_auth_core::access::{AccessRefusal, CredentialFault, LoginPrompt};
use maxlab_auth_core::engine::{
    AuthFault, CredentialRefusal, ExchangeFault, LoginFault, LogoutFault, RefreshFault, RevokeTokenFault,
    TerminationFault,
};
use maxlab_auth_core::guard::AccessDenied;
use maxlab_auth_core::session::SessionFault;
use maxlab_auth_core::unavailable::Unavailable;

use super::ApiError;
use crate::upstream::UpstreamError;

impl From<AuthFault> for ApiError {
    fn from(fault: AuthFault) -> Self {
        match fault {
            // A 503 and never a 401: the credential may be valid.
            AuthFault::Unavailable(fault) => Self::Unavailable(fault),
            AuthFault::Refused(refusal) => Self::Auth(refusal),
        }
    }
}

impl From<CredentialRefusal> for ApiError {
    fn from(refusal: CredentialRefusal) -> Self {
        Self::Auth(refusal)
    }
}

impl From<CredentialFault> for ApiError {
    fn from(fault: CredentialFault) -> Self {
        // A fault has one meaning: that of the access decision. The prompt has no part in it.
        AccessRefusal::of_credential(fault, LoginPrompt::Challenge).into()
    }
}

impl From<AccessRefusal> for ApiError {
    fn from(refusal: AccessRefusal) -> Self {
        match refusal {
            AccessRefusal::Unauthenticated { fault: None, .. } => Self::MissingCredential,
            AccessRefusal::Unauthenticated {
                fault: Some(fault), ..
            } => fault.into(),
            AccessRefusal::AmbiguousCredential(text) => Self::InvalidRequest(text),
            AccessRefusal::CrossSite => Self::CrossSite,
            AccessRefusal::Requirement(denied) => Self::Denied(denied),
            AccessRefusal::Policy => Self::PolicyDenied,
            AccessRefusal::Ambiguous(fault) => Self::Ambiguous(fault),
            AccessRefusal::MissingAttribute(attribute) => Self::MissingAttribute(attribute),
            AccessRefusal::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<AccessDenied> for ApiError {
    fn from(denied: AccessDenied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Unavailable> for ApiError {
    fn from(fault: Unavailable) -> Self {
        Self::Unavailable(fault)
    }
}

impl From<TerminationFault> for ApiError {
    fn from(fault: TerminationFault) -> Self {
        // Recorded or not, it is not acknowledged: the client must repeat it.
        Self::Unavailable(fault.into_unavailable())
    }
}

impl From<RevokeTokenFault> for ApiError {
    fn from(fault: RevokeTokenFault) -> Self {
        match fault {
            RevokeTokenFault::Termination(fault) => fault.into(),
            RevokeTokenFault::TooManyUnproven => Self::TooManyUnproven,
        }
    }
}

impl From<LogoutFault> for ApiError {
    fn from(fault: LogoutFault) -> Self {
        match fault {
            LogoutFault::NoCredential => Self::MissingCredential,
            LogoutFault::Unproven(fault) => fault.into(),
            LogoutFault::Unfinished(fault) => fault.into(),
        }
    }
}

impl From<UpstreamError> for ApiError {
    fn from(fault: UpstreamError) -> Self {
        Self::Upstream(fault)
    }
}

impl From<ExchangeFault> for ApiError {
    fn from(fault: ExchangeFault) -> Self {
        match fault {
            ExchangeFault::CodeUsed => Self::InvalidGrant("The authorization code was already used"),
            ExchangeFault::OtherCode => Self::InvalidGrant("The login was finished with another code"),
            ExchangeFault::IdToken(_) => Self::InvalidGrant("The ID token does not prove the login"),
            ExchangeFault::Login(fault) => fault.into(),
            ExchangeFault::Refresh(fault) => fault.into(),
            ExchangeFault::Upstream(fault) => Self::Upstream(fault),
            ExchangeFault::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<SessionFault> for ApiError {
    fn from(fault: SessionFault) -> Self {
        AuthFault::from(fault).into()
    }
}

impl From<RefreshFault> for ApiError {
    fn from(fault: RefreshFault) -> Self {
        match fault {
            RefreshFault::Revoked => Self::InvalidGrant("Token has been revoked"),
            RefreshFault::Reused => Self::InvalidGrant("The refresh token was already used"),
            RefreshFault::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<LoginFault> for ApiError {
    fn from(fault: LoginFault) -> Self {
        match fault {
            LoginFault::NotIdentified(fault) => fault.into(),
            // A logout-all came between the login and its exchange.
            LoginFault::OtherPerson => {
                Self::InvalidGrant("The ID token and the access token are of different people")
            }
            LoginFault::Revoked => {
                Self::InvalidGrant("The login was revoked before it was complete; log in again")
            }
            LoginFault::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}
