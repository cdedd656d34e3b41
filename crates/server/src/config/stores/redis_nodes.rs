//! Parser of the addresses of Redis nodes: Sentinel, Cluster and a single server.

use maxlab_auth_store::RedisNodes;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::super::faults::InvalidValue;

/// Parses the number of a Redis database. An empty text is 0.
pub(super) fn database_number(text: &str) -> Result<u16, InvalidValue> {
    match text {
        "" => Ok(0),
        digits => digits.parse().map_err(|_| {
            InvalidValue::new(
                "has a path that is not a database number",
                "end the URL with a number, such as /0",
            )
        }),
    }
}

/// Parses `scheme://[user][:password]@host[:port],…[/service[/database]]`. A path of digits alone is the
/// database.
pub(super) fn redis_nodes(text: &str, tls: bool, default_port: u16) -> Result<RedisNodes, InvalidValue> {
    // Not with `Url`: several hosts with commas are not a URL.
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    if rest.contains(['?', '#']) {
        return Err(InvalidValue::new(
            "has parameters that are not supported",
            "remove the ? and everything after it",
        ));
    }
    // The last @: a password may contain one that is not encoded.
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
            .map(|host| redis_node(host, default_port))
            .collect::<Result<_, _>>()?,
        service: percent_decoded(service)?,
        database: database_number(database)?,
        username: Some(percent_decoded(username)?).filter(|name| !name.is_empty()),
        password: Some(percent_decoded(password)?)
            .filter(|password| !password.is_empty())
            .map(SecretString::from),
        // Set by the caller, from its own setting.
        sentinel_password: None,
        tls,
        ca_certificates: None,
    })
}

/// Parses `host[:port]`.
fn redis_node(text: &str, default_port: u16) -> Result<(String, u16), InvalidValue> {
    let (host, port) = match text.rsplit_once(':') {
        // `[::1]` contains colons and no port.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (text, Some(default_port)),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    match port {
        Some(port) if !host.is_empty() && host.chars().all(fits) => Ok((host.to_owned(), port)),
        _ => Err(InvalidValue::new(
            "has an entry that is not host:port",
            "write hosts like a:26379,b:26379",
        )),
    }
}

/// Decodes a percent-encoded part of a URL.
fn percent_decoded(text: &str) -> Result<String, InvalidValue> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| {
            InvalidValue::new(
                "has a percent-encoded part that is not UTF-8",
                "encode it as UTF-8",
            )
        })
}
