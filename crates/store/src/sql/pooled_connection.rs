//! A connection in use: every statement has a time limit, and no unfinished work goes back into the pool.

use std::future::Future;
use std::time::Duration;

use maxlab_auth_core::unavailable::{GatewayComponent, Unavailable};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, Sqlite};
use tokio::time::{Instant, timeout_at};

use super::value::{BackendRow, SqlRow, SqlValue, component_unavailable, unavailable_from_sqlx};

/// The SQL dialect of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SqlDialect {
    Postgres,
    Sqlite,
}

impl SqlDialect {
    /// Picks one of two statements: PostgreSQL's, and SQLite's.
    pub(crate) fn pick(self, (postgres, sqlite): (&'static str, &'static str)) -> &'static str {
        match self {
            Self::Postgres => postgres,
            Self::Sqlite => sqlite,
        }
    }
}

pub(super) enum BackendConnection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

/// A connection that is taken from its pool, inside a transaction or not.
///
/// If it is dropped within a statement or a transaction (an error, a time limit, a cancelled caller), the
/// connection is closed. Then the server rolls back, and no other user of the pool inherits a transaction.
pub(crate) struct PooledConnection {
    /// `None` only while it is dropped.
    connection: Option<BackendConnection>,
    component: GatewayComponent,
    deadline: Instant,
    in_transaction: bool,
    in_statement: bool,
}

impl PooledConnection {
    pub(super) fn new(connection: BackendConnection, component: GatewayComponent, deadline: Instant) -> Self {
        Self {
            connection: Some(connection),
            component,
            deadline,
            in_transaction: false,
            in_statement: false,
        }
    }

    /// Returns the SQL dialect of the database.
    pub(crate) fn dialect(&self) -> SqlDialect {
        match self.connection {
            Some(BackendConnection::Postgres(_)) => SqlDialect::Postgres,
            // `None` occurs in `drop` only, where no statement is built.
            _ => SqlDialect::Sqlite,
        }
    }

    /// Replaces the time limit for the statements that follow.
    pub(super) fn set_time_limit(&mut self, limit: Duration) {
        self.deadline = Instant::now() + limit;
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin(&mut self) -> Result<(), Unavailable> {
        let begin = match self.dialect() {
            SqlDialect::Postgres => "BEGIN",
            // Takes the write lock now. A plain BEGIN may fail at its first write, without waiting.
            SqlDialect::Sqlite => "BEGIN IMMEDIATE",
        };
        // Set before the statement: if BEGIN is cut off, the server may have executed it.
        self.in_transaction = true;
        self.execute_batch(begin).await
    }

    /// Commits. The writes are durable when this returns.
    pub(crate) async fn commit(mut self) -> Result<(), Unavailable> {
        // If COMMIT fails, the connection is closed and the outcome is unknown. The caller answers 503.
        self.execute_batch("COMMIT").await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Runs statements without bound values.
    pub(crate) async fn execute_batch(&mut self, sql: &'static str) -> Result<(), Unavailable> {
        let (component, deadline) = (self.component, self.deadline);
        let connection = self.begin_statement()?;
        let work = async {
            match connection {
                // `raw_sql` uses the simple protocol, which admits several statements in one text.
                BackendConnection::Postgres(c) => sqlx::raw_sql(sql).execute(&mut **c).await.map(drop),
                BackendConnection::Sqlite(c) => sqlx::raw_sql(sql).execute(&mut **c).await.map(drop),
            }
        };
        with_deadline(component, deadline, work).await?;
        self.in_statement = false;
        Ok(())
    }

    /// Runs one statement. Returns the number of affected rows.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        values: &[SqlValue],
    ) -> Result<u64, Unavailable> {
        let (component, deadline) = (self.component, self.deadline);
        let connection = self.begin_statement()?;
        let work = async {
            match connection {
                BackendConnection::Postgres(c) => postgres_query(sql, values)
                    .execute(&mut **c)
                    .await
                    .map(|result| result.rows_affected()),
                BackendConnection::Sqlite(c) => sqlite_query(sql, values)
                    .execute(&mut **c)
                    .await
                    .map(|result| result.rows_affected()),
            }
        };
        let affected = with_deadline(component, deadline, work).await?;
        self.in_statement = false;
        Ok(affected)
    }

    /// Runs one statement. Returns its rows.
    pub(crate) async fn fetch_all(
        &mut self,
        sql: &'static str,
        values: &[SqlValue],
    ) -> Result<Vec<SqlRow>, Unavailable> {
        let (component, deadline) = (self.component, self.deadline);
        let connection = self.begin_statement()?;
        let work = async {
            Ok::<Vec<BackendRow>, sqlx::Error>(match connection {
                BackendConnection::Postgres(c) => {
                    let rows = postgres_query(sql, values).fetch_all(&mut **c).await?;
                    rows.into_iter().map(BackendRow::Postgres).collect()
                }
                BackendConnection::Sqlite(c) => {
                    let rows = sqlite_query(sql, values).fetch_all(&mut **c).await?;
                    rows.into_iter().map(BackendRow::Sqlite).collect()
                }
            })
        };
        let rows = with_deadline(component, deadline, work).await?;
        self.in_statement = false;
        Ok(rows
            .into_iter()
            .map(|columns| SqlRow { component, columns })
            .collect())
    }

    /// Runs one statement. Returns its first row.
    pub(crate) async fn fetch_first(
        &mut self,
        sql: &'static str,
        values: &[SqlValue],
    ) -> Result<Option<SqlRow>, Unavailable> {
        Ok(self.fetch_all(sql, values).await?.into_iter().next())
    }

    /// Marks a statement as begun. The caller clears the mark when the statement has succeeded.
    fn begin_statement(&mut self) -> Result<&mut BackendConnection, Unavailable> {
        self.in_statement = true;
        let component = self.component;
        self.connection
            .as_mut()
            .ok_or_else(|| component_unavailable(component, "the connection is closed"))
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if !(self.in_transaction || self.in_statement) {
            return;
        }
        match self.connection.take() {
            // A detached connection does not go back to its pool. Dropping it closes the socket.
            Some(BackendConnection::Postgres(c)) => drop(c.detach()),
            Some(BackendConnection::Sqlite(c)) => drop(c.detach()),
            None => {}
        }
    }
}

/// Runs database work until the deadline and converts its error.
pub(super) async fn with_deadline<T>(
    component: GatewayComponent,
    deadline: Instant,
    work: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Result<T, Unavailable> {
    match timeout_at(deadline, work).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(unavailable_from_sqlx(component, &error)),
        Err(_) => Err(component_unavailable(
            component,
            "no answer within the time limit",
        )),
    }
}

fn postgres_query<'q>(sql: &'static str, values: &'q [SqlValue]) -> Query<'q, Postgres, PgArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        SqlValue::Int(number) => query.bind(number),
        SqlValue::Text(text) => query.bind(text.as_deref()),
    })
}

// The same as for PostgreSQL, but `Query` of sqlx is a different type for each database.
fn sqlite_query<'q>(sql: &'static str, values: &'q [SqlValue]) -> Query<'q, Sqlite, SqliteArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        SqlValue::Int(number) => query.bind(number),
        SqlValue::Text(text) => query.bind(text.as_deref()),
    })
}
