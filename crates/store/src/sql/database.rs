//! A database, PostgreSQL or an SQLite file, behind one type: its pools, its time limits, and its durability.

use std::fs;
use std::path::Path;
use std::time::Duration;

use maxlab_auth_core::unavailable::{GatewayComponent, Unavailable};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::{Instant, sleep};

use super::migrate::{SchemaMigration, migrate};
use super::pooled_connection::{BackendConnection, PooledConnection, with_deadline};
use super::postgres::PostgresPool;
use super::value::{component_unavailable, unavailable_from_sqlx};

/// Time limit of one operation, including the wait for a connection.
pub(crate) const OPERATION_LIMIT: Duration = Duration::from_secs(5);

/// Longest wait of an SQLite connection for another process that writes. Shorter than [`OPERATION_LIMIT`], so
/// that the caller gets SQLite's own error.
const BUSY_LIMIT: Duration = Duration::from_secs(4);

/// Number of SQLite connections that read. Queries are short, so a few are enough.
const SQLITE_READERS: u32 = 4;

/// A database with its connection pools. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct PooledDatabase {
    pools: SqlPools,
    component: GatewayComponent,
}

#[derive(Clone, Debug)]
enum SqlPools {
    Postgres(PostgresPool),
    /// One writer, because SQLite admits one at a time; and readers, which WAL mode never blocks.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
}

impl PooledDatabase {
    /// Opens the SQLite file and migrates its tables. A new file is readable by its owner only.
    pub(crate) async fn open_sqlite(
        path: &Path,
        component: GatewayComponent,
        migrations: &[SchemaMigration],
    ) -> Result<Self, Unavailable> {
        let is_new = create_private_file(path).map_err(|error| component_unavailable(component, error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL would lose the last commits of WAL mode in a power failure.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_LIMIT)
            .foreign_keys(true)
            .disable_statement_logging();
        if is_new {
            enable_incremental_vacuum(&options, component).await;
        }
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(OPERATION_LIMIT)
                // Without an age no task looks after idle connections. That task of sqlx 0.9 can spin without
                // end while connections are taken and returned.
                .idle_timeout(None)
                .max_lifetime(None)
                // A file does not go away between two uses, so a test query is not needed.
                .test_before_acquire(false)
        };
        // One connection: writers of this process queue in the pool, and not at SQLite's busy time-out.
        let writer = pool().max_connections(1).connect_lazy_with(options.clone());
        // `query_only` makes a statement that writes fail on a reader, instead of blocking the writer.
        let readers = pool()
            .max_connections(SQLITE_READERS)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        let database = Self {
            pools: SqlPools::Sqlite { writer, readers },
            component,
        };
        database.wait_while_busy().await?;
        migrate(database.begin_write().await?, migrations).await?;
        Ok(database)
    }

    /// Connects to the PostgreSQL server of the URL and migrates the tables.
    pub(crate) async fn open_postgres(
        url: &str,
        component: GatewayComponent,
        migrations: &[SchemaMigration],
    ) -> Result<Self, Unavailable> {
        let pool = PostgresPool::open(url, component)?;
        pool.reject_transaction_pooler().await?;
        let database = Self {
            pools: SqlPools::Postgres(pool),
            component,
        };
        migrate(database.begin_write().await?, migrations).await?;
        database.warn_if_fsync_off().await?;
        Ok(database)
    }

    /// Returns a connection for reading, outside of a transaction.
    pub(crate) async fn acquire_reader(&self) -> Result<PooledConnection, Unavailable> {
        let deadline = Instant::now() + OPERATION_LIMIT;
        let connection = match &self.pools {
            SqlPools::Postgres(pool) => BackendConnection::Postgres(pool.acquire(deadline).await?),
            SqlPools::Sqlite { readers, .. } => {
                BackendConnection::Sqlite(with_deadline(self.component, deadline, readers.acquire()).await?)
            }
        };
        Ok(PooledConnection::new(connection, self.component, deadline))
    }

    /// Returns a connection for one statement that writes and is its own transaction.
    pub(crate) async fn acquire_writer(&self) -> Result<PooledConnection, Unavailable> {
        let SqlPools::Sqlite { writer, .. } = &self.pools else {
            // PostgreSQL has one pool for both.
            return self.acquire_reader().await;
        };
        let deadline = Instant::now() + OPERATION_LIMIT;
        let connection = with_deadline(self.component, deadline, writer.acquire()).await?;
        Ok(PooledConnection::new(
            BackendConnection::Sqlite(connection),
            self.component,
            deadline,
        ))
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin_write(&self) -> Result<PooledConnection, Unavailable> {
        let mut conn = self.acquire_writer().await?;
        conn.begin().await?;
        Ok(conn)
    }

    /// Runs a `DELETE` with the parameters time and batch size until it finds no more rows, then frees the
    /// space. Returns the number of deleted rows.
    pub(crate) async fn delete_in_batches(&self, sql: &'static str, now_ms: i64) -> Result<u64, Unavailable> {
        // Each batch is a transaction of its own, so that other writers come in between.
        const BATCH: u32 = 1_000;
        let mut deleted = 0;
        loop {
            let batch = self
                .acquire_writer()
                .await?
                .execute(sql, &super::value::sql_values![now_ms, BATCH])
                .await?;
            deleted += batch;
            if batch < u64::from(BATCH) {
                break;
            }
        }
        self.reclaim().await?;
        Ok(deleted)
    }

    /// Returns free pages to the file system in small steps, so that other writers do not wait long. Some
    /// pages are kept for the next writes. PostgreSQL does this by itself.
    async fn reclaim(&self) -> Result<(), Unavailable> {
        const KEPT_PAGES: i64 = 256;
        if matches!(self.pools, SqlPools::Postgres(_)) {
            return Ok(());
        }
        let mut free = i64::MAX;
        loop {
            let mut conn = self.acquire_writer().await?;
            let row = conn.fetch_first("PRAGMA freelist_count", &[]).await?;
            let left = row.map_or(Ok(0), |row| row.int(0))?;
            // A file created without `auto_vacuum` does not shrink. The loop ends when a step frees nothing.
            if left <= KEPT_PAGES || left >= free {
                // The file itself shrinks at a checkpoint. PASSIVE waits for no reader or writer.
                return if free == i64::MAX {
                    Ok(())
                } else {
                    conn.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").await
                };
            }
            free = left;
            conn.execute_batch("PRAGMA incremental_vacuum(256)").await?;
        }
    }

    /// Checks that the database answers a query.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        self.acquire_reader().await?.execute_batch("SELECT 1").await
    }

    /// Waits until the file can be opened. SQLite's busy time-out does not cover the change to WAL mode, so
    /// two processes that open a new file at the same time may get SQLITE_BUSY.
    async fn wait_while_busy(&self) -> Result<(), Unavailable> {
        let SqlPools::Sqlite { writer, .. } = &self.pools else {
            return Ok(());
        };
        let deadline = Instant::now() + OPERATION_LIMIT;
        loop {
            match writer.acquire().await {
                Ok(_) => return Ok(()),
                Err(error) if !is_busy(&error) || Instant::now() > deadline => {
                    return Err(unavailable_from_sqlx(self.component, &error));
                }
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Logs a warning if the server runs with `fsync = off`. The operator may want that, so it is no error.
    async fn warn_if_fsync_off(&self) -> Result<(), Unavailable> {
        let setting = self
            .acquire_reader()
            .await?
            .fetch_first("SELECT current_setting('fsync')", &[])
            .await?;
        if let Some(row) = setting
            && row.text(0)? == "off"
        {
            tracing::warn!(
                "PostgreSQL fsync disabled: a crash of its machine can lose acknowledged revocations"
            );
        }
        Ok(())
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|refusal| refusal.code());
    // SQLITE_BUSY and SQLITE_LOCKED, in the low byte of the extended code.
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// Sets `auto_vacuum` on a new file, so that its free pages can be returned (see
/// [`PooledDatabase::reclaim`]).
///
/// SQLite accepts the setting only while the file is empty. On every connection it would cost a write.
async fn enable_incremental_vacuum(options: &SqliteConnectOptions, component: GatewayComponent) {
    let first = options.clone().auto_vacuum(SqliteAutoVacuum::Incremental);
    let prepared = match first.connect().await {
        Ok(connection) => connection.close().await,
        Err(error) => Err(error),
    };
    // Not an error: another process may be creating the file, and other faults show at the next connection.
    if let Err(error) = prepared {
        let fault = unavailable_from_sqlx(component, &error);
        tracing::debug!(%fault, "new database file not prepared");
    }
}

/// Creates the file if it does not exist, readable by its owner only. Returns whether the file is empty.
fn create_private_file(path: &Path) -> std::io::Result<bool> {
    if let Some(folder) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    // `append` and not `truncate`: an existing file keeps its contents.
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(options.open(path)?.metadata()?.len() == 0)
}
