//! The long form of the history test: real processes under faults, for as long as one likes.

use std::fs;

use anyhow::{Context, Result};

use crate::shell::{self, Workspace};

/// How long, where, and by which seed.
#[derive(Debug, clap::Args)]
pub(crate) struct TortureArguments {
    /// How long each arrangement is under load and faults; they run at the same time.
    #[arg(long, default_value_t = 15.0, value_parser = minutes)]
    minutes: f64,
    /// One arrangement only; may be given several times.
    #[arg(long, value_enum)]
    arrangement: Vec<Arrangement>,
    /// Draws the same faults in the same order as a run that printed this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// These faults only, by the names in the table, with commas between.
    #[arg(long)]
    faults: Option<String>,
}

/// Where the instances keep what they know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Arrangement {
    /// One process on its own files, and the command line beside it.
    Embedded,
    /// Three instances on one Redis, with a SQLite journal each.
    RedisSqlite,
    /// Three instances on one Redis and one PostgreSQL.
    RedisPostgres,
    /// Three instances on Redis under Sentinel and one PostgreSQL.
    Sentinel,
}

impl Arrangement {
    const ALL: [Self; 4] = [
        Self::Embedded,
        Self::RedisSqlite,
        Self::RedisPostgres,
        Self::Sentinel,
    ];

    /// The name of its test.
    fn test(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::RedisSqlite => "redis_sqlite",
            Self::RedisPostgres => "redis_postgres",
            Self::Sentinel => "sentinel_postgres",
        }
    }
}

/// Builds gateway and test for release, runs the arrangements, and prints the tables.
///
/// # Errors
/// When the build fails, or a run shows a violation.
pub(crate) fn run(workspace: &Workspace, arguments: &TortureArguments) -> Result<()> {
    let out = workspace.at("target/torture");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("{} stays", out.display()))?;
    }
    let chosen: &[Arrangement] = if arguments.arrangement.is_empty() {
        &Arrangement::ALL
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
    if let Ok(report) = fs::read_to_string(out.join("report.md")) {
        println!("\n{report}\nwritten to {}", out.display());
    }
    outcome
}

/// Reads a number of minutes.
pub(crate) fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.1..=1_440.0).contains(&minutes) => Ok(minutes),
        _ => Err("give a number of minutes from 0.1 to 1440".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_minutes() {
        assert_eq!(minutes("2.5"), Ok(2.5));
        for wrong in ["0", "-1", "NaN", "inf", "ten", ""] {
            assert!(minutes(wrong).is_err(), "{wrong}");
        }
    }
}
