//! Where sessions are stored: `SESSION_STORE`.

use super::super::faults::InvalidValue;
use super::super::reader::SettingsReader;
use super::super::reference::DefaultValue::Unset;
use super::super::reference::SettingDoc;
use super::super::value_parsers::choice;
use super::{DatabaseUrl, StoreUrl};

pub(super) const DOC: SettingDoc = SettingDoc::new(
    "SESSION_STORE",
    "sql or redis",
    Unset("sql; redis if ALLOW_OWN_JOURNALS=true and the database is SQLite"),
    "Where sessions are stored. In the SQL database they survive the loss of Redis. In Redis they do not: people log in again.",
);

/// Place of the sessions (docs/decisions/0037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionPlace {
    /// The SQL database: sessions survive the loss of Redis.
    Sql,
    /// Redis: a Redis that loses its data logs people out.
    Redis,
}

/// Parses `SESSION_STORE`.
pub(super) fn parse(text: &str) -> Result<SessionPlace, InvalidValue> {
    choice(&[("sql", SessionPlace::Sql), ("redis", SessionPlace::Redis)])(text)
}

/// Returns where sessions are stored: as `SESSION_STORE` says (`given`), or else the default for these stores.
/// Records a fault if the two cannot go together.
pub(super) fn resolve(
    reader: &mut SettingsReader<'_>,
    given: Option<SessionPlace>,
    store: &StoreUrl,
    database: &DatabaseUrl,
    allow_own_journals: bool,
) -> SessionPlace {
    let has_redis = !matches!(store, StoreUrl::Embedded);
    // Each instance may have a SQLite file of its own then, which no other instance can read.
    let has_own_databases = has_redis && allow_own_journals && matches!(database, DatabaseUrl::Sqlite(_));
    match given {
        Some(SessionPlace::Redis) if !has_redis => {
            reader.fault(
                "SESSION_STORE",
                "it is redis, and REDIS_URL is not set",
                "set REDIS_URL, or remove SESSION_STORE",
            );
            SessionPlace::Redis
        }
        Some(SessionPlace::Sql) if has_own_databases => {
            reader.warn(
                "SESSION_STORE",
                "sessions are in the SQLite file of each instance (ALLOW_OWN_JOURNALS): a cookie is valid only at the instance of its login",
            );
            SessionPlace::Sql
        }
        Some(place) => place,
        None if has_own_databases => SessionPlace::Redis,
        None => SessionPlace::Sql,
    }
}
