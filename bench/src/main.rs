//! Measurements of the gateway's parts, run by `cargo xtask bench WHAT`.

mod in_process;
mod memory;
mod percentiles;
mod replica;
mod report;
mod revoke;
mod verify;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Allocator of the gateway, so that measured memory is that of the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures, and compares the figures with their targets.
#[derive(Debug, Parser)]
#[command(name = "maxlab-auth-bench")]
struct Arguments {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// In-memory index of revocations: memory, lookups, growth and expiry.
    Replica(replica::ReplicaScale),
    /// Revocation: time of one, and number per second, for 1, 3 and 10 instances.
    Revoke(revoke::RevokeScale),
    /// `/auth/verify` over all transports, compared with nginx, bare hyper, bare axum, HAProxy and Envoy.
    Verify(verify::VerifyScale),
    /// Cached verdict, revocation check and requirement inside one process.
    InProcess(in_process::InProcessScale),
    /// Server with nothing behind it, for comparison.
    #[command(hide = true)]
    Bare {
        /// Kind of server.
        which: verify::bare::BareServer,
        /// Port to listen on.
        port: u16,
    },
    /// Client that loads one transport.
    #[command(hide = true)]
    Drive(verify::drive::LoadArgs),
}

fn main() -> Result<()> {
    let report = match Arguments::parse().command {
        BenchCommand::Replica(scale) => replica::measure(&scale)?.to_string(),
        BenchCommand::Revoke(scale) => revoke::measure(&scale)?,
        BenchCommand::Verify(scale) => verify::measure(&scale)?.to_string(),
        BenchCommand::InProcess(scale) => in_process::measure(&scale)?.to_string(),
        // These two are started by a benchmark. They print no report.
        BenchCommand::Bare { which, port } => return verify::bare::serve(which, port),
        BenchCommand::Drive(load) => return verify::drive::run(&load),
    };
    println!("{report}");
    Ok(())
}
