//! A database, PostgreSQL or an SQLite file, behind one type: its pools, its limits, and what a connection promises.

use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use maxlab_auth_core::unavailable::{Component, Unavailable};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::time::{Instant, sleep};

use super::held::{Connection, Held, within};
use super::migrate::{Migration, migrate};
use super::value::{cause, unavailable};

/// How long one operation may take, with everything it waits for.
pub(crate) const OPERATION_LIMIT: Duration = Duration::from_secs(5);

/// How long an SQLite connection waits for another process that writes: less than an operation may take.
const BUSY_LIMIT: Duration = Duration::from_secs(4);

/// A PostgreSQL connection that nobody used for so long is asked whether it still stands; a trip more for each statement
/// would be spent on it under load.
const DOUBTFUL_AFTER: Duration = Duration::from_millis(100);

const READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 8;

/// What every PostgreSQL connection begins with. `synchronous_commit` may be stronger than `on`, never `off`; the
/// limits are the server's side of [`OPERATION_LIMIT`], so that a lost client holds no lock for long.
///
/// Plans are made anew each time: one that was made while a table was small would read all of it after it has grown.
const POSTGRES_SESSION: &str = "
    SET plan_cache_mode = 'force_custom_plan';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET statement_timeout = '5s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '10s';
";

/// A database.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pools: Pools,
    component: Component,
}

#[derive(Clone, Debug)]
enum Pools {
    Postgres(PgPool),
    /// One writer, since SQLite has only one, and readers that it never blocks.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
}

impl Database {
    /// Opens the SQLite file, makes it if it is not there (readable by its owner only), and brings its tables up to
    /// date.
    pub(crate) async fn sqlite(
        path: &Path,
        component: Component,
        migrations: &[Migration],
    ) -> Result<Self, Unavailable> {
        create_private(path).map_err(|error| unavailable(component, error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_LIMIT)
            .foreign_keys(true)
            .disable_statement_logging();
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(OPERATION_LIMIT)
                .test_before_acquire(false)
        };
        let writer = pool().max_connections(1).connect_lazy_with(options.clone());
        let readers = pool()
            .max_connections(READERS)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        let database = Self {
            pools: Pools::Sqlite { writer, readers },
            component,
        };
        database.wait_for_the_file().await?;
        migrate(&database, migrations).await?;
        Ok(database)
    }

    /// Connects to the PostgreSQL server that the URL names, and brings the tables up to date.
    pub(crate) async fn postgres(
        url: &str,
        component: Component,
        migrations: &[Migration],
    ) -> Result<Self, Unavailable> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| unavailable(component, "the URL is not that of a PostgreSQL database"))?
            .application_name("maxlab-auth")
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(Duration::from_secs(3))
            .test_before_acquire(false)
            .before_acquire(|connection, seen| {
                Box::pin(async move {
                    if seen.idle_for > DOUBTFUL_AFTER {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(POSTGRES_SESSION).await.map(drop) })
            })
            .connect_lazy_with(options);
        let database = Self {
            pools: Pools::Postgres(pool),
            component,
        };
        migrate(&database, migrations).await?;
        database.warn_of_a_forgetful_server().await?;
        Ok(database)
    }

    /// A connection for reading, outside of a transaction.
    pub(crate) async fn reader(&self) -> Result<Held, Unavailable> {
        let deadline = Instant::now() + OPERATION_LIMIT;
        let connection = match &self.pools {
            Pools::Postgres(pool) => {
                Connection::Postgres(within(self.component, deadline, pool.acquire()).await?)
            }
            Pools::Sqlite { readers, .. } => {
                Connection::Sqlite(within(self.component, deadline, readers.acquire()).await?)
            }
        };
        Ok(Held::new(connection, self.component, deadline))
    }

    /// A connection for one statement that writes, which is its own transaction.
    pub(crate) async fn writer(&self) -> Result<Held, Unavailable> {
        let Pools::Sqlite { writer, .. } = &self.pools else {
            return self.reader().await;
        };
        let deadline = Instant::now() + OPERATION_LIMIT;
        let connection = within(self.component, deadline, writer.acquire()).await?;
        Ok(Held::new(
            Connection::Sqlite(connection),
            self.component,
            deadline,
        ))
    }

    /// A transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Held, Unavailable> {
        let mut held = self.writer().await?;
        held.begin().await?;
        Ok(held)
    }

    /// Runs a `DELETE` that takes a moment and a batch size until nothing is left to delete.
    pub(crate) async fn delete_in_batches(&self, sql: &'static str, now_ms: i64) -> Result<u64, Unavailable> {
        const BATCH: u32 = 1_000;
        let mut deleted = 0;
        loop {
            let batch = self
                .writer()
                .await?
                .execute(sql, &super::value::values![now_ms, BATCH])
                .await?;
            deleted += batch;
            if batch < u64::from(BATCH) {
                return Ok(deleted);
            }
        }
    }

    /// Whether it answers.
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        self.reader().await?.script("SELECT 1").await
    }

    /// Two processes that open a new file at once may refuse each other while it turns to WAL, which no busy
    /// time-out covers.
    async fn wait_for_the_file(&self) -> Result<(), Unavailable> {
        let Pools::Sqlite { writer, .. } = &self.pools else {
            return Ok(());
        };
        let deadline = Instant::now() + OPERATION_LIMIT;
        loop {
            match writer.acquire().await {
                Ok(_) => return Ok(()),
                Err(error) if !is_busy(&error) || Instant::now() > deadline => {
                    return Err(unavailable(self.component, cause(&error)));
                }
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn warn_of_a_forgetful_server(&self) -> Result<(), Unavailable> {
        let setting = self
            .reader()
            .await?
            .row("SELECT current_setting('fsync')", &[])
            .await?;
        if let Some(row) = setting
            && row.text(0)? == "off"
        {
            tracing::warn!(
                "PostgreSQL runs with fsync = off: a crash of its machine can lose what was acknowledged"
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

fn create_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
