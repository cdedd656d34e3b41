//! Who belongs to which workspace, where the claims do not say it.

use async_trait::async_trait;

use crate::unavailable::Unavailable;

/// The `workspaces` and `workspace_members` tables.
#[async_trait]
pub trait Workspaces: Send + Sync {
    /// The workspaces that the user is a member of, in no particular order.
    async fn of_member(&self, user_id: &str) -> Result<Vec<String>, Unavailable>;
    /// The user ids of a workspace's members, at most `limit`.
    async fn members(&self, workspace_id: &str, limit: u32) -> Result<Vec<String>, Unavailable>;
    /// Makes a workspace, or changes its name.
    async fn put_workspace(&self, workspace_id: &str, name: &str) -> Result<(), Unavailable>;
    /// Makes the user a member; nothing happens if they are one.
    async fn add_member(&self, workspace_id: &str, user_id: &str) -> Result<(), Unavailable>;
    /// Ends a membership; `false` if there was none.
    async fn remove_member(&self, workspace_id: &str, user_id: &str) -> Result<bool, Unavailable>;
}
