//! `dev`: runs the gateway together with the development authorization server, with all data in one folder.

mod demo;
mod instructions;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use maxlab_auth_dev_idp::{DevIdpConfig, DevIdpError, PUBLIC_CLIENT_ID};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::args::DevArgs;
use super::serve;
use super::signals::{self, HangupAction};
use super::sockets::{BoundSockets, bind_tcp};
use super::{CommandError, output};
use crate::app::App;
use crate::config::{Environment, Settings, SettingsSource, dev_defaults};
use crate::http::browser::DEFAULT_PROVIDER;
use crate::telemetry;
use instructions::DevInstructions;

/// Settings that are ignored: they would select another authorization server, stores outside the data folder,
/// or TLS.
const DISABLED_SETTINGS: [&str; 11] = [
    "REDIS_URL",
    "DATABASE_URL",
    "OAUTH_CLIENT_SECRET",
    "JWKS_URL",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "JWT_SECRET_KEY",
    "INTROSPECTION_URL",
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "TLS_PORT",
];

/// Settings whose warning is not shown: in development they are meant to be unset.
const EXPECTED_WARNINGS: [&str; 3] = ["SECRET_KEY", "SESSION_ENCRYPTION_KEY", "ALLOWED_REDIRECT_URIS"];

/// Time limit for both servers to answer.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two checks whether a server answers.
const HEALTH_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Error text if the environment is production.
const PRODUCTION_REFUSED: &str = "`dev` refuses ENVIRONMENT=production: its authorization server has public passwords. Use \
    `maxlab-auth serve` with your own authorization server, or unset ENVIRONMENT.";

/// Hint that is printed before faults of the settings.
const DEVELOPMENT_ONLY: &str =
    "`dev` is for ENVIRONMENT=development (the default), which generates missing secrets by itself.";

/// Runs both servers.
pub(super) async fn dev(args: &DevArgs) -> Result<(), CommandError> {
    // Before the settings are loaded: production would refuse them for other reasons first.
    if std::env::var("ENVIRONMENT")
        .is_ok_and(|word| word.trim().eq_ignore_ascii_case(Environment::Production.as_str()))
    {
        return Err(anyhow!(PRODUCTION_REFUSED).into());
    }
    let loaded = Settings::load(&dev_source(args))
        .inspect_err(|_| telemetry::write_to_stderr(&format!("{DEVELOPMENT_ONLY}\n")));
    let (settings, warnings) = loaded?;
    // Again: .env may set it.
    if settings.app.environment == Environment::Production {
        return Err(anyhow!(PRODUCTION_REFUSED).into());
    }
    let loopback = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), args.idp_port);
    let idp_listener = bind_tcp(loopback, "choose another with --idp-port").await?;
    let sockets = BoundSockets::bind(&settings, "choose another with --port").await?;
    serve::init_logging(&settings)?;
    for warning in warnings
        .iter()
        .filter(|warning| !EXPECTED_WARNINGS.contains(&warning.name.as_str()))
    {
        tracing::warn!(setting = warning.name, "{warning}");
    }
    // A closed terminal ends it; no supervisor sends SIGHUP here.
    let stop = signals::listen_for_signals(HangupAction::Drain)?.stop;
    Ok(run_servers(settings, sockets, idp_listener, &stop).await?)
}

fn dev_source(args: &DevArgs) -> SettingsSource {
    let mut overrides = BTreeMap::new();
    let mut set = |name: &str, value: String| _ = overrides.insert(name.to_owned(), value);
    // An empty value counts as unset. The file variant has to be overridden too.
    for name in DISABLED_SETTINGS {
        set(name, String::new());
        set(&format!("{name}_FILE"), String::new());
    }
    set("EXTERNAL_AUTH_URL", issuer(args.idp_port));
    set("OAUTH_CLIENT_ID", PUBLIC_CLIENT_ID.to_owned());
    if let Some(port) = args.port {
        set("PORT", port.to_string());
    }
    if let Some(folder) = &args.data_dir {
        set("DATA_DIR", folder.display().to_string());
    }
    SettingsSource::from_environment()
        .with_defaults(dev_defaults(args.idp_port))
        .with_overrides(overrides)
}

/// Returns the URL of the development authorization server, which is also its issuer.
// `localhost` and not 127.0.0.1: browsers send it cookies of the gateway at localhost, and treat it as
// secure.
fn issuer(idp_port: u16) -> String {
    format!("http://localhost:{idp_port}")
}

async fn run_servers(
    mut settings: Settings,
    sockets: BoundSockets,
    idp_listener: TcpListener,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (address, idp_address) = (sockets.http_address()?, idp_listener.local_addr()?);
    // The port is known only now: 0 takes a free one.
    let public_url = format!("http://localhost:{}", address.port());
    settings.login.public_url = Some(public_url.parse().context("PUBLIC_URL")?);
    let idp_config = idp_config(&settings, address.port(), idp_address.port());
    let instructions = DevInstructions::new(address, &idp_config, &settings)?;
    // The authorization server ends last: messages in the outbox may still reach it.
    let idp_stop = CancellationToken::new();
    let idp = maxlab_auth_dev_idp::serve(idp_listener, idp_config, idp_stop.clone().cancelled_owned());
    let idp_ended = idp_stop.clone();
    let idp = async {
        let result = idp.await;
        // It failed by itself: without it the gateway is of no use here.
        if !idp_ended.is_cancelled() {
            stop.cancel();
        }
        result
    };
    let gateway = async {
        let result = run_gateway(settings, sockets, stop).await;
        idp_stop.cancel();
        result
    };
    let printed = async {
        tokio::select! {
            printed = print_when_ready(&instructions, address, idp_address) => printed,
            () = stop.cancelled() => Ok(()),
        }
    };
    let (gateway, idp, printed) = tokio::join!(Box::pin(gateway), Box::pin(idp), printed);
    // The cause first: if the authorization server fails, the gateway only stops.
    idp.map_err(explain_idp_error)?;
    gateway?;
    printed
}

async fn run_gateway(
    settings: Settings,
    sockets: BoundSockets,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let address = sockets.http_address()?;
    let app = tokio::select! {
        // An error stops the authorization server too, which would otherwise run on alone.
        opened = Box::pin(App::open(settings)) => opened.inspect_err(|_| stop.cancel())?,
        () = stop.cancelled() => return Ok(()),
    };
    let app = app.with_application(demo::demo_routes());
    serve::log_startup(&app, address);
    serve::run_until_stopped(&app, sockets, stop).await
}

fn idp_config(settings: &Settings, port: u16, idp_port: u16) -> DevIdpConfig {
    let mut config = DevIdpConfig::new(issuer(idp_port), idp_folder(settings));
    config.environment = settings.app.environment.as_str().to_owned();
    // Both names of this machine: redirect URIs are compared exactly.
    let host_urls = ["localhost", "127.0.0.1"].map(|host| format!("http://{host}:{port}"));
    config.redirect_uris = host_urls
        .iter()
        .flat_map(|url| {
            [
                format!("{url}/callback"),
                format!("{url}/auth/callback/{DEFAULT_PROVIDER}"),
            ]
        })
        .collect();
    config
}

fn idp_folder(settings: &Settings) -> PathBuf {
    settings.app.data_dir.join("dev-idp")
}

fn explain_idp_error(fault: DevIdpError) -> anyhow::Error {
    match fault {
        DevIdpError::InUse(folder) => anyhow!(
            "another `maxlab-auth dev` uses {}. Stop it, or choose another folder with --data-dir.",
            folder.display()
        ),
        fault => fault.into(),
    }
}

/// Prints the instructions once both servers answer.
async fn print_when_ready(
    instructions: &DevInstructions,
    gateway: SocketAddr,
    idp: SocketAddr,
) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(START_TIMEOUT)
        .build()
        .context("the HTTP client cannot be made")?;
    let both = async {
        for address in [gateway, idp] {
            let url = format!("http://{}/health", reachable(address));
            while !client
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                tokio::time::sleep(HEALTH_POLL_INTERVAL).await;
            }
        }
    };
    if tokio::time::timeout(START_TIMEOUT, both).await.is_err() {
        bail!("the servers do not answer on {gateway} and {idp}; the log shows why")
    }
    Ok(output::print(&instructions.render())?)
}

/// Returns an address at which a server can be reached, also if it listens on every address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}
