//! Settings of the service itself: its name, its address, its files, its limits, its proxies.

mod proxies;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

use super::address::{http_url, web_origin};
use super::faults::InvalidValue;
pub(super) use super::framework::Environment;
use super::reader::SettingsReader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;
use super::value_parsers::{boolean, choice, fractional_seconds, list, list_of, number, text};
use crate::file_modes::{WORLD_ANY_ACCESS, permitted_mode};

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "APP_NAME",
        "text",
        Value("MAX Lab"),
        "The name that pages and documentation show.",
    ),
    SettingDoc::new(
        "DEBUG",
        "true or false",
        Value("false"),
        "Logs in more detail. Refused in production.",
    ),
    SettingDoc::new(
        "ENVIRONMENT",
        "development, staging or production",
        Value("development"),
        "How strict the start is: development generates missing secrets, production refuses unsafe values.",
    ),
    SettingDoc::new(
        "LOG_LEVEL",
        "level or tracing directives",
        Value("INFO"),
        "What is logged: DEBUG, INFO, WARNING, ERROR, CRITICAL, or directives such as info,maxlab_auth=debug.",
    ),
    SettingDoc::new(
        "HOST",
        "IP address",
        Value("0.0.0.0"),
        "The address to listen on.",
    ),
    SettingDoc::new(
        "PORT",
        "port",
        Value("8080"),
        "The port to listen on; 0 takes a free one.",
    ),
    SettingDoc::new(
        "DATA_DIR",
        "path",
        Value("./.maxlab-auth"),
        "Where the embedded store, SQLite and the secrets of development are kept.",
    ),
    SettingDoc::new(
        "CORS_ORIGINS",
        "list of origins",
        Unset("none: no other origin's pages may call"),
        "Origins whose pages may call the gateway with the user's cookies.",
    ),
    SettingDoc::new(
        "TRUSTED_PROXIES",
        "list of addresses or networks",
        Unset("none"),
        "Proxies whose X-Forwarded-* headers are believed.",
    ),
    SettingDoc::new(
        "MAX_CONNECTIONS",
        "connections",
        Value("10000"),
        "Maximum of open connections at each listener. For a new client, the connections that are idle longest are closed. While all are busy, a new client gets 503, except at /health.",
    ),
    SettingDoc::new(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "connections",
        Unset("half of MAX_CONNECTIONS, at least 100"),
        "Maximum of these for one client address. An IPv6 network of 64 bits counts as one address. TRUSTED_PROXIES may use all.",
    ),
    SettingDoc::new(
        "HEADER_TIMEOUT_SECONDS",
        "seconds",
        Value("10"),
        "How long a client may take to send its headers.",
    ),
    SettingDoc::new(
        "BODY_TIMEOUT_SECONDS",
        "seconds",
        Value("15"),
        "How long a client may take to send its body.",
    ),
    SettingDoc::new(
        "SHUTDOWN_SECONDS",
        "seconds",
        Value("20"),
        "How long a stop waits for requests in progress.",
    ),
    SettingDoc::new(
        "SHUTDOWN_DELAY_SECONDS",
        "seconds",
        Value("0"),
        "How long a stop goes on serving while /health/ready is 503, so that a load balancer sends no more requests. SHUTDOWN_SECONDS begin afterwards.",
    ),
    SettingDoc::new(
        "LOGIN_URL",
        "URL or path",
        Unset("none: a browser is answered 401 like any client"),
        "Where a browser that is not logged in is redirected.",
    ),
    SettingDoc::new(
        "METRICS",
        "true or false",
        Value("true"),
        "Whether GET /metrics answers.",
    ),
];

/// Settings of the service itself.
#[derive(Debug, Clone)]
pub struct AppSettings {
    /// `APP_NAME`.
    pub name: String,
    /// `DEBUG`. Never true in production.
    pub debug: bool,
    /// `ENVIRONMENT`.
    pub environment: Environment,
    /// `LOG_LEVEL` as directives that `tracing_subscriber::EnvFilter` reads.
    pub log_directives: String,
    /// `HOST`.
    pub host: IpAddr,
    /// `PORT`.
    pub port: u16,
    /// `DATA_DIR` as given: relative to the working directory.
    pub data_dir: PathBuf,
    /// `CORS_ORIGINS`, each as a browser sends it in `Origin`.
    pub cors_origins: Vec<String>,
    /// `TRUSTED_PROXIES`. A single address is a network of one.
    pub trusted_proxies: Vec<IpNet>,
    /// `MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// `MAX_CONNECTIONS_PER_ADDRESS`.
    pub max_connections_per_address: usize,
    /// `HEADER_TIMEOUT_SECONDS`.
    pub header_timeout: Duration,
    /// `BODY_TIMEOUT_SECONDS`.
    pub body_timeout: Duration,
    /// `SHUTDOWN_SECONDS`.
    pub shutdown_timeout: Duration,
    /// `SHUTDOWN_DELAY_SECONDS`.
    pub shutdown_delay: Duration,
    /// `LOGIN_URL`: an absolute http(s) URL, or a path that begins with one `/`.
    pub login_url: Option<String>,
    /// `METRICS`.
    pub metrics: bool,
}

/// Reads `ENVIRONMENT`, which other settings depend on.
pub(super) fn read_environment(reader: &mut SettingsReader<'_>) -> Environment {
    // A misspelt value is a fault already. Development then keeps the other settings from adding more.
    let environments = [
        Environment::Development,
        Environment::Staging,
        Environment::Production,
    ];
    let words = environments.map(|environment| (environment.as_str(), environment));
    reader
        .required("ENVIRONMENT", choice(&words))
        .unwrap_or(Environment::Development)
}

/// Reads the section. Every setting is read before the first `?`, so that all faults are found at once.
pub(super) fn read(reader: &mut SettingsReader<'_>, environment: Environment) -> Option<AppSettings> {
    let name = reader.required("APP_NAME", text);
    let debug = reader.required("DEBUG", boolean);
    if debug == Some(true) && environment == Environment::Production {
        reader.fault("DEBUG", "it is true in production", "set DEBUG=false");
    }
    let log_directives = reader.required("LOG_LEVEL", log_directives);
    // LOG_LEVEL is the more precise setting, so it wins over DEBUG.
    let debug_by_default = debug == Some(true) && !reader.is_given("LOG_LEVEL");
    let host = reader.required("HOST", listen_address);
    let port = reader.required("PORT", number(0..=u16::MAX));
    let data_dir = reader.required("DATA_DIR", |text| Ok(PathBuf::from(text)));
    check_data_dir(reader, data_dir.as_deref());
    let cors_origins = reader.try_optional("CORS_ORIGINS", cors_origins);
    let trusted_proxies = reader.try_optional("TRUSTED_PROXIES", list_of(proxies::network));
    if let Ok(Some(networks)) = &trusted_proxies {
        check_proxies(reader, environment, networks);
    }
    let max_connections = reader.required("MAX_CONNECTIONS", number(1..=1_000_000));
    let per_address = reader.try_optional("MAX_CONNECTIONS_PER_ADDRESS", number(1..=1_000_000));
    let limit = || fractional_seconds(0.1..=600.0);
    let header_timeout = reader.required("HEADER_TIMEOUT_SECONDS", limit());
    let body_timeout = reader.required("BODY_TIMEOUT_SECONDS", limit());
    // 0 is allowed: it stops at once. The other two would refuse every request.
    let shutdown = reader.required("SHUTDOWN_SECONDS", fractional_seconds(0.0..=600.0));
    let shutdown_delay = reader.required("SHUTDOWN_DELAY_SECONDS", fractional_seconds(0.0..=600.0));
    let login_url = reader.try_optional("LOGIN_URL", login_url);
    let metrics = reader.required("METRICS", boolean);
    Some(AppSettings {
        name: name?,
        debug: debug?,
        environment,
        log_directives: if debug_by_default {
            "debug".to_owned()
        } else {
            log_directives?
        },
        host: host?,
        port: port?,
        data_dir: data_dir?,
        cors_origins: cors_origins.ok()?.unwrap_or_default(),
        trusted_proxies: trusted_proxies.ok()?.unwrap_or_default(),
        max_connections: max_connections?,
        // `max_connections?` above has returned already if that value is missing.
        max_connections_per_address: per_address
            .ok()?
            .unwrap_or_else(|| default_connections_per_address(max_connections.unwrap_or_default())),
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        shutdown_timeout: shutdown?,
        shutdown_delay: shutdown_delay?,
        login_url: login_url.ok()?,
        metrics: metrics?,
    })
}

/// Warns of a data folder that every user of this machine can access.
fn check_data_dir(reader: &mut SettingsReader<'_>, folder: Option<&Path>) {
    if let Some(folder) = folder
        && let Some(mode) = permitted_mode(folder, WORLD_ANY_ACCESS)
    {
        let folder = folder.display();
        let message =
            format!("every user of this machine can access {folder} (mode {mode:04o}): chmod 700 {folder}");
        reader.warn("DATA_DIR", &message);
    }
}

/// Reports a network of trusted proxies that contains large parts of the internet.
fn check_proxies(reader: &mut SettingsReader<'_>, environment: Environment, networks: &[IpNet]) {
    if let Some(wide) = networks.iter().find(|network| proxies::is_too_wide(network)) {
        reader.fault_in_production(
            environment,
            "TRUSTED_PROXIES",
            &format!("{wide} contains large parts of the internet, so clients in it can claim any address, host and path"),
            "name the addresses of the proxies, or a private network such as 10.0.0.0/8",
        );
    }
}

/// Returns the default share of one address. At least 100: small limits work behind a proxy (decision 20).
fn default_connections_per_address(max_connections: usize) -> usize {
    (max_connections / 2).max(100)
}

/// Parses a level name of Python or tracing into its tracing level. Directives are returned as they are.
fn log_directives(text: &str) -> Result<String, InvalidValue> {
    let level = match text.to_ascii_lowercase().as_str() {
        "warning" => "warn",
        "critical" | "fatal" => "error",
        "notset" => "trace",
        word @ ("trace" | "debug" | "info" | "warn" | "error" | "off") => return Ok(word.to_owned()),
        // The `=` is required: EnvFilter takes any word for a target, and `LOG_LEVEL=VERBOSE` would turn the
        // log off.
        _ if text.contains('=') && EnvFilter::builder().parse(text).is_ok() => text,
        _ => {
            return Err(InvalidValue::new(
                "is neither a level nor a list of tracing directives",
                "use DEBUG, INFO, WARNING, ERROR or CRITICAL, or directives such as info,maxlab_auth=debug",
            ));
        }
    };
    Ok(level.to_owned())
}

/// Parses the address to listen on. Names are not resolved, except `localhost`.
fn listen_address(text: &str) -> Result<IpAddr, InvalidValue> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    text.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .map_err(|_| {
            InvalidValue::new(
                "is not an IP address",
                "use 0.0.0.0 for every interface, 127.0.0.1 for this machine only, or ::",
            )
        })
}

fn cors_origins(text: &str) -> Result<Vec<String>, InvalidValue> {
    let mut origins = list(text)?
        .iter()
        .map(|item| web_origin(item))
        .collect::<Result<Vec<_>, _>>()?;
    // Sorted first: `dedup` removes neighbours only.
    origins.sort();
    origins.dedup();
    Ok(origins)
}

/// Parses `LOGIN_URL`: an http(s) URL, or a path that the browser resolves.
fn login_url(text: &str) -> Result<String, InvalidValue> {
    // `//host` and `/\host` look like paths and lead a browser to another machine.
    let is_path = text.starts_with('/') && !text.starts_with("//");
    if is_path && text.chars().all(|c| c.is_ascii_graphic() && c != '\\') {
        return Ok(text.to_owned());
    }
    http_url(text).map(String::from).map_err(|_| {
        InvalidValue::new(
            "is neither an http(s) URL nor a path",
            "write it like https://app.example.com/login or /login",
        )
    })
}
