//! What `check` is told.

use clap::Args;

use super::Json;

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Only say which rule of POLICY_FILE is about such a request, and what it asks for
    #[arg(long, num_args = 2, value_names = ["METHOD", "URL"])]
    pub policy_for: Option<Vec<String>>,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the help of the flag"
    )]
    pub output: Json,
}
