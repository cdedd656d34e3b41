//! A logout request: its credentials, what they permit together, and the result.

use std::time::Duration;

use crate::audit::AuditOrigin;
use crate::credential::{PresentedToken, SessionHandle, SessionId};
use crate::engine::{CredentialProof, CredentialRefusal, RevokeRequest, RevokeTokenFault, TerminationFault};
use crate::issued_tokens::TokenUse;
use crate::unavailable::Unavailable;
use crate::verdict::ActiveCredential;

/// Credentials and options of a logout request. Each credential is judged by itself (decision 17).
#[derive(Debug)]
pub struct LogoutRequest<'r> {
    /// Bearer token, and what it proves.
    pub bearer: Option<(&'r PresentedToken, CredentialProof)>,
    /// Proof of the session cookie. `None` if the request does not show that it comes from our own pages.
    pub cookie: Option<CredentialProof>,
    /// Session id of the cookie, if the store has no session for it. Its owner is unknown. The id itself is
    /// revoked if the other credentials prove anything.
    pub lost_session: Option<&'r SessionId>,
    /// Session that the request names (`X-Session-ID`). A name is no proof: the session must belong to a user
    /// whose credential is active.
    pub named_session: Option<SessionHandle>,
    /// Refresh token. It is a proof by itself if the register knows it.
    pub refresh_token: Option<&'r PresentedToken>,
    /// `true` for a logout-all: end everything of the user (`logout_all_devices`).
    pub everywhere: bool,
    /// Time for which the authorization server is not sent the tokens of an ended session. Its own logout, which
    /// the browser visits meanwhile, needs them.
    pub upstream_delay: Duration,
    /// Origin of the request, for the audit.
    pub origin: &'r AuditOrigin,
}

/// Number of sessions and tokens that a logout ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogoutCounts {
    /// Sessions that were active until now.
    pub sessions: usize,
    /// Presented tokens and, after a logout-all, all tokens that the register knew.
    pub tokens: usize,
}

/// Reason for which a logout is refused, or not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogoutFault {
    /// No credential was presented.
    #[error("no credential was presented")]
    NoCredential,
    /// The credentials do not prove enough for this request. Nothing was ended.
    #[error(transparent)]
    Unproven(CredentialRefusal),
    /// Some of it may have ended; the logout is not acknowledged. The request can be repeated.
    #[error(transparent)]
    Unfinished(#[from] RevokeTokenFault),
}

impl From<TerminationFault> for LogoutFault {
    fn from(fault: TerminationFault) -> Self {
        Self::Unfinished(fault.into())
    }
}

impl From<Unavailable> for LogoutFault {
    fn from(fault: Unavailable) -> Self {
        Self::Unfinished(fault.into())
    }
}

impl LogoutRequest<'_> {
    /// Returns the request that revokes the presented refresh token.
    pub(super) fn revoke_refresh_token(&self) -> RevokeRequest<'_> {
        RevokeRequest {
            hint: Some(TokenUse::Refresh.as_str()),
            client: None,
            client_is_proven: false,
            origin: self.origin,
        }
    }

    /// Returns the proofs in the order in which their faults are reported.
    fn proofs(&self) -> impl Iterator<Item = &CredentialProof> {
        let bearer = self.bearer.as_ref().map(|(_, proof)| proof);
        bearer.into_iter().chain(&self.cookie)
    }

    /// Returns the credentials that are active.
    pub(super) fn active_credentials(&self) -> impl Iterator<Item = &ActiveCredential> {
        self.proofs().filter_map(|proof| match proof {
            CredentialProof::Active(credential) => Some(credential.as_ref()),
            _ => None,
        })
    }

    /// Returns `true` if the proofs are enough for the request. A logout-all needs an active credential, or
    /// one that an earlier logout-all revoked.
    pub(super) fn is_authorized(&self, refresh_is_known: bool) -> bool {
        if self.everywhere {
            // A refresh token or an expired token proves one login only, never the right to end all of them.
            return self.active_credentials().next().is_some()
                || self.proofs().any(CredentialProof::is_revoked_by_logout_all);
        }
        refresh_is_known || self.proofs().any(CredentialProof::permits_logout)
    }

    /// Returns the reason of the refusal: that of the bearer token, else that of the cookie.
    pub(super) fn logout_fault(&self) -> LogoutFault {
        let fault = self.proofs().find_map(CredentialProof::fault);
        fault
            .cloned()
            .map_or(LogoutFault::NoCredential, LogoutFault::Unproven)
    }
}
