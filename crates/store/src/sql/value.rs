//! What goes into a statement and what comes out of it, the same for both databases.

use std::borrow::Cow;

use maxlab_auth_core::unavailable::{Component, Unavailable};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Type};

/// PostgreSQL holds no NUL in a text, and a user id may be any text: NUL is kept as this and `0`, this as itself and `1`.
const ESCAPE: char = '\u{1a}';

/// A bound value.
#[derive(Clone)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(Some(i64::from(number)))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(escaped(text)))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(escaped))
    }
}

/// `[Value; n]` from anything that makes one.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::sql::Value::from($value)),*] };
}
pub(crate) use values;

/// Rows for a statement that takes any number of them. Texts in them are [`escaped`] first.
pub(crate) fn json(rows: &(impl Serialize + ?Sized)) -> Result<String, Unavailable> {
    serde_json::to_string(rows)
        .map_err(|_| Unavailable::database("what is to be stored could not be written as JSON"))
}

/// A text as the columns hold it.
pub(crate) fn escaped(text: &str) -> String {
    if !text.contains(['\0', ESCAPE]) {
        return text.to_owned();
    }
    text.replace(ESCAPE, "\u{1a}1").replace('\0', "\u{1a}0")
}

fn unescaped(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    text.replace("\u{1a}0", "\0").replace("\u{1a}1", "\u{1a}")
}

/// A row that was read.
pub(crate) struct Row {
    pub(super) component: Component,
    pub(super) columns: Columns,
}

pub(super) enum Columns {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl Row {
    /// The number in the column at `index`.
    pub(crate) fn int(&self, index: usize) -> Result<i64, Unavailable> {
        self.column(index)
    }

    /// The number in the column at `index`, if there is one.
    pub(crate) fn opt_int(&self, index: usize) -> Result<Option<i64>, Unavailable> {
        self.column(index)
    }

    /// The text in the column at `index`.
    pub(crate) fn text(&self, index: usize) -> Result<String, Unavailable> {
        self.column(index).map(unescaped)
    }

    /// The text in the column at `index`, if there is one.
    pub(crate) fn opt_text(&self, index: usize) -> Result<Option<String>, Unavailable> {
        Ok(self.column::<Option<String>>(index)?.map(unescaped))
    }

    /// The error for a column whose words are none of ours.
    pub(crate) fn unreadable(&self, what: &str) -> Unavailable {
        unavailable(self.component, format!("a stored {what} cannot be read"))
    }

    fn column<T>(&self, index: usize) -> Result<T, Unavailable>
    where
        T: for<'r> Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres>,
        T: for<'r> Decode<'r, sqlx::Sqlite> + Type<sqlx::Sqlite>,
    {
        match &self.columns {
            Columns::Postgres(row) => row.try_get(index),
            Columns::Sqlite(row) => row.try_get(index),
        }
        .map_err(|error| unavailable(self.component, cause(&error)))
    }
}

/// The error of that component.
pub(super) fn unavailable(component: Component, cause: impl std::fmt::Display) -> Unavailable {
    match component {
        Component::Store => Unavailable::store(cause),
        Component::Upstream => Unavailable::upstream(cause),
        Component::Database => Unavailable::database(cause),
    }
}

/// What went wrong, in words that hold no connection URL and no bound value.
pub(super) fn cause(error: &sqlx::Error) -> Cow<'static, str> {
    match error {
        sqlx::Error::Database(refusal) => match refusal.code() {
            Some(code) => format!("{} ({code})", refusal.message()).into(),
            None => refusal.message().to_owned().into(),
        },
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
            let kept = escaped(text);
            assert!(!kept.contains('\0'));
            assert_eq!(unescaped(kept), text);
        }
    }
}
