//! May they: requirements on an identity, and the permit that proves one was met.

mod requirements;
mod rights;

use std::marker::PhantomData;

use crate::identity::Identity;
use crate::revocation::Live;

pub use requirements::{Quality, RequirementFault, Requirements};
pub use rights::Rights;

/// A requirement on whoever asks.
pub trait Guard {
    /// Whether this identity meets it.
    fn admits(&self, identity: &Identity) -> bool;
    /// The same of a live credential; for guards that need its rights alone, so that no identity is unpacked for them.
    fn admits_live(&self, live: &Live) -> bool {
        self.admits(live.identity())
    }
    /// What is wanting, for the one who was refused; it names the requirement and nothing of the identity.
    fn wanting(&self) -> String;
}

/// Somebody who was let in. Whoever implements it has but one maker, as [`Live`] has.
pub trait Admitted {
    /// Who it is.
    fn identity(&self) -> &Identity;
    /// Whether they meet a requirement.
    fn meets<G: Guard>(&self, guard: &G) -> bool {
        guard.admits(self.identity())
    }
}

impl Admitted for Live {
    fn identity(&self) -> &Identity {
        Live::identity(self)
    }

    fn meets<G: Guard>(&self, guard: &G) -> bool {
        guard.admits_live(self)
    }
}

/// Nobody meets the requirement but those who may; made by [`Permit::check`] alone.
///
/// A handler that takes a `Permit<Admin>` cannot be called for anybody else: without one it does not compile. `W` is the
/// proof that they were let in at all.
#[derive(Debug)]
pub struct Permit<G, W = Live> {
    who: W,
    guard: PhantomData<G>,
}

/// The requirement was not met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanting}")]
pub struct Denied {
    /// What is wanting.
    pub wanting: String,
}

impl<G: Guard, W: Admitted> Permit<G, W> {
    /// Asks whether somebody who was let in meets the requirement.
    ///
    /// # Errors
    /// They do not.
    pub fn check(who: W, guard: &G) -> Result<Self, Denied> {
        if who.meets(guard) {
            Ok(Self {
                who,
                guard: PhantomData,
            })
        } else {
            Err(Denied {
                wanting: guard.wanting(),
            })
        }
    }
}

impl<G, W: Admitted> Permit<G, W> {
    /// Who was let in.
    pub fn identity(&self) -> &Identity {
        self.who.identity()
    }

    /// The proof that they were.
    pub fn who(&self) -> &W {
        &self.who
    }
}

impl<G> Permit<G> {
    /// The credential with which they were.
    pub fn live(&self) -> &Live {
        &self.who
    }
}

/// Has one of the administrators' roles (`ADMIN_ROLES`).
#[derive(Clone, Debug)]
pub struct Admin {
    /// Any one of these, by equality.
    pub roles: Vec<String>,
}

impl Admin {
    fn is_among(&self, rights: Rights<'_>) -> bool {
        rights.roles.iter().any(|role| self.roles.contains(role))
    }
}

impl Guard for Admin {
    fn admits(&self, identity: &Identity) -> bool {
        self.is_among(Rights::of(identity))
    }

    fn admits_live(&self, live: &Live) -> bool {
        self.is_among(live.rights())
    }

    fn wanting(&self) -> String {
        "Admin permission required".into()
    }
}

/// Belongs to a group.
#[derive(Clone, Debug)]
pub struct InGroup {
    /// The group, by equality.
    pub group: String,
}

impl Guard for InGroup {
    fn admits(&self, identity: &Identity) -> bool {
        identity.groups.contains(&self.group)
    }

    fn admits_live(&self, live: &Live) -> bool {
        live.rights().groups.contains(&self.group)
    }

    fn wanting(&self) -> String {
        format!("Group '{}' permission required", self.group)
    }
}

/// Belongs to a workspace, or is an administrator.
#[derive(Clone, Debug)]
pub struct InWorkspace {
    /// The workspace's id, by equality.
    pub workspace_id: String,
    /// Administrators enter every workspace.
    pub admin: Admin,
}

impl InWorkspace {
    fn is_open_to(&self, rights: Rights<'_>) -> bool {
        rights.workspaces.contains(&self.workspace_id) || self.admin.is_among(rights)
    }
}

impl Guard for InWorkspace {
    fn admits(&self, identity: &Identity) -> bool {
        self.is_open_to(Rights::of(identity))
    }

    fn admits_live(&self, live: &Live) -> bool {
        self.is_open_to(live.rights())
    }

    fn wanting(&self) -> String {
        format!("Workspace '{}' access denied", self.workspace_id)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::identity::VerificationSource;

    pub(super) fn somebody() -> Identity {
        Identity {
            user_id: "u".into(),
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
        let mut who = somebody();
        for role in ["not-admin", "administrators", "Admin", "admin ", ""] {
            who.roles = vec![role.into()];
            assert!(!admin().admits(&who), "{role:?} is not an administrator");
        }
        who.roles = vec!["x".into(), "administrator".into()];
        assert!(admin().admits(&who));
    }

    #[test]
    fn a_group_is_matched_whole_and_admins_are_not_in_every_group() {
        let mut who = somebody();
        who.roles = vec!["admin".into()];
        who.groups = vec!["engineering-guests".into()];
        let guard = InGroup {
            group: "engineering".into(),
        };
        assert!(!guard.admits(&who));
        who.groups.push("engineering".into());
        assert!(guard.admits(&who));
    }

    #[test]
    fn a_workspace_admits_members_and_administrators() {
        let guard = InWorkspace {
            workspace_id: "w1".into(),
            admin: admin(),
        };
        let mut who = somebody();
        assert!(!guard.admits(&who));
        who.workspaces = vec!["w10".into()];
        assert!(!guard.admits(&who));
        who.workspaces = vec!["w1".into()];
        assert!(guard.admits(&who));
        who.workspaces.clear();
        who.roles = vec!["admin".into()];
        assert!(guard.admits(&who));
    }
}
