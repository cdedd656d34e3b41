//! One connection in use: each statement within the time limit, and never back into its pool half done.

use std::future::Future;
use std::time::Duration;

use maxlab_auth_core::unavailable::{Component, Unavailable};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, Sqlite};
use tokio::time::{Instant, timeout_at};

use super::value::{Columns, Row, Value, cause, unavailable};

/// The two databases, where their SQL differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// One of two statements: PostgreSQL's, and SQLite's.
    pub(crate) fn of(self, (postgres, sqlite): (&'static str, &'static str)) -> &'static str {
        match self {
            Self::Postgres => postgres,
            Self::Sqlite => sqlite,
        }
    }
}

pub(super) enum Connection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

/// A connection that someone holds, within a transaction or without.
///
/// Dropped in the middle of anything (an error, a time limit, a caller that went away), the connection is closed, so
/// that the server rolls back and nobody inherits what was begun.
pub(crate) struct Held {
    connection: Option<Connection>,
    component: Component,
    deadline: Instant,
    in_transaction: bool,
    in_statement: bool,
}

impl Held {
    pub(super) fn new(connection: Connection, component: Component, deadline: Instant) -> Self {
        Self {
            connection: Some(connection),
            component,
            deadline,
            in_transaction: false,
            in_statement: false,
        }
    }

    /// Which database it is.
    pub(crate) fn dialect(&self) -> Dialect {
        match self.connection {
            Some(Connection::Postgres(_)) => Dialect::Postgres,
            _ => Dialect::Sqlite,
        }
    }

    /// Gives what follows a time limit of its own.
    pub(super) fn allow(&mut self, limit: Duration) {
        self.deadline = Instant::now() + limit;
    }

    /// Begins a transaction that writes: on SQLite the one writer there can be.
    pub(super) async fn begin(&mut self) -> Result<(), Unavailable> {
        let begin = match self.dialect() {
            Dialect::Postgres => "BEGIN",
            Dialect::Sqlite => "BEGIN IMMEDIATE",
        };
        self.in_transaction = true;
        self.script(begin).await
    }

    /// Commits; what was written is durable when this answers.
    pub(crate) async fn commit(mut self) -> Result<(), Unavailable> {
        self.script("COMMIT").await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Runs statements that bind nothing.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), Unavailable> {
        let (component, deadline) = (self.component, self.deadline);
        let connection = self.enter()?;
        let work = async {
            match connection {
                Connection::Postgres(c) => sqlx::raw_sql(sql).execute(&mut **c).await.map(drop),
                Connection::Sqlite(c) => sqlx::raw_sql(sql).execute(&mut **c).await.map(drop),
            }
        };
        within(component, deadline, work).await?;
        self.in_statement = false;
        Ok(())
    }

    /// Runs one statement; how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, Unavailable> {
        let (component, deadline) = (self.component, self.deadline);
        let connection = self.enter()?;
        let work = async {
            match connection {
                Connection::Postgres(c) => postgres(sql, values)
                    .execute(&mut **c)
                    .await
                    .map(|done| done.rows_affected()),
                Connection::Sqlite(c) => sqlite(sql, values)
                    .execute(&mut **c)
                    .await
                    .map(|done| done.rows_affected()),
            }
        };
        let touched = within(component, deadline, work).await?;
        self.in_statement = false;
        Ok(touched)
    }

    /// Runs one statement; the rows it answers.
    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Vec<Row>, Unavailable> {
        let (component, deadline) = (self.component, self.deadline);
        let connection = self.enter()?;
        let work = async {
            Ok::<Vec<Columns>, sqlx::Error>(match connection {
                Connection::Postgres(c) => {
                    let rows = postgres(sql, values).fetch_all(&mut **c).await?;
                    rows.into_iter().map(Columns::Postgres).collect()
                }
                Connection::Sqlite(c) => {
                    let rows = sqlite(sql, values).fetch_all(&mut **c).await?;
                    rows.into_iter().map(Columns::Sqlite).collect()
                }
            })
        };
        let found = within(component, deadline, work).await?;
        self.in_statement = false;
        Ok(found
            .into_iter()
            .map(|columns| Row { component, columns })
            .collect())
    }

    /// Runs one statement; the first row it answers.
    pub(crate) async fn row(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Option<Row>, Unavailable> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    fn enter(&mut self) -> Result<&mut Connection, Unavailable> {
        self.in_statement = true;
        let component = self.component;
        self.connection
            .as_mut()
            .ok_or_else(|| unavailable(component, "the connection is closed"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !(self.in_transaction || self.in_statement) {
            return;
        }
        match self.connection.take() {
            Some(Connection::Postgres(c)) => drop(c.detach()),
            Some(Connection::Sqlite(c)) => drop(c.detach()),
            None => {}
        }
    }
}

/// What the work answers before the deadline.
pub(super) async fn within<T>(
    component: Component,
    deadline: Instant,
    work: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Result<T, Unavailable> {
    match timeout_at(deadline, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(unavailable(component, cause(&error))),
        Err(_) => Err(unavailable(component, "no answer within the time limit")),
    }
}

fn postgres<'q>(sql: &'static str, values: &'q [Value]) -> Query<'q, Postgres, PgArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Int(number) => query.bind(number),
        Value::Text(text) => query.bind(text.as_deref()),
    })
}

fn sqlite<'q>(sql: &'static str, values: &'q [Value]) -> Query<'q, Sqlite, SqliteArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Int(number) => query.bind(number),
        Value::Text(text) => query.bind(text.as_deref()),
    })
}
