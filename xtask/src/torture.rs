//! Long form of the history test: gateway processes under load and faults.

use std::fs;

use anyhow::{Context, Result};

use crate::shell::{self, Workspace};

/// Duration, arrangements, seed and faults.
#[derive(Debug, clap::Args)]
pub(crate) struct TortureArguments {
    /// Minutes of load and faults for each arrangement. All run at the same time.
    #[arg(long, default_value_t = 15.0, value_parser = parse_minutes)]
    minutes: f64,
    /// Run only this arrangement. Can be given several times.
    #[arg(long, value_enum)]
    arrangement: Vec<StoreArrangement>,
    /// Repeat the faults of the run that printed this seed, in the same order.
    #[arg(long)]
    seed: Option<u64>,
    /// Use only these faults, by their names in the table, separated by commas.
    #[arg(long)]
    faults: Option<String>,
}

/// Stores of the instances.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum StoreArrangement {
    /// One process with its own files, and the command line on the same files.
    Embedded,
    /// Three instances on one Redis, each with its own SQLite journal.
    RedisSqlite,
    /// Three instances on one Redis and one PostgreSQL.
    RedisPostgres,
    /// Three instances on Redis with Sentinel, and one PostgreSQL.
    Sentinel,
}

impl StoreArrangement {
    const ALL: [Self; 4] = [
        Self::Embedded,
        Self::RedisSqlite,
        Self::RedisPostgres,
        Self::Sentinel,
    ];

    /// Returns the name of the arrangement's test.
    fn test(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::RedisSqlite => "redis_sqlite",
            Self::RedisPostgres => "redis_postgres",
            Self::Sentinel => "sentinel_postgres",
        }
    }
}

/// Builds gateway and test for release, runs the arrangements, and prints their tables.
///
/// # Errors
/// The build fails, or a run shows a violation.
pub(crate) fn run(workspace: &Workspace, arguments: &TortureArguments) -> Result<()> {
    // A report of an earlier run would be printed as this one's.
    let out = workspace.at("target/torture");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    let chosen: &[StoreArrangement] = if arguments.arrangement.is_empty() {
        &StoreArrangement::ALL
    } else {
        &arguments.arrangement
    };
    let build = [
        "test",
        "--release",
        "--locked",
        "--package",
        "maxlab-auth",
        "--test",
        "torture",
        "--",
    ];
    // One thread for each arrangement.
    let rest = ["--exact", "--nocapture", "--test-threads=4"];
    let tests: Vec<_> = chosen.iter().map(|arrangement| arrangement.test()).collect();
    let mut command = workspace.cargo(&[&build, &rest[..], &tests].concat());
    command
        .env("MAXLAB_TORTURE_MINUTES", arguments.minutes.to_string())
        .env("MAXLAB_TORTURE_OUT", &out);
    if let Some(seed) = arguments.seed {
        command.env("MAXLAB_TORTURE_SEED", seed.to_string());
    }
    if let Some(faults) = &arguments.faults {
        command.env("MAXLAB_TORTURE_FAULTS", faults);
    }
    let outcome = shell::run(&mut command);
    // Printed also after a violation. It says which one.
    if let Ok(report) = fs::read_to_string(out.join("report.md")) {
        println!("\n{report}\nwritten to {}", out.display());
    }
    outcome
}

/// Parses a number of minutes.
pub(crate) fn parse_minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        // The range excludes NaN and infinity.
        Ok(minutes) if (0.1..=1_440.0).contains(&minutes) => Ok(minutes),
        _ => Err("give a number of minutes from 0.1 to 1440".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_minutes() {
        assert_eq!(parse_minutes("2.5"), Ok(2.5));
        for wrong in ["0", "-1", "NaN", "inf", "ten", ""] {
            assert!(parse_minutes(wrong).is_err(), "{wrong}");
        }
    }
}
