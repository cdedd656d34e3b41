//! Permissions: requirements on an identity, and the permit that proves that one is met.

mod config;
mod requirements;

use std::marker::PhantomData;

use crate::identity::Identity;
use crate::verdict::{ActiveCredential, Entitlements};

pub use config::GuardConfig;
pub use requirements::{IdentityAttribute, RequirementFault, RequirementSet};

/// Requirement on an authenticated principal.
pub trait Requirement {
    /// Checks an identity.
    fn is_met_by(&self, identity: &Identity) -> bool;
    /// Checks an active credential. Requirements that need only its entitlements override this, because the
    /// identity of a compact verdict must be unpacked first.
    fn is_met_by_credential(&self, credential: &ActiveCredential) -> bool {
        self.is_met_by(credential.identity())
    }
    /// Returns the text for the refused caller. Names the requirement, and nothing of the identity.
    fn denial_message(&self) -> String;
}

/// Authenticated principal. Implement it only for types that can be constructed in exactly one place, like
/// [`ActiveCredential`].
pub trait AuthenticatedPrincipal {
    /// Returns the identity.
    fn identity(&self) -> &Identity;
    /// Checks a requirement.
    fn meets<G: Requirement>(&self, requirement: &G) -> bool {
        requirement.is_met_by(self.identity())
    }
}

impl AuthenticatedPrincipal for ActiveCredential {
    fn identity(&self) -> &Identity {
        ActiveCredential::identity(self)
    }

    // Overridden, so that a requirement on entitlements is checked without unpacking the identity.
    fn meets<G: Requirement>(&self, requirement: &G) -> bool {
        requirement.is_met_by_credential(self)
    }
}

/// Proof that a principal meets the requirement `G`. Only [`Permit::check`] makes one.
///
/// A handler that takes a `Permit<Admin>` cannot run without that check: it would not compile. `W` is the
/// proof of authentication.
#[derive(Debug)]
pub struct Permit<G, W = ActiveCredential> {
    principal: W,
    // The type alone is the proof, so that a permit costs nothing more than its principal.
    requirement: PhantomData<G>,
}

/// Refusal of a principal that does not meet a requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AccessDenied {
    /// Text for the caller: the missing permission.
    pub message: String,
}

impl<G: Requirement, W: AuthenticatedPrincipal> Permit<G, W> {
    /// Checks a requirement, and returns the permit if the principal meets it.
    ///
    /// # Errors
    /// [`AccessDenied`] when the principal does not meet the requirement.
    pub fn check(principal: W, requirement: &G) -> Result<Self, AccessDenied> {
        if principal.meets(requirement) {
            Ok(Self {
                principal,
                requirement: PhantomData,
            })
        } else {
            Err(AccessDenied {
                message: requirement.denial_message(),
            })
        }
    }
}

impl<G, W: AuthenticatedPrincipal> Permit<G, W> {
    /// Returns the identity of the principal.
    pub fn identity(&self) -> &Identity {
        self.principal.identity()
    }

    /// Returns the proof of authentication.
    pub fn principal(&self) -> &W {
        &self.principal
    }

    /// Returns the proof of authentication, and gives up the permit.
    pub fn into_principal(self) -> W {
        self.principal
    }
}

impl<G> Permit<G> {
    /// Returns the active credential.
    pub fn credential(&self) -> &ActiveCredential {
        &self.principal
    }
}

/// Requirement: one of the administrators' roles (`ADMIN_ROLES`).
#[derive(Clone, Debug)]
pub struct Admin {
    /// Roles that count as an administrator's. One is enough. Compared for equality.
    pub roles: Vec<String>,
}

impl Admin {
    // Whole elements only: a role "not-admin" must never pass as "admin".
    fn is_held_by(&self, entitlements: Entitlements<'_>) -> bool {
        entitlements.roles.iter().any(|role| self.roles.contains(role))
    }
}

impl Requirement for Admin {
    fn is_met_by(&self, identity: &Identity) -> bool {
        self.is_held_by(Entitlements::of(identity))
    }

    fn is_met_by_credential(&self, credential: &ActiveCredential) -> bool {
        self.is_held_by(credential.entitlements())
    }

    fn denial_message(&self) -> String {
        // The guide's text (docs/GUIDE.md, Permissions), which clients show as it is.
        "Admin permission required".into()
    }
}

/// Requirement: membership of a group.
#[derive(Clone, Debug)]
pub struct InGroup {
    /// Name of the group. Compared for equality.
    pub group: String,
}

impl Requirement for InGroup {
    fn is_met_by(&self, identity: &Identity) -> bool {
        identity.groups.contains(&self.group)
    }

    fn is_met_by_credential(&self, credential: &ActiveCredential) -> bool {
        credential.entitlements().groups.contains(&self.group)
    }

    fn denial_message(&self) -> String {
        format!("Group '{}' permission required", self.group)
    }
}

/// Requirement: membership of a workspace, or an administrator's role.
#[derive(Clone, Debug)]
pub struct InWorkspace {
    /// Id of the workspace. Compared for equality.
    pub workspace_id: String,
    /// Administrators, who may enter every workspace.
    pub admin: Admin,
}

impl InWorkspace {
    // Workspaces only: `InGroup` has no such exception, and grants administrators nothing.
    fn is_accessible_to(&self, entitlements: Entitlements<'_>) -> bool {
        entitlements.workspaces.contains(&self.workspace_id) || self.admin.is_held_by(entitlements)
    }
}

impl Requirement for InWorkspace {
    fn is_met_by(&self, identity: &Identity) -> bool {
        self.is_accessible_to(Entitlements::of(identity))
    }

    fn is_met_by_credential(&self, credential: &ActiveCredential) -> bool {
        self.is_accessible_to(credential.entitlements())
    }

    fn denial_message(&self) -> String {
        format!("Workspace '{}' access denied", self.workspace_id)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::identity::{Issuer, VerificationSource};

    pub(crate) fn user() -> Identity {
        Identity {
            user_id: "u".into(),
            issuer: Issuer::DEFAULT,
            email: None,
            name: None,
            avatar: None,
            roles: vec![],
            permissions: vec![],
            groups: vec![],
            workspaces: vec![],
            scope: vec![],
            client_id: None,
            session_id: None,
            sid: None,
            verification_source: VerificationSource::LocalJwt,
            verified_at: Timestamp::UNIX_EPOCH,
        }
    }

    pub(super) fn admin() -> Admin {
        Admin {
            roles: vec!["admin".into(), "administrator".into()],
        }
    }

    #[test]
    fn a_role_is_matched_whole() {
        let mut user = user();
        for role in ["not-admin", "administrators", "Admin", "admin ", ""] {
            user.roles = vec![role.into()];
            assert!(!admin().is_met_by(&user), "{role:?} is not an administrator");
        }
        user.roles = vec!["x".into(), "administrator".into()];
        assert!(admin().is_met_by(&user));
    }

    #[test]
    fn a_group_is_matched_whole_and_admins_are_not_in_every_group() {
        let mut user = user();
        user.roles = vec!["admin".into()];
        user.groups = vec!["engineering-guests".into()];
        let guard = InGroup {
            group: "engineering".into(),
        };
        assert!(!guard.is_met_by(&user));
        user.groups.push("engineering".into());
        assert!(guard.is_met_by(&user));
    }

    #[test]
    fn a_workspace_admits_members_and_administrators() {
        let guard = InWorkspace {
            workspace_id: "w1".into(),
            admin: admin(),
        };
        let mut user = user();
        assert!(!guard.is_met_by(&user));
        user.workspaces = vec!["w10".into()];
        assert!(!guard.is_met_by(&user));
        user.workspaces = vec!["w1".into()];
        assert!(guard.is_met_by(&user));
        user.workspaces.clear();
        user.roles = vec!["admin".into()];
        assert!(guard.is_met_by(&user));
    }
}
