//! The service itself: its name, where it listens, what it keeps where, whom it believes.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use super::address::{http_url, web_origin};
use super::fault::Wrong;
use super::parse::{choice, fractional_seconds, list, list_of, number, switch, text};
use super::reader::Reader;
use super::reference::DefaultValue::{Unset, Value};
use super::reference::SettingDoc;

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "APP_NAME",
        "text",
        Value("MAX Lab"),
        "The name that pages and documents show.",
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
        "How strict the start is: development makes missing secrets by itself, production refuses whatever is unsafe.",
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
        "Where the embedded store, SQLite and development's secrets are kept.",
    ),
    SettingDoc::new(
        "CORS_ORIGINS",
        "list of origins",
        Unset("none: no other origin's pages may call"),
        "Origins whose pages may call the gateway with the visitor's cookies.",
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
        "How many connections are open at once.",
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
        "How long a stop waits for requests under way.",
    ),
    SettingDoc::new(
        "LOGIN_URL",
        "URL or path",
        Unset("none: a browser is answered 401 like any client"),
        "Where a browser that is not logged in is sent.",
    ),
    SettingDoc::new(
        "METRICS",
        "true or false",
        Value("true"),
        "Whether GET /metrics answers.",
    ),
];

/// How strict the start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// A person's own machine: missing secrets are made, http is good enough.
    Development,
    /// Complete like production; what is merely weak is a warning.
    Staging,
    /// Whatever is missing or unsafe stops the start.
    Production,
}

impl Environment {
    /// The word that sets it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// The settings of the service itself.
#[derive(Debug, Clone)]
pub struct AppSettings {
    /// `APP_NAME`.
    pub name: String,
    /// `DEBUG`; never true in production.
    pub debug: bool,
    /// `ENVIRONMENT`.
    pub environment: Environment,
    /// `LOG_LEVEL` as directives that `tracing_subscriber::EnvFilter` reads.
    pub log_directives: String,
    /// `HOST`.
    pub host: IpAddr,
    /// `PORT`.
    pub port: u16,
    /// `DATA_DIR`, as given: relative to the working directory.
    pub data_dir: PathBuf,
    /// `CORS_ORIGINS`, each as a browser sends it in `Origin`.
    pub cors_origins: Vec<String>,
    /// `TRUSTED_PROXIES`; a single address is a network of one.
    pub trusted_proxies: Vec<IpNet>,
    /// `MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// `HEADER_TIMEOUT_SECONDS`.
    pub header_timeout: Duration,
    /// `BODY_TIMEOUT_SECONDS`.
    pub body_timeout: Duration,
    /// `SHUTDOWN_SECONDS`.
    pub shutdown: Duration,
    /// `LOGIN_URL`: an absolute http(s) URL, or a path that begins with one `/`.
    pub login_url: Option<String>,
    /// `METRICS`.
    pub metrics: bool,
}

/// `ENVIRONMENT`, which other settings depend on. A misspelt one is a fault already, and then the rest is read mildly.
pub(super) fn read_environment(reader: &mut Reader<'_>) -> Environment {
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

pub(super) fn read(reader: &mut Reader<'_>, environment: Environment) -> Option<AppSettings> {
    let name = reader.required("APP_NAME", text);
    let debug = reader.required("DEBUG", switch);
    if debug == Some(true) && environment == Environment::Production {
        reader.fault("DEBUG", "it is true in production", "set DEBUG=false");
    }
    let log_directives = reader.required("LOG_LEVEL", directives);
    let more = debug == Some(true) && !reader.is_given("LOG_LEVEL");
    let host = reader.required("HOST", host);
    let port = reader.required("PORT", number(0..=u16::MAX));
    let data_dir = reader.required("DATA_DIR", |text| Ok(PathBuf::from(text)));
    let cors_origins = reader.take("CORS_ORIGINS", origins);
    let trusted_proxies = reader.take("TRUSTED_PROXIES", list_of(network));
    if let Ok(Some(networks)) = &trusted_proxies
        && networks.iter().any(|network| network.prefix_len() == 0)
    {
        reader.warn(
            "TRUSTED_PROXIES",
            "it trusts every address, so any client can claim any other's address",
        );
    }
    let max_connections = reader.required("MAX_CONNECTIONS", number(1..=1_000_000));
    let limit = || fractional_seconds(0.1..=600.0);
    let header_timeout = reader.required("HEADER_TIMEOUT_SECONDS", limit());
    let body_timeout = reader.required("BODY_TIMEOUT_SECONDS", limit());
    let shutdown = reader.required("SHUTDOWN_SECONDS", fractional_seconds(0.0..=600.0));
    let login_url = reader.take("LOGIN_URL", login_url);
    let metrics = reader.required("METRICS", switch);
    Some(AppSettings {
        name: name?,
        debug: debug?,
        environment,
        log_directives: if more { "debug".to_owned() } else { log_directives? },
        host: host?,
        port: port?,
        data_dir: data_dir?,
        cors_origins: cors_origins.ok()?.unwrap_or_default(),
        trusted_proxies: trusted_proxies.ok()?.unwrap_or_default(),
        max_connections: max_connections?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        shutdown: shutdown?,
        login_url: login_url.ok()?,
        metrics: metrics?,
    })
}

/// A Python level name as its tracing level, or tracing directives as they are.
fn directives(text: &str) -> Result<String, Wrong> {
    let level = match text.to_ascii_lowercase().as_str() {
        "warning" => "warn",
        "critical" | "fatal" => "error",
        "notset" => "trace",
        word @ ("trace" | "debug" | "info" | "warn" | "error" | "off") => return Ok(word.to_owned()),
        _ if text.contains('=') && EnvFilter::builder().parse(text).is_ok() => text,
        _ => {
            return Err(Wrong::new(
                "is neither a level nor a list of tracing directives",
                "use DEBUG, INFO, WARNING, ERROR or CRITICAL, or directives such as info,maxlab_auth=debug",
            ));
        }
    };
    Ok(level.to_owned())
}

fn host(text: &str) -> Result<IpAddr, Wrong> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    text.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .map_err(|_| {
            Wrong::new(
                "is not an IP address",
                "use 0.0.0.0 for every interface, 127.0.0.1 for this machine only, or ::",
            )
        })
}

fn origins(text: &str) -> Result<Vec<String>, Wrong> {
    let mut origins = list(text)?
        .iter()
        .map(|item| web_origin(item))
        .collect::<Result<Vec<_>, _>>()?;
    origins.sort();
    origins.dedup();
    Ok(origins)
}

fn network(text: &str) -> Result<IpNet, Wrong> {
    text.parse::<IpNet>()
        .map(|network| network.trunc())
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            Wrong::new(
                format!("holds {text:?}, which is neither an IP address nor a network"),
                "write addresses like 10.0.0.7 and networks like 10.0.0.0/8",
            )
        })
}

/// A path is resolved by the browser; `//host` and `/\host` would lead it to another machine.
fn login_url(text: &str) -> Result<String, Wrong> {
    let is_path = text.starts_with('/') && !text.starts_with("//");
    if is_path && text.chars().all(|c| c.is_ascii_graphic() && c != '\\') {
        return Ok(text.to_owned());
    }
    http_url(text).map(String::from).map_err(|_| {
        Wrong::new(
            "is neither an http(s) URL nor a path",
            "write it like https://app.example.com/login or /login",
        )
    })
}
