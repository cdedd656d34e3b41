//! Who was let in, and the proof of it.

use std::sync::Arc;

use maxlab_auth_core::guard::{self, Admitted, Guard};
use maxlab_auth_core::identity::Identity;
use maxlab_auth_core::revocation::Live;

/// Somebody who was let in: their credential is authentic and was not revoked when the gate looked, here or at the gateway.
/// Only an [`AuthGuard`](crate::AuthGuard) makes one.
#[derive(Clone, Debug)]
pub struct Caller(Proof);

#[derive(Clone, Debug)]
enum Proof {
    /// Verified in this process.
    Live(Live),
    /// A gateway said so.
    Told(Arc<Identity>),
}

/// The proof that somebody meets the requirement `G`.
///
/// A function that takes one cannot be called for anybody else:
///
/// ```
/// use maxlab_auth_guard::{Admin, Permit};
///
/// fn shred(document: &str, by: &Permit<Admin>) -> String {
///     format!("{} shredded {document}", by.identity().user_id)
/// }
/// ```
///
/// Nobody but the guard makes one:
///
/// ```compile_fail
/// # use maxlab_auth_guard::{Admin, Permit};
/// # fn shred(document: &str, by: &Permit<Admin>) {}
/// shred("minutes.txt", &Permit { who: todo!(), guard: std::marker::PhantomData });
/// ```
///
/// And one permit is not another:
///
/// ```compile_fail
/// # use maxlab_auth_guard::{names, Admin, Group, Permit, RequireGroup, Require};
/// # fn shred(document: &str, by: &Permit<Admin>) {}
/// names! { Engineering = "engineering"; }
/// async fn handler(Require(permit): RequireGroup<Engineering>) {
///     shred("minutes.txt", &permit);
/// }
/// ```
pub type Permit<G> = guard::Permit<G, Caller>;

impl Caller {
    pub(crate) fn verified(live: Live) -> Self {
        Self(Proof::Live(live))
    }

    pub(crate) fn told(identity: Identity) -> Self {
        Self(Proof::Told(Arc::new(identity)))
    }

    /// Who it is. Where a gateway is asked, its answer names neither permissions, workspaces nor scope: of these there is
    /// only what a requirement asked for and the gateway granted.
    pub fn identity(&self) -> &Identity {
        match &self.0 {
            Proof::Live(live) => live.identity(),
            Proof::Told(identity) => identity,
        }
    }

    /// The credential, where it was verified in this process.
    pub fn live(&self) -> Option<&Live> {
        match &self.0 {
            Proof::Live(live) => Some(live),
            Proof::Told(_) => None,
        }
    }
}

impl Admitted for Caller {
    fn identity(&self) -> &Identity {
        Caller::identity(self)
    }

    fn meets<G: Guard>(&self, guard: &G) -> bool {
        match &self.0 {
            Proof::Live(live) => live.meets(guard),
            Proof::Told(identity) => guard.admits(identity),
        }
    }
}
