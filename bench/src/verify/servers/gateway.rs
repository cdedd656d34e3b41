//! The gateway as it runs in production: with metrics and identity headers, and a replica full of other people's revocations.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use maxlab_auth_bench::crowd;
use maxlab_auth_testkit::{GatewayOptions, GatewayProcess, LyingAuthServer};
use tokio::time::sleep;

use super::process::SERVERS_CORE;

const PATIENCE: Duration = Duration::from_secs(60);
/// Keys that protect nothing but what this benchmark makes up: 32 zero bytes, as `keygen` would write them.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// A gateway on the servers' core.
#[derive(Debug)]
pub(in crate::verify) struct Gateway(GatewayProcess);

impl Gateway {
    /// Starts one with an embedded store that holds so many revocations.
    pub(in crate::verify) async fn start(
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
            crowd::revoke(&process.folder().join("data/store.db"), entries).await?;
            process.restart().await?;
        }
        let gateway = Self(process);
        gateway.until_it_knows(entries).await?;
        Ok(gateway)
    }

    /// Starts one on a shared store that holds so many revocations already.
    pub(in crate::verify) async fn join(
        binary: &Path,
        auth: &LyingAuthServer,
        entries: u64,
        redis: &str,
    ) -> Result<Self> {
        let process = options(binary, auth)?.env("REDIS_URL", redis).start().await?;
        let gateway = Self(process);
        gateway.until_it_knows(entries).await?;
        Ok(gateway)
    }

    /// Starts one on an empty folder: how long it took to the first yes.
    pub(in crate::verify) async fn cold(
        binary: &Path,
        auth: &LyingAuthServer,
        token: &str,
    ) -> Result<(Duration, Self)> {
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

    pub(in crate::verify) fn pid(&self) -> Result<u32> {
        self.0.pid().context("the gateway runs")
    }

    pub(in crate::verify) fn port(&self) -> u16 {
        self.0.addr().port()
    }

    /// How many revocations its replica holds.
    pub(in crate::verify) async fn entries(&self) -> Result<f64> {
        Ok(figures(&self.metrics().await?, "revocation_replica_entries").sum())
    }

    async fn metrics(&self) -> Result<String> {
        let asked = reqwest::get(format!("{}/metrics", self.0.url())).await?;
        Ok(asked.text().await?)
    }

    async fn until_it_knows(&self, entries: u64) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let text = self.metrics().await?;
            let known = figures(&text, "revocation_replica_entries").sum::<f64>();
            let leased = figures(&text, "revocation_lease_remaining_seconds").any(|left| left > 0.0);
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            if leased && known >= entries as f64 {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("the replica is not complete: {}", self.0.log())
    }
}

/// The values of a metric, one for each set of labels.
fn figures<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = f64> + 't {
    text.lines()
        .filter(move |line| line.starts_with(name))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
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
