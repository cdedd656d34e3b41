//! The stores from behind: what they hold, and how they fail.

use std::time::Duration;

use sqlx::Connection as _;

use crate::gateway::World;

impl World {
    /// Runs one statement in the SQL database (journal, audit, outbox); the rows as text, columns divided by `|`.
    pub(crate) async fn sql(&self, statement: &str) -> String {
        match &self.postgres {
            Some((server, url)) => server.query(url, statement).unwrap(),
            None => self.sqlite("maxlab-auth.db", statement).await,
        }
    }

    /// Runs one statement in an SQLite file of the data folder.
    pub(crate) async fn sqlite(&self, file: &str, statement: &str) -> String {
        use sqlx::{Column as _, Row as _, TypeInfo as _};
        let path = self.data.path().join(file);
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(Duration::from_secs(5));
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        let rows = sqlx::query(statement).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let field = |row: &sqlx::sqlite::SqliteRow, index: usize| {
            let text = row
                .try_get_unchecked::<Option<String>, _>(index)
                .unwrap()
                .unwrap_or_default();
            assert!(!row.column(index).type_info().name().is_empty());
            text
        };
        let line = |row: &sqlx::sqlite::SqliteRow| {
            (0..row.len())
                .map(|index| field(row, index))
                .collect::<Vec<_>>()
                .join("|")
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Waits until the gateway answers from memory under a lease.
    pub(crate) async fn on_a_lease(&self) {
        let gate = &self.engine().deps().revocations;
        crate::gateway::eventually("the gateway has a lease", async || {
            !gate.status().lease_left.is_zero()
        })
        .await;
    }

    /// The journal, or another table of the SQL database, takes no more lines, as on a full disk.
    pub(crate) async fn fill_disk_for(&self, table: &str) {
        self.fill_disk_when(table, "1 = 1").await;
    }

    /// The same for lines of which this holds: what comes before them is written.
    pub(crate) async fn fill_disk_when(&self, table: &str, condition: &str) {
        if self.postgres.is_some() {
            let body = "BEGIN RAISE EXCEPTION 'No space left on device'; END";
            self.sql(&format!(
                "CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS '{}'",
                body.replace('\'', "''")
            ))
            .await;
            self.sql(&format!(
                "CREATE TRIGGER full_disk BEFORE INSERT ON {table} FOR EACH ROW WHEN ({condition}) \
                 EXECUTE FUNCTION full_disk()"
            ))
            .await;
        } else {
            let body = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
            self.sql(&format!(
                "CREATE TRIGGER full_disk BEFORE INSERT ON {table} WHEN {condition} {body}"
            ))
            .await;
        }
    }

    /// Ends [`World::fill_disk_for`].
    pub(crate) async fn free_disk_for(&self, table: &str) {
        if self.postgres.is_some() {
            self.sql(&format!("DROP TRIGGER full_disk ON {table}")).await;
        } else {
            self.sql("DROP TRIGGER full_disk").await;
        }
    }

    /// The shared store answers nothing any more.
    pub(crate) async fn lose_store(&self) {
        match &self.redis {
            Some((_, link)) => link.cut().await,
            None => {
                self.sqlite("store.db", "ALTER TABLE revoked RENAME TO revoked_lost")
                    .await;
            }
        }
    }

    /// Ends [`World::lose_store`].
    pub(crate) async fn find_store(&self) {
        match &self.redis {
            Some((_, link)) => link.heal().await.unwrap(),
            None => {
                self.sqlite("store.db", "ALTER TABLE revoked_lost RENAME TO revoked")
                    .await;
            }
        }
    }
}
