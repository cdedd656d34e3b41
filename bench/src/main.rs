//! Measurements of the gateway's parts: `cargo xtask bench WHAT`.

mod in_process;
mod memory;
mod percentiles;
mod replica;
mod report;
mod revoke;
mod verify;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The service's own allocator, so that what is measured of memory holds there too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures, and sets the figures beside their targets.
#[derive(Debug, Parser)]
#[command(name = "maxlab-auth-bench")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The in-memory index of revocations: memory, look-ups, growth and expiry.
    Replica(replica::Scale),
    /// Revoking: how long one takes, and how many a second, for 1, 3 and 10 instances.
    Revoke(revoke::Scale),
    /// `/auth/verify` and its other doors, beside nginx, bare hyper, bare axum, HAProxy and Envoy.
    Verify(verify::Scale),
    /// A remembered verdict, the revocation check and a requirement inside one process.
    InProcess(in_process::Scale),
    /// A server with nothing behind it, to be compared with.
    #[command(hide = true)]
    Bare {
        /// Which.
        which: verify::bare::Bare,
        /// Where it listens.
        port: u16,
    },
    /// A client of one of the doors.
    #[command(hide = true)]
    Drive(verify::drive::Order),
}

fn main() -> Result<()> {
    let report = match Arguments::parse().what {
        What::Replica(scale) => replica::measure(&scale)?.to_string(),
        What::Revoke(scale) => revoke::measure(&scale)?,
        What::Verify(scale) => verify::measure(&scale)?.to_string(),
        What::InProcess(scale) => in_process::measure(&scale)?.to_string(),
        What::Bare { which, port } => return verify::bare::serve(which, port),
        What::Drive(order) => return verify::drive::run(&order),
    };
    println!("{report}");
    Ok(())
}
