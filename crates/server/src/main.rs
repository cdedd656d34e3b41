//! The binary: reads the command line, runs it, and answers with an exit status.

use std::process::ExitCode;

use clap::Parser as _;
use maxlab_auth::cli::{self, args::CommandLine};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(cli::run(command));
            // Whatever had to end in order has ended. What is left is book-keeping that may be lost, and must not hold up
            // the end of a command.
            runtime.shutdown_background();
            code
        }
        Err(fault) => {
            eprintln!("error: the operating system gave no threads or files to begin with: {fault}");
            ExitCode::FAILURE
        }
    }
}
