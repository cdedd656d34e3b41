//! Workspaces and their members.

use async_trait::async_trait;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::workspace::Workspaces;

use super::{SqlDatabase, values};

#[async_trait]
impl Workspaces for SqlDatabase {
    async fn of_member(&self, user_id: &str) -> Result<Vec<String>, Unavailable> {
        let mut held = self.database.reader().await?;
        let of_member = "SELECT workspace_id FROM workspace_members WHERE user_id = $1 ORDER BY workspace_id";
        held.rows(of_member, &values![user_id])
            .await?
            .iter()
            .map(|row| row.text(0))
            .collect()
    }

    async fn members(&self, workspace_id: &str, limit: u32) -> Result<Vec<String>, Unavailable> {
        let mut held = self.database.reader().await?;
        let members =
            "SELECT user_id FROM workspace_members WHERE workspace_id = $1 ORDER BY user_id LIMIT $2";
        held.rows(members, &values![workspace_id, limit])
            .await?
            .iter()
            .map(|row| row.text(0))
            .collect()
    }

    async fn put_workspace(&self, workspace_id: &str, name: &str) -> Result<(), Unavailable> {
        let mut held = self.database.writer().await?;
        held.execute(
            "INSERT INTO workspaces (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            &values![workspace_id, name],
        )
        .await
        .map(drop)
    }

    /// A workspace that nobody has made yet is made, with its id for a name.
    async fn add_member(&self, workspace_id: &str, user_id: &str) -> Result<(), Unavailable> {
        let mut held = self.database.begin().await?;
        held.execute(
            "INSERT INTO workspaces (id, name) VALUES ($1, $1) ON CONFLICT (id) DO NOTHING",
            &values![workspace_id],
        )
        .await?;
        held.execute(
            "INSERT INTO workspace_members (workspace_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &values![workspace_id, user_id],
        )
        .await?;
        held.commit().await
    }

    async fn remove_member(&self, workspace_id: &str, user_id: &str) -> Result<bool, Unavailable> {
        let mut held = self.database.writer().await?;
        let remove = "DELETE FROM workspace_members WHERE workspace_id = $1 AND user_id = $2";
        Ok(held.execute(remove, &values![workspace_id, user_id]).await? > 0)
    }
}
