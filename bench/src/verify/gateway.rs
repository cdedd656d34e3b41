//! The gateway as it runs in production: with metrics and identity headers, and a replica full of other people's revocations.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use maxlab_auth_testkit::{GatewayOptions, GatewayProcess, LyingAuthServer};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::time::sleep;

use super::process::SERVERS_CORE;

const PATIENCE: Duration = Duration::from_secs(60);
/// Keys that protect nothing but what this benchmark makes up: 32 zero bytes, as `keygen` would write them.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// Revocations of other tokens, for an hour.
const FILL: &str = "INSERT INTO revoked (kind, name, cutoff_ms, reason, revoked_at_ms, expires_at_ms, user_id)
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1)
    SELECT 'token', printf('bench-%08d', n), NULL, 'logout', unixepoch() * 1000, (unixepoch() + 3600) * 1000, NULL
    FROM number";

/// A gateway on the servers' core.
#[derive(Debug)]
pub(super) struct Gateway(GatewayProcess);

impl Gateway {
    /// Starts one that knows so many revocations.
    pub(super) async fn start(
        binary: &Path,
        auth: &LyingAuthServer,
        entries: u64,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let mut options = options(binary, auth)?;
        for (name, value) in settings {
            options = options.env(name, value);
        }
        let mut process = options.start().await?;
        if entries > 0 {
            process.terminate().await?;
            fill(process.folder(), entries).await?;
            process.restart().await?;
        }
        let gateway = Self(process);
        gateway.until_it_knows(entries).await?;
        Ok(gateway)
    }

    /// Starts one on an empty folder: how long it took to the first yes.
    pub(super) async fn cold(binary: &Path, auth: &LyingAuthServer, token: &str) -> Result<(Duration, Self)> {
        // Its folder exists after the first start; what is measured is the second, whose port is known beforehand.
        let mut process = options(binary, auth)?.start().await?;
        process.terminate().await?;
        let url = format!("{}/auth/verify", process.url());
        let client = reqwest::Client::new();
        let began = Instant::now();
        let first = async {
            loop {
                let asked = client.get(&url).bearer_auth(token).send().await;
                if asked.is_ok_and(|reply| reply.status().is_success()) {
                    return began.elapsed();
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        let (first, restarted) = tokio::join!(first, process.restart());
        restarted?;
        Ok((first, Self(process)))
    }

    pub(super) fn pid(&self) -> Result<u32> {
        self.0.pid().context("the gateway runs")
    }

    pub(super) fn port(&self) -> u16 {
        self.0.addr().port()
    }

    async fn until_it_knows(&self, entries: u64) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let text = reqwest::get(format!("{}/metrics", self.0.url()))
                .await?
                .text()
                .await?;
            let known = text
                .lines()
                .filter(|line| line.starts_with("revocation_replica_entries"))
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
                .sum::<f64>();
            let leased = text
                .lines()
                .filter_map(|line| line.strip_prefix("revocation_lease_remaining_seconds "))
                .any(|left| left.parse::<f64>().is_ok_and(|left| left > 0.0));
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            if leased && known >= entries as f64 {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("the replica is not complete: {}", self.0.log())
    }
}

fn options(binary: &Path, auth: &LyingAuthServer) -> Result<GatewayOptions> {
    let binary = binary.canonicalize()?;
    let binary = binary.to_str().context("a readable path")?;
    let options = GatewayProcess::of("/usr/bin/taskset")
        .args(["-c", SERVERS_CORE, binary, "serve"])
        .patience(PATIENCE)
        .env("EXTERNAL_AUTH_URL", auth.url())
        .env("ENVIRONMENT", "staging")
        .env("SECRET_KEY", KEY)
        .env("SESSION_ENCRYPTION_KEY", KEY)
        .env("VERIFY_LAYERS", "local_jwt")
        .env("LOG_LEVEL", "WARNING")
        .env("JWT_ISSUER", auth.forge().issuer());
    Ok(match auth.forge().secret() {
        Some(_) => options,
        None => options.env("JWKS_URL", format!("{}/.well-known/jwks.json", auth.url())),
    })
}

async fn fill(folder: &Path, entries: u64) -> Result<()> {
    for file in files(folder)? {
        let options = SqliteConnectOptions::new().filename(&file);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let filled = sqlx::query(FILL)
            .bind(i64::try_from(entries)?)
            .execute(&mut connection)
            .await;
        connection.close().await?;
        if filled.is_ok() {
            return Ok(());
        }
    }
    ensure!(entries == 0, "no store was found in {}", folder.display());
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path
            .extension()
            .is_some_and(|ext| ext == "db" || ext == "sqlite" || ext == "sqlite3")
        {
            found.push(path);
        }
    }
    Ok(found)
}
