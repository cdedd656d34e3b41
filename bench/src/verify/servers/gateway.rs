//! The gateway as in production: with metrics and identity headers, and a replica full of revocations of
//! other tokens.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use maxlab_auth_bench::bulk_revocations;
use maxlab_auth_bench::sessions::SessionRows;
use maxlab_auth_testkit::{GatewayOptions, GatewayProcess, LyingAuthServer, wait};
use tokio::time::sleep;

use super::process::SERVERS_CORE;

/// Maximum time until the gateway is ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Key of 32 zero bytes, in the form that `keygen` writes. It protects only data of this benchmark.
pub(in crate::verify) const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// A gateway on the servers' core.
#[derive(Debug)]
pub(in crate::verify) struct BenchGateway(GatewayProcess);

impl BenchGateway {
    /// Starts a gateway with an embedded store of `entries` revocations.
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
        // The store's tables exist after the first start. Its file is filled while no process has it open.
        if entries > 0 {
            process.terminate().await?;
            bulk_revocations::insert_revocations(&process.folder().join("data/store.db"), entries).await?;
            process.restart().await?;
        }
        let gateway = Self(process);
        gateway.await_entries(entries).await?;
        Ok(gateway)
    }

    /// Starts a gateway with an embedded store of `entries` revocations, and these sessions.
    pub(in crate::verify) async fn start_with_sessions(
        binary: &Path,
        auth: &LyingAuthServer,
        entries: u64,
        sessions: &SessionRows,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let mut gateway = Self::start(binary, auth, entries, settings).await?;
        gateway.0.terminate().await?;
        let database = gateway.0.folder().join("data/maxlab-auth.db");
        sessions.insert_into_sqlite(&database).await?;
        gateway.0.restart().await?;
        gateway.await_entries(entries).await?;
        Ok(gateway)
    }

    /// Starts a gateway on Redis and PostgreSQL, with these sessions.
    pub(in crate::verify) async fn start_on_stores(
        binary: &Path,
        auth: &LyingAuthServer,
        sessions: &SessionRows,
        stores: &[(&str, String); 2],
    ) -> Result<Self> {
        let mut options = options(binary, auth)?;
        for (name, value) in stores {
            options = options.env(name, value.as_str());
        }
        let gateway = Self(options.start().await?);
        // The tables exist by now.
        let [_, (_, database)] = stores;
        sessions.insert_into_postgres(database).await?;
        gateway.await_entries(0).await?;
        Ok(gateway)
    }

    /// Starts a gateway on a shared store that has `entries` revocations already.
    pub(in crate::verify) async fn join(
        binary: &Path,
        auth: &LyingAuthServer,
        entries: u64,
        redis: &str,
    ) -> Result<Self> {
        let process = options(binary, auth)?.env("REDIS_URL", redis).start().await?;
        let gateway = Self(process);
        gateway.await_entries(entries).await?;
        Ok(gateway)
    }

    /// Starts a gateway, and measures the time to its first answer that allows a request.
    pub(in crate::verify) async fn start_cold(
        binary: &Path,
        auth: &LyingAuthServer,
        token: &str,
    ) -> Result<(Duration, Self)> {
        // Its data exists after the first start. The second start is measured, whose port is known in
        // advance.
        let mut process = options(binary, auth)?.start().await?;
        process.terminate().await?;
        let url = format!("{}/auth/verify", process.url());
        let client = reqwest::Client::new();
        let started = Instant::now();
        let first = async {
            loop {
                let answer = client.get(&url).bearer_auth(token).send().await;
                if answer.is_ok_and(|reply| reply.status().is_success()) {
                    return started.elapsed();
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        // Both at once: the requests begin before the process listens.
        let (first, restarted) = tokio::join!(first, process.restart());
        restarted?;
        Ok((first, Self(process)))
    }

    pub(in crate::verify) fn pid(&self) -> Result<u32> {
        self.0.pid().context("the gateway does not run")
    }

    pub(in crate::verify) fn port(&self) -> u16 {
        self.0.addr().port()
    }

    /// Returns the number of revocations in its replica.
    pub(in crate::verify) async fn entries(&self) -> Result<f64> {
        Ok(figures(&self.metrics().await?, "revocation_replica_entries").sum())
    }

    async fn metrics(&self) -> Result<String> {
        let answer = reqwest::get(format!("{}/metrics", self.0.url())).await?;
        Ok(answer.text().await?)
    }

    /// Waits until the replica has `entries` revocations and a lease.
    async fn await_entries(&self, entries: u64) -> Result<()> {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let expected = entries as f64;
        let complete = wait::holds_within(PATIENCE, async || {
            let text = self.metrics().await.unwrap_or_default();
            let known = figures(&text, "revocation_replica_entries").sum::<f64>();
            let leased = figures(&text, "revocation_lease_remaining_seconds").any(|left| left > 0.0);
            leased && known >= expected
        });
        ensure!(complete.await, "the replica is not complete: {}", self.0.log());
        Ok(())
    }
}

/// Returns the values of a metric, one for each set of labels.
fn figures<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = f64> + 't {
    text.lines()
        .filter(move |line| line.starts_with(name))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
}

/// Returns the options of a gateway that answers as in production.
fn options(binary: &Path, auth: &LyingAuthServer) -> Result<GatewayOptions> {
    let binary = binary.canonicalize()?;
    let binary = binary.to_str().context("the gateway's path is not UTF-8")?;
    // No access log, unless a part asks for it. All requests come from one address, so it has no rate limit.
    let options = GatewayProcess::of("/usr/bin/taskset")
        .args(["-c", SERVERS_CORE, binary, "serve"])
        .start_timeout(PATIENCE)
        .env("EXTERNAL_AUTH_URL", auth.url())
        .env("ENVIRONMENT", "staging")
        .env("SECRET_KEY", KEY)
        .env("SESSION_ENCRYPTION_KEY", KEY)
        .env("VERIFY_LAYERS", "local_jwt")
        .env("LOG_LEVEL", "WARNING")
        .env("RATE_LIMIT_PER_ADDRESS", "off")
        .env("JWT_ISSUER", auth.forge().issuer());
    Ok(match auth.forge().secret() {
        Some(_) => options,
        None => options.env("JWKS_URL", format!("{}/.well-known/jwks.json", auth.url())),
    })
}
