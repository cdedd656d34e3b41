//! Bound values and result rows, in one form for both databases.

use std::borrow::Cow;

use maxlab_auth_core::unavailable::{GatewayComponent, Unavailable, UnavailableReason};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Type};

/// First character of an escape sequence. A PostgreSQL text cannot contain NUL, and a user id may be any
/// text. So NUL is stored as this character and `0`, and this character itself as two: itself and `1`.
const ESCAPE_CHAR: char = '\u{1a}';

/// Text about a pooler that is not supported. Statements that it loses fail with the same text.
pub(super) const TRANSACTION_POOLER: &str = "a connection pooler in transaction or statement mode is between (PgBouncer): set pool_mode=session for this database, or connect to PostgreSQL directly";

/// A bound value.
#[derive(Clone)]
pub(crate) enum SqlValue {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for SqlValue {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<Option<i64>> for SqlValue {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for SqlValue {
    fn from(number: u32) -> Self {
        Self::Int(Some(i64::from(number)))
    }
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> Self {
        Self::Text(Some(escape_text(text)))
    }
}

impl From<Option<&str>> for SqlValue {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(escape_text))
    }
}

/// Builds a `[SqlValue; n]` from values that convert into [`SqlValue`].
macro_rules! sql_values {
    ($($value:expr),* $(,)?) => { [$($crate::sql::SqlValue::from($value)),*] };
}
pub(crate) use sql_values;

/// Serializes rows for a statement that takes any number of them. Escape texts with [`escape_text`] before.
pub(crate) fn to_json_rows(rows: &(impl Serialize + ?Sized)) -> Result<String, Unavailable> {
    serde_json::to_string(rows).map_err(|_| Unavailable::process("rows could not be serialized as JSON"))
}

/// Escapes a text for a column (see [`ESCAPE_CHAR`]).
pub(crate) fn escape_text(text: &str) -> String {
    if !text.contains(['\0', ESCAPE_CHAR]) {
        return text.to_owned();
    }
    // The escape character first, so that the sequences for NUL are not escaped again.
    text.replace(ESCAPE_CHAR, "\u{1a}1").replace('\0', "\u{1a}0")
}

fn unescape_text(text: String) -> String {
    if !text.contains(ESCAPE_CHAR) {
        return text;
    }
    // In the opposite order. An escaped `\u{1a}` before a `0` is not read as a NUL: the `1` separates them.
    text.replace("\u{1a}0", "\0").replace("\u{1a}1", "\u{1a}")
}

/// A row of a result.
pub(crate) struct SqlRow {
    pub(super) component: GatewayComponent,
    pub(super) columns: BackendRow,
}

pub(super) enum BackendRow {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl SqlRow {
    /// Returns the number in the column at `index`.
    pub(crate) fn int(&self, index: usize) -> Result<i64, Unavailable> {
        self.column(index)
    }

    /// Returns the number in the column at `index`; `None` for NULL.
    pub(crate) fn opt_int(&self, index: usize) -> Result<Option<i64>, Unavailable> {
        self.column(index)
    }

    /// Returns the text in the column at `index`.
    pub(crate) fn text(&self, index: usize) -> Result<String, Unavailable> {
        self.column(index).map(unescape_text)
    }

    /// Returns the text in the column at `index`; `None` for NULL.
    pub(crate) fn opt_text(&self, index: usize) -> Result<Option<String>, Unavailable> {
        Ok(self.column::<Option<String>>(index)?.map(unescape_text))
    }

    /// Returns the error for a column whose content this version cannot read.
    pub(crate) fn decode_error(&self, what: &str) -> Unavailable {
        // The content itself is left out: it may be a name of a user or of a token.
        component_unavailable(self.component, format!("a stored {what} cannot be read"))
    }

    fn column<T>(&self, index: usize) -> Result<T, Unavailable>
    where
        T: for<'r> Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres>,
        T: for<'r> Decode<'r, sqlx::Sqlite> + Type<sqlx::Sqlite>,
    {
        match &self.columns {
            BackendRow::Postgres(row) => row.try_get(index),
            BackendRow::Sqlite(row) => row.try_get(index),
        }
        .map_err(|error| unavailable_from_sqlx(self.component, &error))
    }
}

/// Converts an error of the database into one of the component.
pub(super) fn unavailable_from_sqlx(component: GatewayComponent, error: &sqlx::Error) -> Unavailable {
    component_unavailable(component, redacted_cause(error)).with_reason(unavailable_reason(error))
}

fn unavailable_reason(error: &sqlx::Error) -> UnavailableReason {
    match error {
        sqlx::Error::Io(error) => UnavailableReason::from_io(error.kind()),
        // https://www.postgresql.org/docs/current/errcodes-appendix.html
        sqlx::Error::Database(refusal) => match refusal.code().as_deref() {
            Some("28000" | "28P01" | "42501") => UnavailableReason::CredentialsRefused,
            Some("3D000") => UnavailableReason::DatabaseMissing,
            Some("53300") => UnavailableReason::TooManyConnections,
            Some("57P03") => UnavailableReason::Starting,
            _ => UnavailableReason::NoAnswer,
        },
        _ => UnavailableReason::NoAnswer,
    }
}

/// Returns an error of this component.
pub(super) fn component_unavailable(
    component: GatewayComponent,
    cause: impl std::fmt::Display,
) -> Unavailable {
    match component {
        GatewayComponent::Store => Unavailable::store(cause),
        GatewayComponent::Upstream => Unavailable::upstream(cause),
        // Rate limits store nothing in SQL, so their component does not occur here.
        GatewayComponent::Database | GatewayComponent::RateLimit | GatewayComponent::Process => {
            Unavailable::database(cause)
        }
    }
}

/// Describes an error without the connection URL and without bound values.
fn redacted_cause(error: &sqlx::Error) -> Cow<'static, str> {
    match error {
        // The message only: the detail line of PostgreSQL quotes values of the row.
        sqlx::Error::Database(refusal) => match refusal.code() {
            // A prepared statement that this session did not close is unknown, or one that it does not have
            // exists.
            Some(code) if matches!(&*code, "26000" | "42P05") => TRANSACTION_POOLER.into(),
            Some(code) => format!("{} ({code})", refusal.message()).into(),
            None => refusal.message().to_owned().into(),
        },
        // Its text may quote the URL, which contains the password.
        sqlx::Error::Configuration(_) => "the connection settings are not valid".into(),
        sqlx::Error::PoolTimedOut => "no connection became free in time".into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_survives_without_a_nul_and_keeps_apart() {
        for text in ["", "plain 김", "\0", "a\0b\u{1a}0c\u{1a}", "\u{1a}1\u{1a}0"] {
            let escaped = escape_text(text);
            assert!(!escaped.contains('\0'));
            assert_eq!(unescape_text(escaped), text);
        }
    }
}
