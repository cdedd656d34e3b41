//! Membership of workspaces in the database, for `WORKSPACE_SOURCE=database` and `both`.

use async_trait::async_trait;

use crate::identity::Subject;
use crate::unavailable::Unavailable;

/// Access to the tables `workspaces` and `workspace_members`. A member is written as
/// [`Subject::storage_name`]: at the default issuer, the user id alone.
#[async_trait]
pub trait WorkspaceStore: Send + Sync {
    /// Returns the ids of the workspaces that the user is a member of, in no particular order.
    async fn workspaces_of(&self, subject: &Subject) -> Result<Vec<String>, Unavailable>;
    /// Returns the members of a workspace, at most `limit`.
    async fn members_of(&self, workspace_id: &str, limit: u32) -> Result<Vec<Subject>, Unavailable>;
    /// Creates a workspace, or renames an existing one.
    async fn put_workspace(&self, workspace_id: &str, name: &str) -> Result<(), Unavailable>;
    /// Makes the user a member. Changes nothing for a user who already is one.
    async fn add_member(&self, workspace_id: &str, subject: &Subject) -> Result<(), Unavailable>;
    /// Ends a membership. Returns `false` if there was none.
    async fn remove_member(&self, workspace_id: &str, subject: &Subject) -> Result<bool, Unavailable>;
}
