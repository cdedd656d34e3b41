//! Binary of the gateway: parses the command line, runs the command, and returns its exit status.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use maxlab_auth::cli::{self, args::CommandLine};

// mimalloc, without huge pages: decision 15 has the memory figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(cli::run(command));
            // Everything that must end in order has ended. Blocking tasks that still run (a file check, a
            // name lookup) may be lost and must not delay the end of a command.
            runtime.shutdown_background();
            code
        }
        Err(fault) => {
            // Not `eprintln!`, which panics if nothing reads standard error.
            let _ = writeln!(
                std::io::stderr(),
                "error: the operating system gave no thread or file descriptor to start with: {fault}"
            );
            ExitCode::FAILURE
        }
    }
}
