//! Cost of a verified answer, compared with that of other servers.
//!
//! Servers run one at a time on their own core and are loaded from another one. CPU is what the kernel counts
//! for the server's process. Each figure is the median of several runs. [`VerifyPart`] lists the
//! measurements.

mod compare;
mod load;
mod parts;
mod servers;
mod svg;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use maxlab_auth_bench::tokens;
use maxlab_auth_testkit::TokenForge;

pub(crate) use load::drive;
pub(crate) use servers::bare;

use crate::report::BenchReport;
use compare::{Comparison, RunPlan};
use parts::{arriving, cached, envoy, oauth2_proxy, sessions, standalone, transports, uncached};

const ISSUER: &str = "https://issuer.example";

/// Part of the benchmark that can be run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum VerifyPart {
    /// Cached verdict, compared with nginx, bare hyper and bare axum.
    Cached,
    /// Cached verdict while revocations arrive through Redis.
    Arriving,
    /// Signature checked for each request, compared with HAProxy: RS256, HS256, ES256.
    Uncached,
    /// RS256 compared with Envoy, both with and without a cache.
    Envoy,
    /// Envoy's gRPC ext_authz, compared with HTTP.
    Grpc,
    /// Unix socket, compared with TCP.
    Unix,
    /// Session cookie, compared with a cached bearer token and with nginx, and memory for each cached session.
    Sessions,
    /// Bearer token and session cookie, compared with oauth2-proxy.
    Oauth2Proxy,
    /// Cold start, idle memory, and memory for each cached token.
    Memory,
}

impl VerifyPart {
    async fn measure(self, scale: &VerifyScale, outcome: &mut VerifyOutcome) -> Result<()> {
        match self {
            Self::Cached => cached::measure(scale, outcome).await,
            Self::Arriving => arriving::measure(scale, outcome).await,
            Self::Uncached => uncached::measure(scale, outcome).await,
            Self::Envoy => envoy::measure(scale, outcome).await,
            Self::Grpc => transports::grpc(scale, outcome).await,
            Self::Unix => transports::unix(scale, outcome).await,
            Self::Sessions => sessions::measure(scale, outcome).await,
            Self::Oauth2Proxy => oauth2_proxy::measure(scale, outcome).await,
            Self::Memory => standalone::measure(scale, outcome).await,
        }
    }
}

/// Amount of work that is measured. The targets are for the defaults.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyScale {
    /// The gateway's binary.
    #[arg(long, default_value = "target/release/maxlab-auth")]
    gateway: PathBuf,
    /// Seconds of each run.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Runs of each server. The servers take turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Number of different tokens.
    #[arg(long, default_value_t = 2_000)]
    tokens: usize,
    /// Number of revocations in the replica.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Only these parts, separated by commas. Default: all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<VerifyPart>,
}

impl VerifyScale {
    fn turns(&self) -> RunPlan {
        RunPlan {
            rounds: self.rounds,
            duration: Duration::from_secs(self.seconds),
        }
    }

    fn tokens_of(&self, forge: &TokenForge) -> Vec<String> {
        tokens::sign_tokens(forge, self.tokens)
    }

    fn parts(&self) -> &[VerifyPart] {
        if self.only.is_empty() {
            <VerifyPart as clap::ValueEnum>::value_variants()
        } else {
            &self.only
        }
    }
}

/// Results so far.
#[derive(Debug)]
struct VerifyOutcome {
    report: BenchReport,
    comparisons: Vec<Comparison>,
}

/// Runs the chosen parts, and returns their report.
///
/// # Errors
/// The gateway's binary or `taskset` is missing, or the machine has only one core. A part that cannot be
/// measured is a row of the report with the reason.
pub(crate) fn measure(scale: &VerifyScale) -> Result<BenchReport> {
    ensure!(
        scale.gateway.exists(),
        "{} does not exist, run: cargo build --release",
        scale.gateway.display()
    );
    // First of all, because threads that exist later inherit the core.
    servers::process::pin_to_load_core()?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(measure_parts(scale))
}

async fn measure_parts(scale: &VerifyScale) -> Result<BenchReport> {
    let report = BenchReport::new(format!(
        "verify: {} tokens of about {} bytes, {} revocations, 64 connections, {} × {} s, server and load on a core each",
        scale.tokens,
        tokens::TOKEN_BYTES,
        scale.entries,
        scale.rounds,
        scale.seconds
    ));
    let mut outcome = VerifyOutcome {
        report,
        comparisons: Vec::new(),
    };
    for part in scale.parts() {
        // A missing program of one part must not prevent the others.
        // Boxed: the futures of the parts are large.
        if let Err(fault) = Box::pin(part.measure(scale, &mut outcome)).await {
            outcome.report.skipped(&format!("{part:?}: {fault:#}"));
        }
        // After each part, so that an aborted run leaves a picture.
        svg::write("verify", &outcome.comparisons)?;
    }
    Ok(outcome.report)
}
