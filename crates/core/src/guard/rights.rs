//! What of an identity guards look at.

use crate::identity::Identity;

/// The lists of an identity that say what it may do.
#[derive(Clone, Copy, Debug)]
pub struct Rights<'a> {
    /// Roles.
    pub roles: &'a [String],
    /// Permissions.
    pub permissions: &'a [String],
    /// Groups.
    pub groups: &'a [String],
    /// Workspaces.
    pub workspaces: &'a [String],
    /// The scope of the token.
    pub scope: &'a [String],
}

impl<'a> Rights<'a> {
    /// Those of this identity.
    pub fn of(identity: &'a Identity) -> Self {
        Self {
            roles: &identity.roles,
            permissions: &identity.permissions,
            groups: &identity.groups,
            workspaces: &identity.workspaces,
            scope: &identity.scope,
        }
    }
}
