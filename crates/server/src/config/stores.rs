//! Where things are kept: the SQL database and the shared store.

use std::path::{Path, PathBuf};

pub use maxlab_auth_store::RedisNodes;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use super::address::Wire;
use super::fault::Wrong;
use super::reader::Reader;
use super::reference::DefaultValue::Unset;
use super::reference::SettingDoc;

/// The SQLite file below `DATA_DIR` where `DATABASE_URL` is not set.
const SQLITE_FILE: &str = "maxlab-auth.db";

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "DATABASE_URL",
        "URL",
        Unset("SQLite in DATA_DIR"),
        "Journal, audit, outbox and workspaces: postgresql://user:password@host/name or sqlite://path.",
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
        "REDIS_SENTINEL_PASSWORD",
        "secret",
        Unset("none; Sentinels that want one are given the user and password of REDIS_URL"),
        "The password of the Sentinels, where it is not that of Redis.",
    )
    .secret(),
];

/// Where journal, audit, outbox and workspaces are kept.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A `postgresql://` or `postgres://` URL, password included.
    Postgres(SecretString),
}

/// The shared store.
#[derive(Debug, Clone)]
pub enum StoreUrl {
    /// SQLite and memory in `DATA_DIR`: one instance.
    Embedded,
    /// One Redis.
    Redis {
        /// The `redis://` or `rediss://` URL, password included.
        url: SecretString,
        /// Whether it is `rediss://`.
        tls: bool,
    },
    /// Sentinels that know which Redis is the master.
    Sentinel(RedisNodes),
    /// A Redis Cluster.
    Cluster(RedisNodes),
}

/// The settings of the stores.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// `DATABASE_URL`.
    pub database: DatabaseUrl,
    /// `REDIS_URL`.
    pub store: StoreUrl,
}

pub(super) fn read(reader: &mut Reader<'_>, wire: Wire, data_dir: Option<&Path>) -> Option<StoreSettings> {
    let database = reader.take("DATABASE_URL", database_url);
    let mut store = reader.take("REDIS_URL", store_url);
    let sentinel_password = reader.take("REDIS_SENTINEL_PASSWORD", |text| Ok(SecretString::from(text)));
    if let (Ok(Some((StoreUrl::Sentinel(nodes), _))), Ok(password)) = (&mut store, sentinel_password) {
        nodes.sentinel_password = password;
    }
    if let Ok(Some((store, hosts))) = &store {
        let (encrypted, scheme) = match store {
            StoreUrl::Embedded => (true, ""),
            StoreUrl::Redis { tls, .. } => (*tls, "rediss://"),
            StoreUrl::Sentinel(nodes) => (nodes.tls, "rediss+sentinel://"),
            StoreUrl::Cluster(nodes) => (nodes.tls, "rediss+cluster://"),
        };
        if !encrypted {
            wire.refuse_plaintext(reader, "REDIS_URL", hosts.iter().map(String::as_str), scheme);
        }
    }
    Some(StoreSettings {
        database: match database.ok()? {
            Some(url) => url,
            None => DatabaseUrl::Sqlite(data_dir?.join(SQLITE_FILE)),
        },
        store: store.ok()?.map_or(StoreUrl::Embedded, |(store, _)| store),
    })
}

fn database_url(text: &str) -> Result<DatabaseUrl, Wrong> {
    let remedy = "write postgresql://user:password@host/name or sqlite:///absolute/path.db";
    match text.split_once(':') {
        Some(("postgresql" | "postgres", rest)) if rest.starts_with("//") => Url::parse(text)
            .map(|_| DatabaseUrl::Postgres(SecretString::from(text)))
            .map_err(|error| Wrong::new(format!("is not a URL: {error}"), remedy)),
        Some(("sqlite", rest)) => {
            sqlite_path(rest.strip_prefix("//").unwrap_or(rest)).map(DatabaseUrl::Sqlite)
        }
        Some((scheme, _)) if scheme.starts_with("postgresql+") || scheme.starts_with("sqlite+") => {
            Err(Wrong::new(
                "names a Python driver in its scheme",
                "write postgresql:// or sqlite:// without the + and the driver",
            ))
        }
        _ => Err(Wrong::new(
            "is neither a postgresql:// nor a sqlite:// URL",
            remedy,
        )),
    }
}

/// What follows `sqlite://` is the path. Memory would forget what was revoked, so it is no database here.
fn sqlite_path(path: &str) -> Result<PathBuf, Wrong> {
    let (path, parameters) = path.split_once('?').unwrap_or((path, ""));
    if path.contains(":memory:") || parameters.contains("mode=memory") {
        return Err(Wrong::new(
            "is SQLite in memory, which forgets revocations at a restart",
            "name a file: sqlite:///absolute/path.db",
        ));
    }
    if !matches!(parameters, "" | "mode=rwc") {
        return Err(Wrong::new(
            "has parameters, and none is known",
            "take the ? and what follows out of it",
        ));
    }
    let path = percent_decode_str(path)
        .decode_utf8()
        .ok()
        .filter(|path| !path.trim_matches('/').is_empty() && !path.contains('\0'));
    path.map(|path| PathBuf::from(path.as_ref()))
        .ok_or_else(|| Wrong::new("names no file", "name a file: sqlite:///absolute/path.db"))
}

/// The store, and the hosts that it is reached by.
fn store_url(text: &str) -> Result<(StoreUrl, Vec<String>), Wrong> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Err(unknown_store());
    };
    let tls = scheme.starts_with("rediss");
    match scheme {
        "redis" | "rediss" => {
            let host = single_host(text)?;
            Ok((
                StoreUrl::Redis {
                    url: SecretString::from(text),
                    tls,
                },
                vec![host],
            ))
        }
        "redis+sentinel" | "rediss+sentinel" => {
            let nodes = nodes(text, tls, 26379)?;
            if nodes.service.is_empty() {
                return Err(Wrong::new(
                    "does not say which master the sentinels watch",
                    "write redis+sentinel://host:26379,host2:26379/service",
                ));
            }
            let hosts = nodes.nodes.iter().map(|(host, _)| host.clone()).collect();
            Ok((StoreUrl::Sentinel(nodes), hosts))
        }
        "redis+cluster" | "rediss+cluster" => {
            let nodes = nodes(text, tls, 6379)?;
            if !nodes.service.is_empty() || nodes.database != 0 {
                return Err(Wrong::new(
                    "has a path, and a cluster has one database only",
                    "end it after the last host",
                ));
            }
            let hosts = nodes.nodes.iter().map(|(host, _)| host.clone()).collect();
            Ok((StoreUrl::Cluster(nodes), hosts))
        }
        _ => Err(unknown_store()),
    }
}

fn unknown_store() -> Wrong {
    Wrong::new(
        "is no Redis URL known here",
        "write redis://host:6379/0, rediss:// for TLS, redis+sentinel:// or redis+cluster://",
    )
}

fn single_host(text: &str) -> Result<String, Wrong> {
    let remedy = "write it like redis://user:password@host:6379/0";
    let url = Url::parse(text).map_err(|error| Wrong::new(format!("is not a URL: {error}"), remedy))?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| Wrong::new("names no host", remedy))?;
    database_number(url.path().trim_start_matches('/'))?;
    Ok(host.to_owned())
}

fn database_number(text: &str) -> Result<u16, Wrong> {
    match text {
        "" => Ok(0),
        digits => digits.parse().map_err(|_| {
            Wrong::new(
                "has a path that is no database number",
                "end it with a number, such as /0",
            )
        }),
    }
}

/// `scheme://[user][:password]@host[:port],…[/service[/database]]`, or `/database` alone.
fn nodes(text: &str, tls: bool, default_port: u16) -> Result<RedisNodes, Wrong> {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    if rest.contains(['?', '#']) {
        return Err(Wrong::new(
            "has parameters, and none is known",
            "take the ? and what follows out of it",
        ));
    }
    let (credentials, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (service, database) = match path.split_once('/') {
        Some((service, database)) => (service, database),
        None if path.bytes().all(|byte| byte.is_ascii_digit()) => ("", path),
        None => (path, ""),
    };
    let (username, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    Ok(RedisNodes {
        nodes: hosts
            .split(',')
            .map(|host| node(host, default_port))
            .collect::<Result<_, _>>()?,
        service: decoded(service)?,
        database: database_number(database)?,
        username: Some(decoded(username)?).filter(|name| !name.is_empty()),
        password: Some(decoded(password)?)
            .filter(|word| !word.is_empty())
            .map(SecretString::from),
        sentinel_password: None,
        tls,
    })
}

fn node(text: &str, default_port: u16) -> Result<(String, u16), Wrong> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (text, Some(default_port)),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    match port {
        Some(port) if !host.is_empty() && host.chars().all(fits) => Ok((host.to_owned(), port)),
        _ => Err(Wrong::new(
            "has a place that is no host:port",
            "write hosts like a:26379,b:26379",
        )),
    }
}

fn decoded(text: &str) -> Result<String, Wrong> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Wrong::new("is not UTF-8 where it is percent-encoded", "encode it as UTF-8"))
}
