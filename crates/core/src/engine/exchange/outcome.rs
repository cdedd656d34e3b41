//! Outcome of an exchange, and the reasons of its failure.

use serde_json::{Map, Value};

use crate::credential::{SessionHandle, SessionId};
use crate::engine::{LoginFault, RefreshFault};
use crate::login::IdTokenFault;
use crate::token_endpoint::{AuthServerRefusal, UpstreamError};
use crate::unavailable::Unavailable;

/// Outcome of an exchange. All requests that share the exchange are answered from it.
#[derive(Debug)]
pub enum ExchangeOutcome {
    /// Tokens were issued.
    Granted {
        /// Complete answer of the authorization server, with its unknown members.
        body: Map<String, Value>,
        /// Session that began, if any.
        session: Option<BegunSession>,
    },
    /// The authorization server refused the request.
    Refused(AuthServerRefusal),
    /// The gateway refused the request, or a component did not answer.
    Failed(ExchangeFault),
}

/// Session that a login began, as its browser needs it.
#[derive(Clone, Debug)]
pub struct BegunSession {
    /// Session id, which is the secret of the cookie.
    pub id: SessionId,
    /// Public handle.
    pub handle: SessionHandle,
}

/// Reason for which an exchange issues no tokens.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExchangeFault {
    /// Authorization code that was used before (RFC 6749 §4.1.2).
    #[error("the authorization code was already used")]
    CodeUsed,
    /// New code for a login whose code was exchanged before.
    #[error("the login was finished with another code")]
    OtherCode,
    /// ID token that does not prove the login.
    #[error(transparent)]
    IdToken(#[from] IdTokenFault),
    /// Login that was not completed.
    #[error(transparent)]
    Login(#[from] LoginFault),
    /// Refresh token that is not exchanged.
    #[error(transparent)]
    Refresh(#[from] RefreshFault),
    /// Token endpoint that gave no usable answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// Component that did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl ExchangeOutcome {
    /// Returns `true` if tokens were issued.
    pub fn is_granted(&self) -> bool {
        matches!(self, Self::Granted { .. })
    }

    /// Returns the outcome of an exchange whose task ended before its result, as at the end of the process.
    pub(super) fn interrupted() -> Self {
        Self::Failed(ExchangeFault::Upstream(UpstreamError::Unreachable(
            "the exchange was interrupted".into(),
        )))
    }
}

impl From<Result<Self, ExchangeFault>> for ExchangeOutcome {
    fn from(result: Result<Self, ExchangeFault>) -> Self {
        result.unwrap_or_else(Self::Failed)
    }
}
