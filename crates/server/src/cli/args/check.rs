//! Arguments of `check`.

use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Only show which rule of POLICY_FILE applies to this request, and what it requires
    #[arg(long, num_args = 2, value_names = ["METHOD", "URL"])]
    pub policy_for: Option<Vec<String>>,
    /// Only explain how the token in this file is judged, and what to change; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "policy_for")]
    pub token: Option<PathBuf>,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the help of the flag"
    )]
    pub output: OutputArgs,
}
