//! Equipment for an application's own tests (feature `test-util`): guards that accept fixed tokens.
//!
//! Enable the feature for tests only:
//!
//! ```toml
//! [dev-dependencies]
//! maxlab-auth-guard = { git = "…", rev = "…", features = ["test-util"] }
//! ```

use std::collections::HashMap;
use std::fmt;

use jiff::Timestamp;
use maxlab_auth_core::engine::CredentialRefusal;
use maxlab_auth_core::identity::{Identity, Issuer, VerificationSource};
use maxlab_auth_core::verify::TokenRejection;

use crate::caller::Caller;
use crate::failure::GuardFailure;

/// Token of the identity that [`AuthGuard::fixed`](crate::AuthGuard::fixed) was given alone.
pub const TOKEN: &str = "test-token";

/// Tokens with a fixed result. Any other token is invalid.
///
/// ```
/// use maxlab_auth_guard::test_util::{FixedTokens, identity};
/// use maxlab_auth_guard::{AuthGuard, CredentialRefusal, Identity, TokenRejection, Unavailable};
///
/// let guard = AuthGuard::fixed(
///     FixedTokens::default()
///         .accept("alice", identity("alice"))
///         .accept("root", Identity { roles: vec!["admin".into()], ..identity("root") })
///         .fail("old", CredentialRefusal::Rejected(TokenRejection::Expired))
///         .fail("outage", Unavailable::store("a test")),
/// );
/// ```
#[derive(Clone, Default)]
pub struct FixedTokens {
    results: HashMap<String, Result<Caller, GuardFailure>>,
}

impl FixedTokens {
    /// Accepts a token as this identity's.
    #[must_use]
    pub fn accept(mut self, token: impl Into<String>, identity: Identity) -> Self {
        self.results
            .insert(token.into(), Ok(Caller::from_fixed_token(identity)));
        self
    }

    /// Answers a token with this failure: an expired or revoked token, or an outage.
    #[must_use]
    pub fn fail(mut self, token: impl Into<String>, failure: impl Into<GuardFailure>) -> Self {
        self.results.insert(token.into(), Err(failure.into()));
        self
    }

    pub(crate) fn admit(&self, token: &str) -> Result<Caller, GuardFailure> {
        let unknown = || Err(CredentialRefusal::Rejected(TokenRejection::Refused).into());
        self.results.get(token).cloned().unwrap_or_else(unknown)
    }
}

impl From<Identity> for FixedTokens {
    fn from(identity: Identity) -> Self {
        Self::default().accept(TOKEN, identity)
    }
}

// By hand, without the tokens: an application that makes such a guard outside a test must not log them.
impl fmt::Debug for FixedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FixedTokens({})", self.results.len())
    }
}

/// Returns an identity without roles, groups or anything else but its id. Set the rest with `..`.
pub fn identity(user_id: impl Into<String>) -> Identity {
    Identity {
        user_id: user_id.into(),
        issuer: Issuer::DEFAULT,
        email: None,
        name: None,
        avatar: None,
        roles: Vec::new(),
        permissions: Vec::new(),
        groups: Vec::new(),
        workspaces: Vec::new(),
        scope: Vec::new(),
        client_id: None,
        session_id: None,
        sid: None,
        verification_source: VerificationSource::LocalJwt,
        verified_at: Timestamp::UNIX_EPOCH,
    }
}
