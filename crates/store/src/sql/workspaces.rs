//! Workspaces and their members.

use async_trait::async_trait;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::workspace::WorkspaceStore;

use super::{SqlDatabase, sql_values};

#[async_trait]
impl WorkspaceStore for SqlDatabase {
    #[tracing::instrument(name = "workspaces.workspaces_of", level = "debug", skip_all)]
    async fn workspaces_of(&self, subject: &Subject) -> Result<Vec<String>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let of_member = "SELECT workspace_id FROM workspace_members WHERE user_id = $1 ORDER BY workspace_id";
        conn.fetch_all(of_member, &sql_values![&*subject.storage_name()])
            .await?
            .iter()
            .map(|row| row.text(0))
            .collect()
    }

    #[tracing::instrument(name = "workspaces.members_of", level = "debug", skip_all)]
    async fn members_of(&self, workspace_id: &str, limit: u32) -> Result<Vec<Subject>, Unavailable> {
        let mut conn = self.database.acquire_reader().await?;
        let members =
            "SELECT user_id FROM workspace_members WHERE workspace_id = $1 ORDER BY user_id LIMIT $2";
        conn.fetch_all(members, &sql_values![workspace_id, limit])
            .await?
            .iter()
            .map(|row| Ok(Subject::from_storage_name(&row.text(0)?)))
            .collect()
    }

    #[tracing::instrument(name = "workspaces.put_workspace", level = "debug", skip_all)]
    async fn put_workspace(&self, workspace_id: &str, name: &str) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(
            // A workspace that exists is renamed and keeps its members.
            "INSERT INTO workspaces (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            &sql_values![workspace_id, name],
        )
        .await
        .map(drop)
    }

    /// Adds a member. A workspace that does not exist is created, with its id as its name.
    #[tracing::instrument(name = "workspaces.add_member", level = "debug", skip_all)]
    async fn add_member(&self, workspace_id: &str, subject: &Subject) -> Result<(), Unavailable> {
        // The member's row refers to the workspace's row, so both are written in one transaction.
        let mut conn = self.database.begin_write().await?;
        conn.execute(
            "INSERT INTO workspaces (id, name) VALUES ($1, $1) ON CONFLICT (id) DO NOTHING",
            &sql_values![workspace_id],
        )
        .await?;
        conn.execute(
            "INSERT INTO workspace_members (workspace_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &sql_values![workspace_id, &*subject.storage_name()],
        )
        .await?;
        conn.commit().await
    }

    #[tracing::instrument(name = "workspaces.remove_member", level = "debug", skip_all)]
    async fn remove_member(&self, workspace_id: &str, subject: &Subject) -> Result<bool, Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        let remove = "DELETE FROM workspace_members WHERE workspace_id = $1 AND user_id = $2";
        let values = sql_values![workspace_id, &*subject.storage_name()];
        Ok(conn.execute(remove, &values).await? > 0)
    }
}
