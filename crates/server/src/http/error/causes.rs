//! Which failure a cause from below is, so that `?` passes it on.

use maxlab_auth_core::engine::{AuthFault, EndFault, LoginFault, RefreshFault};
use maxlab_auth_core::guard::Denied;
use maxlab_auth_core::session::SessionFault;
use maxlab_auth_core::unavailable::Unavailable;

use super::Failure;
use crate::upstream::UpstreamError;

impl From<AuthFault> for Failure {
    fn from(fault: AuthFault) -> Self {
        match fault {
            AuthFault::Unavailable(fault) => Self::Unavailable(fault),
            other => Self::Auth(other),
        }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Unavailable> for Failure {
    fn from(fault: Unavailable) -> Self {
        Self::Unavailable(fault)
    }
}

impl From<EndFault> for Failure {
    fn from(fault: EndFault) -> Self {
        Self::Unavailable(fault.into_unavailable())
    }
}

impl From<UpstreamError> for Failure {
    fn from(fault: UpstreamError) -> Self {
        Self::Upstream(fault)
    }
}

impl From<SessionFault> for Failure {
    fn from(fault: SessionFault) -> Self {
        AuthFault::from(fault).into()
    }
}

impl From<RefreshFault> for Failure {
    fn from(fault: RefreshFault) -> Self {
        match fault {
            RefreshFault::Revoked => Self::InvalidGrant("Token has been revoked"),
            RefreshFault::Reused => Self::InvalidGrant("The refresh token was used before"),
            RefreshFault::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}

impl From<LoginFault> for Failure {
    fn from(fault: LoginFault) -> Self {
        match fault {
            LoginFault::NotIdentified(fault) => fault.into(),
            LoginFault::Revoked => {
                Self::InvalidGrant("What the login brought was revoked meanwhile; log in again")
            }
            LoginFault::Unavailable(fault) => Self::Unavailable(fault),
        }
    }
}
