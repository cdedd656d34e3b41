//! The part of an identity that requirements read.

use crate::identity::Identity;

/// Lists of an identity that grant permissions, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Entitlements<'a> {
    /// Roles.
    pub roles: &'a [String],
    /// Permissions.
    pub permissions: &'a [String],
    /// Groups.
    pub groups: &'a [String],
    /// Workspaces.
    pub workspaces: &'a [String],
    /// Scope of the token.
    pub scope: &'a [String],
}

impl<'a> Entitlements<'a> {
    /// Borrows the lists of an identity.
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
