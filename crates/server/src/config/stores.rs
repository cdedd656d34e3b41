//! Settings of the stores: the SQL database, and the store that instances share.

mod authorities;
mod postgres;
mod redis_nodes;
mod session_store;

use std::path::{Path, PathBuf};
use std::time::Duration;

use maxlab_auth_store::RedisCaCertificates;
pub use maxlab_auth_store::RedisNodes;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
pub use session_store::SessionPlace;
use url::Url;

use super::faults::InvalidValue;
use super::plaintext::PlaintextPolicy;
use super::reader::SettingsReader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;
use super::value_parsers::{boolean, number};
use redis_nodes::{database_number, redis_nodes};

/// Name of the SQLite file in `DATA_DIR` if `DATABASE_URL` is not set.
const SQLITE_FILE: &str = "maxlab-auth.db";

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "DATABASE_URL",
        "URL",
        Unset("SQLite in DATA_DIR"),
        "Journal, sessions, audit log, outbox and workspaces: postgresql://user:password@host/name?sslmode=verify-full or sqlite://path.",
    )
    .address(),
    SettingDoc::new(
        "REDIS_URL",
        "URL",
        Unset("the embedded store in DATA_DIR, for one instance"),
        "The store that instances share: redis://, rediss:// (TLS), redis+sentinel://host:port,…/service, redis+cluster://host:port,…",
    )
    .address(),
    SettingDoc::new(
        "REDIS_CA_FILE",
        "path",
        Unset("the system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR"),
        "A PEM file with the authorities that may sign the certificate of Redis, and no others (docs/OPERATIONS.md, TLS to other servers).",
    ),
    SettingDoc::new(
        "REDIS_SENTINEL_PASSWORD",
        "secret",
        Unset("none; Sentinels that require one get the user and password of REDIS_URL"),
        "The password of the Sentinels, if it differs from that of Redis.",
    )
    .secret(),
    SettingDoc::new(
        "ALLOW_OWN_JOURNALS",
        "true or false",
        Value("false"),
        "Whether instances with one REDIS_URL may each have their own SQLite journal. Then ending a login at one instance does not end its refresh token and access tokens at the others.",
    ),
    session_store::DOC,
    SettingDoc::new(
        "AUDIT_RETENTION_DAYS",
        "days",
        Value("400"),
        "How long audit events are kept. 0 keeps them forever.",
    ),
];

/// Location of journal, sessions, audit log, outbox and workspaces.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A `postgresql://` or `postgres://` URL, including its password.
    Postgres(SecretString),
}

/// Location of the shared store.
#[derive(Debug, Clone)]
pub enum StoreUrl {
    /// SQLite and memory in `DATA_DIR`, for one instance.
    Embedded,
    /// One Redis.
    Redis {
        /// The `redis://` or `rediss://` URL, including its password.
        url: SecretString,
        /// TLS, for the scheme `rediss`.
        tls: bool,
        /// `REDIS_CA_FILE`.
        ca_certificates: Option<RedisCaCertificates>,
    },
    /// Sentinels that name the current master.
    Sentinel(RedisNodes),
    /// A Redis Cluster.
    Cluster(RedisNodes),
}

/// Settings of the stores.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// `DATABASE_URL`.
    pub database: DatabaseUrl,
    /// `REDIS_URL`.
    pub store: StoreUrl,
    /// `ALLOW_OWN_JOURNALS`.
    pub allow_own_journals: bool,
    /// `SESSION_STORE`.
    pub sessions: SessionPlace,
    /// `AUDIT_RETENTION_DAYS`. `None` keeps events forever.
    pub audit_retention: Option<Duration>,
}

/// Reads the section. Without `DATABASE_URL` it needs `DATA_DIR`.
pub(super) fn read(
    reader: &mut SettingsReader<'_>,
    wire: PlaintextPolicy,
    data_dir: Option<&Path>,
) -> Option<StoreSettings> {
    let database = reader.try_optional("DATABASE_URL", database_url);
    let allow_own_journals = reader.required("ALLOW_OWN_JOURNALS", boolean);
    if let Ok(Some(DatabaseUrl::Postgres(url))) = &database {
        postgres::check_plaintext(reader, wire, url);
    }
    let mut store = reader.try_optional("REDIS_URL", store_url);
    let sentinel_password =
        reader.try_optional("REDIS_SENTINEL_PASSWORD", |text| Ok(SecretString::from(text)));
    // The password has its own setting: one in REDIS_URL is that of Redis.
    if let (Ok(Some((StoreUrl::Sentinel(nodes), _))), Ok(password)) = (&mut store, sentinel_password) {
        nodes.sentinel_password = password;
    }
    let authorities = reader.try_optional("REDIS_CA_FILE", authorities::ca_certificates);
    if let (Ok(Some((store, _))), Ok(Some(authorities))) = (&mut store, authorities) {
        authorities::trust(reader, store, authorities);
    }
    if let Ok(Some((store, hosts))) = &store {
        let (encrypted, encrypt) = match store {
            StoreUrl::Embedded => (true, ""),
            StoreUrl::Redis { tls, .. } => (*tls, "use rediss://"),
            StoreUrl::Sentinel(nodes) => (nodes.tls, "use rediss+sentinel://"),
            StoreUrl::Cluster(nodes) => (nodes.tls, "use rediss+cluster://"),
        };
        if !encrypted {
            wire.refuse_plaintext(reader, "REDIS_URL", hosts.iter().map(String::as_str), encrypt);
        }
    }
    let session_store = reader.try_optional("SESSION_STORE", session_store::parse);
    // At most a hundred years. 0 keeps events forever.
    let audit_days = reader.required("AUDIT_RETENTION_DAYS", number(0..=36_500_u64));
    let database = match database.ok()? {
        Some(url) => url,
        None => DatabaseUrl::Sqlite(data_dir?.join(SQLITE_FILE)),
    };
    let store = store.ok()?.map_or(StoreUrl::Embedded, |(store, _)| store);
    let own = allow_own_journals?;
    Some(StoreSettings {
        sessions: session_store::resolve(reader, session_store.ok()?, &store, &database, own),
        database,
        store,
        allow_own_journals: own,
        audit_retention: Some(audit_days?)
            .filter(|days| *days > 0)
            .map(|days| Duration::from_secs(days * 86_400)),
    })
}

/// Parses `DATABASE_URL`. The scheme decides which database it is.
fn database_url(text: &str) -> Result<DatabaseUrl, InvalidValue> {
    let remedy = "write postgresql://user:password@host/name or sqlite:///absolute/path.db";
    match text.split_once(':') {
        Some(("postgresql" | "postgres", rest)) if rest.starts_with("//") => {
            let url = Url::parse(text)
                .map_err(|error| InvalidValue::new(format!("is not a URL: {error}"), remedy))?;
            // Only checked here. `check_plaintext` uses it once the whole section is read.
            postgres::tls_mode(&url)?;
            Ok(DatabaseUrl::Postgres(SecretString::from(text)))
        }
        // `sqlite:path` and `sqlite://path` are both in use.
        Some(("sqlite", rest)) => {
            sqlite_path(rest.strip_prefix("//").unwrap_or(rest)).map(DatabaseUrl::Sqlite)
        }
        // SQLAlchemy's form, as in `postgresql+asyncpg://`.
        Some((scheme, _)) if scheme.starts_with("postgresql+") || scheme.starts_with("sqlite+") => {
            Err(InvalidValue::new(
                "names a Python driver in its scheme",
                "write postgresql:// or sqlite:// without the + and the driver",
            ))
        }
        _ => Err(InvalidValue::new(
            "is neither a postgresql:// nor a sqlite:// URL",
            remedy,
        )),
    }
}

/// Parses the part after `sqlite://`, which is a path. Memory is refused, because a restart would lose
/// revocations.
fn sqlite_path(path: &str) -> Result<PathBuf, InvalidValue> {
    let (path, parameters) = path.split_once('?').unwrap_or((path, ""));
    if path.contains(":memory:") || parameters.contains("mode=memory") {
        return Err(InvalidValue::new(
            "is SQLite in memory, which loses revocations at a restart",
            "name a file: sqlite:///absolute/path.db",
        ));
    }
    // `mode=rwc` (read, write, create) is what the gateway does anyway.
    if !matches!(parameters, "" | "mode=rwc") {
        return Err(InvalidValue::new(
            "has parameters that are not supported",
            "remove the ? and everything after it",
        ));
    }
    let path = percent_decode_str(path)
        .decode_utf8()
        .ok()
        .filter(|path| !path.trim_matches('/').is_empty() && !path.contains('\0'));
    path.map(|path| PathBuf::from(path.as_ref()))
        .ok_or_else(|| InvalidValue::new("names no file", "name a file: sqlite:///absolute/path.db"))
}

/// Parses `REDIS_URL`. Returns the store and the hosts to connect to.
fn store_url(text: &str) -> Result<(StoreUrl, Vec<String>), InvalidValue> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Err(unknown_redis_url());
    };
    let tls = scheme.starts_with("rediss");
    match scheme {
        "redis" | "rediss" => {
            let host = single_host(text)?;
            Ok((
                StoreUrl::Redis {
                    url: SecretString::from(text),
                    tls,
                    ca_certificates: None,
                },
                vec![host],
            ))
        }
        "redis+sentinel" | "rediss+sentinel" => {
            let nodes = redis_nodes(text, tls, 26379)?;
            if nodes.service.is_empty() {
                return Err(InvalidValue::new(
                    "does not name the master that the sentinels watch",
                    "write redis+sentinel://host:26379,host2:26379/service",
                ));
            }
            let hosts = nodes.nodes.iter().map(|(host, _)| host.clone()).collect();
            Ok((StoreUrl::Sentinel(nodes), hosts))
        }
        "redis+cluster" | "rediss+cluster" => {
            // Cluster has one database only, and no service.
            let nodes = redis_nodes(text, tls, 6379)?;
            if !nodes.service.is_empty() || nodes.database != 0 {
                return Err(InvalidValue::new(
                    "has a path, but a cluster has one database only",
                    "end the URL after the last host",
                ));
            }
            let hosts = nodes.nodes.iter().map(|(host, _)| host.clone()).collect();
            Ok((StoreUrl::Cluster(nodes), hosts))
        }
        _ => Err(unknown_redis_url()),
    }
}

fn unknown_redis_url() -> InvalidValue {
    InvalidValue::new(
        "is not a Redis URL",
        "write redis://host:6379/0, rediss:// for TLS, redis+sentinel:// or redis+cluster://",
    )
}

/// Checks a URL of one Redis and returns its host.
fn single_host(text: &str) -> Result<String, InvalidValue> {
    let remedy = "write it like redis://user:password@host:6379/0";
    let url =
        Url::parse(text).map_err(|error| InvalidValue::new(format!("is not a URL: {error}"), remedy))?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| InvalidValue::new("names no host", remedy))?;
    database_number(url.path().trim_start_matches('/'))?;
    Ok(host.to_owned())
}
