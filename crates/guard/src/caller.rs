//! The authenticated caller, and the proof that a requirement is met.

use std::sync::Arc;

use maxlab_auth_core::guard::{self, AuthenticatedPrincipal, Requirement};
use maxlab_auth_core::identity::Identity;
use maxlab_auth_core::verdict::ActiveCredential;

/// Authenticated caller. The credential is authentic and was not revoked when it was checked, here or at the
/// gateway. Only an [`AuthGuard`](crate::AuthGuard) makes one.
#[derive(Clone, Debug)]
pub struct Caller(CallerProof);

#[derive(Clone, Debug)]
enum CallerProof {
    /// Verified in this process.
    Verified(ActiveCredential),
    /// Vouched for by a gateway's 200.
    // Shared: the caller is cloned into the request's extensions for every extractor.
    FromGateway(Arc<Identity>),
    /// Owner of a fixed token, in a test.
    #[cfg(feature = "test-util")]
    Fixed(Arc<Identity>),
}

/// Proof that a caller meets the requirement `G`.
///
/// A function that takes one cannot be called for other callers:
///
/// ```
/// use maxlab_auth_guard::{Admin, Permit};
///
/// fn shred(document: &str, by: &Permit<Admin>) -> String {
///     format!("{} shredded {document}", by.identity().user_id)
/// }
/// ```
///
/// Only the guard makes one:
///
/// ```compile_fail
/// # use maxlab_auth_guard::{Admin, Permit};
/// # fn shred(document: &str, by: &Permit<Admin>) {}
/// shred("minutes.txt", &Permit { principal: todo!(), requirement: std::marker::PhantomData });
/// ```
///
/// Permits for different requirements are different types:
///
/// ```compile_fail
/// # use maxlab_auth_guard::{claim_names, Admin, Group, Permit, RequireGroup, Require};
/// # fn shred(document: &str, by: &Permit<Admin>) {}
/// claim_names! { Engineering = "engineering"; }
/// async fn handler(Require(permit): RequireGroup<Engineering>) {
///     shred("minutes.txt", &permit);
/// }
/// ```
pub type Permit<G> = guard::Permit<G, Caller>;

impl Caller {
    pub(crate) fn from_credential(credential: ActiveCredential) -> Self {
        Self(CallerProof::Verified(credential))
    }

    pub(crate) fn from_gateway(identity: Identity) -> Self {
        Self(CallerProof::FromGateway(Arc::new(identity)))
    }

    #[cfg(feature = "test-util")]
    pub(crate) fn from_fixed_token(identity: Identity) -> Self {
        Self(CallerProof::Fixed(Arc::new(identity)))
    }

    /// Returns the caller's identity. A gateway's answer lists no permissions, workspaces or scope, so with
    /// [`AuthGuard::via_gateway`](crate::AuthGuard::via_gateway) these contain only what a requirement asked
    /// for and the gateway granted.
    pub fn identity(&self) -> &Identity {
        match &self.0 {
            CallerProof::Verified(credential) => credential.identity(),
            CallerProof::FromGateway(identity) => identity,
            #[cfg(feature = "test-util")]
            CallerProof::Fixed(identity) => identity,
        }
    }

    /// Returns the credential; `None` if this process did not verify it itself.
    pub fn active_credential(&self) -> Option<&ActiveCredential> {
        match &self.0 {
            CallerProof::Verified(credential) => Some(credential),
            CallerProof::FromGateway(_) => None,
            #[cfg(feature = "test-util")]
            CallerProof::Fixed(_) => None,
        }
    }
}

impl AuthenticatedPrincipal for Caller {
    fn identity(&self) -> &Identity {
        Caller::identity(self)
    }

    fn meets<G: Requirement>(&self, requirement: &G) -> bool {
        match &self.0 {
            // Asks the credential first: many requirements need its entitlements only, and no unpacked
            // identity.
            CallerProof::Verified(credential) => credential.meets(requirement),
            CallerProof::FromGateway(identity) => requirement.is_met_by(identity),
            #[cfg(feature = "test-util")]
            CallerProof::Fixed(identity) => requirement.is_met_by(identity),
        }
    }
}
