//! `dev`: the gateway beside the development authorization server, with everything kept in one folder.

mod screen;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use maxlab_auth_dev_idp::{DevIdpConfig, DevIdpError, PUBLIC_CLIENT_ID};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::args::DevArgs;
use super::doors::{Doors, listen};
use super::serve;
use super::{Stop, output, stopping};
use crate::app::App;
use crate::config::{Environment, Settings, Source, dev_defaults};
use screen::Screen;

/// Settings that would lead away from the development authorization server, out of the data folder, or off plain http.
const NOT_HERE: [&str; 11] = [
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

/// What these are not set for here is as it should be in development, and no news.
const NO_NEWS: [&str; 3] = ["SECRET_KEY", "SESSION_ENCRYPTION_KEY", "ALLOWED_REDIRECT_URIS"];

/// Both servers answer within this, or the screen says nothing.
const PATIENCE: Duration = Duration::from_secs(30);
const BEAT: Duration = Duration::from_millis(20);

const PRODUCTION: &str = "`dev` refuses ENVIRONMENT=production: its authorization server has public passwords. Use \
    `maxlab-auth serve` with your own one, or unset ENVIRONMENT.";

const DEVELOPMENT: &str =
    "`dev` is for ENVIRONMENT=development (the default), which makes missing secrets by itself.";

/// Runs both servers.
pub(super) async fn dev(args: &DevArgs) -> Result<(), Stop> {
    if std::env::var("ENVIRONMENT")
        .is_ok_and(|word| word.trim().eq_ignore_ascii_case(Environment::Production.as_str()))
    {
        return Err(anyhow!(PRODUCTION).into());
    }
    let loaded = Settings::load(&source(args)).inspect_err(|_| eprintln!("{DEVELOPMENT}"));
    let (settings, warnings) = loaded?;
    if settings.app.environment == Environment::Production {
        return Err(anyhow!(PRODUCTION).into());
    }
    let loopback = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), args.idp_port);
    let idp_listener = listen(loopback, "choose another with --idp-port").await?;
    let doors = Doors::open(&settings, "choose another with --port").await?;
    serve::begin_logs(&settings)?;
    for warning in warnings
        .iter()
        .filter(|warning| !NO_NEWS.contains(&warning.name.as_str()))
    {
        tracing::warn!(setting = warning.name, "{warning}");
    }
    let stop = stopping::on_signal()?;
    Ok(run(settings, doors, idp_listener, &stop).await?)
}

fn source(args: &DevArgs) -> Source {
    let mut overrides = BTreeMap::new();
    let mut set = |name: &str, value: String| _ = overrides.insert(name.to_owned(), value);
    for name in NOT_HERE {
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
    Source::from_environment()
        .with_defaults(dev_defaults(args.idp_port))
        .with_overrides(overrides)
}

/// The development authorization server's address and name. `localhost`, so that browsers treat it as safe.
fn issuer(idp_port: u16) -> String {
    format!("http://localhost:{idp_port}")
}

async fn run(
    settings: Settings,
    doors: Doors,
    idp_listener: TcpListener,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (address, idp_address) = (doors.address()?, idp_listener.local_addr()?);
    let idp_config = idp_config(&settings, address.port(), idp_address.port());
    let screen = Screen::new(address, &idp_config, &settings)?;
    // It ends last: what waits in the outbox may still reach it.
    let idp_stop = CancellationToken::new();
    let idp = maxlab_auth_dev_idp::serve(idp_listener, idp_config, idp_stop.clone().cancelled_owned());
    let idp_ended = idp_stop.clone();
    let idp = async {
        let served = idp.await;
        if !idp_ended.is_cancelled() {
            stop.cancel();
        }
        served
    };
    let gateway = async {
        let served = gateway(settings, doors, stop).await;
        idp_stop.cancel();
        served
    };
    let shown = async {
        tokio::select! {
            shown = show(&screen, address, idp_address) => shown,
            () = stop.cancelled() => Ok(()),
        }
    };
    let (gateway, idp, shown) = tokio::join!(Box::pin(gateway), Box::pin(idp), shown);
    idp.map_err(explained)?;
    gateway?;
    shown
}

async fn gateway(settings: Settings, doors: Doors, stop: &CancellationToken) -> anyhow::Result<()> {
    let address = doors.address()?;
    let app = tokio::select! {
        opened = Box::pin(App::open(settings)) => opened.inspect_err(|_| stop.cancel())?,
        () = stop.cancelled() => return Ok(()),
    };
    serve::announce(&app, address);
    serve::run(&app, doors, stop).await
}

fn idp_config(settings: &Settings, port: u16, idp_port: u16) -> DevIdpConfig {
    let mut config = DevIdpConfig::new(issuer(idp_port), idp_folder(settings));
    config.environment = settings.app.environment.as_str().to_owned();
    config.redirect_uris = ["localhost", "127.0.0.1"]
        .map(|host| format!("http://{host}:{port}/callback"))
        .to_vec();
    config
}

fn idp_folder(settings: &Settings) -> PathBuf {
    settings.app.data_dir.join("dev-idp")
}

fn explained(fault: DevIdpError) -> anyhow::Error {
    match fault {
        DevIdpError::InUse(folder) => anyhow!(
            "another `maxlab-auth dev` uses {}. Stop it, or choose another folder with --data-dir.",
            folder.display()
        ),
        fault => fault.into(),
    }
}

/// Prints the screen once both servers answer.
async fn show(screen: &Screen, gateway: SocketAddr, idp: SocketAddr) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .context("no HTTP client")?;
    let both = async {
        for address in [gateway, idp] {
            let url = format!("http://{}/health", reachable(address));
            while !client
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                tokio::time::sleep(BEAT).await;
            }
        }
    };
    if tokio::time::timeout(PATIENCE, both).await.is_err() {
        bail!("the servers do not answer on {gateway} and {idp}; the log says why")
    }
    Ok(output::print(&screen.text())?)
}

/// Where a server that listens on every address is asked.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}
