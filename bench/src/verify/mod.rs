//! What a verified answer costs, beside what other servers take.
//!
//! Servers run one at a time on a core of their own and are loaded from another; what a row says of CPU is what the kernel counts of
//! the server's process, in the middle one of its runs. [`Part`] lists what can be measured.

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

use crate::report::Report;
use compare::{Measured, Turns};
use parts::{alone, arriving, cached, doors, envoy, uncached};

const ISSUER: &str = "https://issuer.example";

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// A remembered verdict beside nginx, bare hyper and bare axum.
    Cached,
    /// The same while revocations arrive through Redis.
    Arriving,
    /// A signature checked each time, beside HAProxy: RS256, HS256, ES256.
    Uncached,
    /// RS256 beside Envoy, both with and without remembering.
    Envoy,
    /// Envoy's gRPC ext_authz beside the HTTP door.
    Grpc,
    /// A Unix socket beside TCP.
    Unix,
    /// Cold start, idle memory, and memory for each remembered token.
    Memory,
}

impl Part {
    async fn measure(self, scale: &Scale, outcome: &mut Outcome) -> Result<()> {
        match self {
            Self::Cached => cached::measure(scale, outcome).await,
            Self::Arriving => arriving::measure(scale, outcome).await,
            Self::Uncached => uncached::measure(scale, outcome).await,
            Self::Envoy => envoy::measure(scale, outcome).await,
            Self::Grpc => doors::grpc(scale, outcome).await,
            Self::Unix => doors::unix(scale, outcome).await,
            Self::Memory => alone::measure(scale, outcome).await,
        }
    }
}

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
    /// These parts only, with commas between them; every one unless given.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
}

impl Scale {
    fn turns(&self) -> Turns {
        Turns {
            rounds: self.rounds,
            lasts: Duration::from_secs(self.seconds),
        }
    }

    fn tokens_of(&self, forge: &TokenForge) -> Vec<String> {
        tokens::of(forge, self.tokens)
    }

    fn parts(&self) -> &[Part] {
        if self.only.is_empty() {
            <Part as clap::ValueEnum>::value_variants()
        } else {
            &self.only
        }
    }
}

/// What was found so far.
#[derive(Debug)]
struct Outcome {
    report: Report,
    measured: Vec<Measured>,
}

/// Starts everything that is compared, and measures.
///
/// # Errors
/// The gateway's binary or `taskset` is missing, or there is one core only. A part that can't be measured is a row that says why.
pub(crate) fn measure(scale: &Scale) -> Result<Report> {
    ensure!(
        scale.gateway.exists(),
        "{} is not there: cargo build --release",
        scale.gateway.display()
    );
    servers::process::leave_the_servers_core()?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(all(scale))
}

async fn all(scale: &Scale) -> Result<Report> {
    let report = Report::titled(format!(
        "verify: {} tokens of about {} bytes, {} revocations, 64 connections, {} × {} s, server and load on a core each",
        scale.tokens,
        tokens::LENGTH,
        scale.entries,
        scale.rounds,
        scale.seconds
    ));
    let mut outcome = Outcome {
        report,
        measured: Vec::new(),
    };
    for part in scale.parts() {
        // What one part lacks is no reason to measure no other.
        if let Err(fault) = Box::pin(part.measure(scale, &mut outcome)).await {
            outcome.report.left_out(&format!("{part:?}: {fault:#}"));
        }
        svg::write("verify", &outcome.measured)?;
    }
    Ok(outcome.report)
}
