//! What a verified answer costs, beside what other servers take for any answer.

mod bare;
mod compare;
mod gateway;
mod haproxy;
mod load;
mod nginx;
mod process;
mod svg;
mod tokens;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use maxlab_auth_testkit::{Algorithm, LyingAuthServer, TokenForge};

pub(crate) use bare::{Bare, serve as serve_bare};

use crate::report::Report;
use compare::{Contender, compare};
use gateway::Gateway;
use load::Load;
use process::kibibytes;

/// What the targets were set beside, in µs of CPU per request, before anything was built, where it is not installed.
const GUIDE: f64 = 40_000.0;

/// How much to measure. The defaults are what the targets are about.
#[derive(Debug, clap::Args)]
pub(crate) struct Scale {
    /// The gateway's binary.
    #[arg(long, default_value = "target/release/maxlab-auth")]
    gateway: PathBuf,
    /// Seconds of each run.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Runs of each server, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Different tokens.
    #[arg(long, default_value_t = 2_000)]
    tokens: usize,
    /// Revocations in the replica.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Leaves the uncached rates out.
    #[arg(long)]
    cached_only: bool,
}

/// Starts everything that is compared, and measures.
///
/// # Errors
/// Where `wrk`, `nginx` or `taskset` is missing, or something does not start.
pub(crate) fn measure(scale: &Scale) -> Result<Report> {
    ensure!(
        scale.gateway.exists(),
        "{} is not there: cargo build --release",
        scale.gateway.display()
    );
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(all(scale))
}

async fn all(scale: &Scale) -> Result<Report> {
    let mut report = Report::titled(format!(
        "verify: {} tokens of about {} bytes, {} revocations, 64 connections, {} × {} s, server and wrk on a core each",
        scale.tokens,
        tokens::LENGTH,
        scale.entries,
        scale.rounds,
        scale.seconds
    ));
    cached(scale, &mut report).await?;
    one_by_one(scale, &mut report).await?;
    if !scale.cached_only {
        for algorithm in [Algorithm::Rs256, Algorithm::Hs256, Algorithm::Es256] {
            Box::pin(uncached(scale, algorithm, &mut report)).await?;
        }
    }
    Ok(report)
}

async fn cached(scale: &Scale, report: &mut Report) -> Result<()> {
    let forge = TokenForge::new("https://issuer.example", Algorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let load = Load::of(
        &tokens::of(&forge, scale.tokens),
        Duration::from_secs(scale.seconds),
    )?;
    let gateway = Gateway::start(&scale.gateway, &auth, scale.entries, &[]).await?;
    let logging = Gateway::start(&scale.gateway, &auth, 0, &[("LOG_LEVEL", "INFO")]).await?;
    let nginx = nginx::start(false)?;
    let nginx_logging = nginx::start(true)?;
    let hyper = bare::start(Bare::Hyper)?;
    let axum = bare::start(Bare::Axum)?;
    let contenders = [
        Contender::of("maxlab-auth, cached", gateway.pid()?, gateway.port()),
        Contender::of("nginx return 200", nginx.pid(), nginx.port()),
        Contender::of("bare hyper", hyper.pid(), hyper.port()),
        Contender::of("bare axum", axum.pid(), axum.port()),
        Contender::of("maxlab-auth, access log", logging.pid()?, logging.port()),
        Contender::of("nginx, access log", nginx_logging.pid(), nginx_logging.port()),
    ];
    let measured = compare(&contenders, &load, scale.rounds)?;
    measured.print();
    svg::write("verify", &measured)?;
    let [ours, nginx, hyper, axum, logged, nginx_logged] = measured.six()?;
    report.at_most(
        "CPU of a cached answer, of nginx's",
        1.0,
        ours.cpu / nginx.cpu,
        "×",
    );
    report.figure("… of bare hyper's", ours.cpu / hyper.cpu, "×");
    report.at_most("p99, of bare axum's", 1.3, ours.p99 / axum.p99, "×");
    report.at_least(
        "the guide's CPU (40,000 µs, measured before), of ours",
        1_000.0,
        GUIDE / ours.cpu,
        "×",
    );
    report.figure(
        "with the access log, of nginx's with its own",
        logged.cpu / nginx_logged.cpu,
        "×",
    );
    Ok(())
}

async fn one_by_one(scale: &Scale, report: &mut Report) -> Result<()> {
    const MANY: usize = 20_000;
    let forge = TokenForge::new("https://issuer.example", Algorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let token = tokens::of(&forge, 1);
    let (first, gateway) = Gateway::cold(&scale.gateway, &auth, token.first().context("a token")?).await?;
    report.at_most(
        "cold start to the first verified answer",
        150.0,
        first.as_secs_f64() * 1e3,
        "ms",
    );
    let idle = kibibytes(gateway.pid()?)?;
    report.at_most("idle, resident", 25.0, idle / 1_024.0, "MiB");
    Load::of(&token, Duration::from_secs(1))?.run(gateway.port())?;
    let before = kibibytes(gateway.pid()?)?;
    Load::of(&tokens::of(&forge, MANY), Duration::from_secs(8))?.run(gateway.port())?;
    let grown = kibibytes(gateway.pid()?)? - before;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = grown / MANY as f64;
    report.at_most("memory per cached token of 900 bytes", 1.3, each, "KiB");
    Ok(())
}

async fn uncached(scale: &Scale, algorithm: Algorithm, report: &mut Report) -> Result<()> {
    let forge = TokenForge::new("https://issuer.example", algorithm);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let load = Load::of(
        &tokens::of(&forge, scale.tokens),
        Duration::from_secs(scale.seconds),
    )?;
    let secret = forge.secret();
    let mut settings = vec![("VERIFY_CACHE_SECONDS", "0")];
    if let Some(secret) = &secret {
        settings.extend([("JWT_SECRET_KEY", secret.as_str()), ("JWT_ALGORITHM", "HS256")]);
    }
    let gateway = Gateway::start(&scale.gateway, &auth, 0, &settings).await?;
    let haproxy = haproxy::start(&forge, algorithm)?;
    let mut contenders = vec![Contender::of(
        "maxlab-auth, uncached",
        gateway.pid()?,
        gateway.port(),
    )];
    if let Some(haproxy) = &haproxy {
        contenders.push(Contender::of("HAProxy jwt_verify", haproxy.pid(), haproxy.port()));
    }
    let measured = compare(&contenders, &load, scale.rounds.min(3))?;
    println!("{}", algorithm.name());
    measured.print();
    if let [ours, theirs] = measured.rows() {
        let target = if algorithm == Algorithm::Es256 { 1.2 } else { 1.4 };
        let what = format!("uncached {}: HAProxy's CPU, of ours", algorithm.name());
        report.at_least(&what, target, theirs.cpu / ours.cpu, "×");
    }
    Ok(())
}
