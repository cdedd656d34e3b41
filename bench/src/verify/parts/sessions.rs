//! Session cookie, compared with a cached bearer token, and the memory of a cached session.

use std::time::Duration;

use anyhow::{Context as _, Result};
use maxlab_auth_bench::sessions::SessionRows;
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use maxlab_auth_testkit::{
    ForgeAlgorithm, LyingAuthServer, PostgresServer, RedisOptions, RedisServer, TokenForge,
};

use crate::verify::compare::{Contender, compare};
use crate::verify::load::wrk::Wrk;
use crate::verify::servers::gateway::{self, BenchGateway};
use crate::verify::servers::nginx;
use crate::verify::servers::process::resident_kibibytes;
use crate::verify::{ISSUER, VerifyOutcome, VerifyScale};

/// Number of live sessions in each database. As many of them as there are tokens are in use.
const LIVE: usize = 100_000;
/// Number of sessions that are presented, so that they are cached.
const CACHED: usize = 20_000;
/// Duration of the load. Long enough to present all of them.
const PRESENTING: Duration = Duration::from_secs(15);
/// Cache time for the measurement of memory: all sessions are cached at its end.
const LONG_CACHE: (&str, &str) = ("VERIFY_CACHE_SECONDS", "300");

pub(in crate::verify) async fn measure(scale: &VerifyScale, outcome: &mut VerifyOutcome) -> Result<()> {
    let forge = TokenForge::new(ISSUER, ForgeAlgorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let sessions = SessionRows::create(LIVE, gateway::KEY, SystemClock.now()).await?;
    let embedded =
        BenchGateway::start_with_sessions(&scale.gateway, &auth, scale.entries, &sessions, &[]).await?;
    let redis = RedisServer::start_with(RedisOptions::plain()).await?;
    let postgres = PostgresServer::start().await?;
    let database = postgres.create_database().await?;
    let stores = [("REDIS_URL", redis.url()), ("DATABASE_URL", database)];
    let shared = BenchGateway::start_on_stores(&scale.gateway, &auth, &sessions, &stores).await?;
    let nginx = nginx::start(false)?;
    let used = sessions
        .cookies
        .get(..scale.tokens)
        .context("there are more tokens than sessions")?;
    let (tokens, cookies) = (&Wrk::of(&scale.tokens_of(&forge))?, &Wrk::of_cookies(used)?);
    let with = |name, pid, wrk: &'_ Wrk, port| {
        let wrk = wrk.clone();
        Contender::of(name, pid, move |duration| wrk.run(port, duration))
    };
    let contenders = [
        with("bearer token, embedded", embedded.pid()?, tokens, embedded.port()),
        with(
            "session cookie, embedded",
            embedded.pid()?,
            cookies,
            embedded.port(),
        ),
        with(
            "bearer token, Redis and PostgreSQL",
            shared.pid()?,
            tokens,
            shared.port(),
        ),
        with(
            "session cookie, Redis and PostgreSQL",
            shared.pid()?,
            cookies,
            shared.port(),
        ),
        with("nginx return 200", nginx.pid(), cookies, nginx.port()),
    ];
    let title = format!("session cookies, {} of {LIVE} live sessions in use", used.len());
    let measured = compare(title, &contenders, scale.turns())?;
    let [token, cookie, shared_token, shared_cookie, nginx] = measured.rows()?;
    let report = &mut outcome.report;
    let what = "CPU of a session cookie, divided by a cached bearer token's: embedded";
    report.at_most(what, 1.15, cookie.cpu / token.cpu, "×");
    let what = "… with Redis and PostgreSQL";
    report.at_most(what, 1.15, shared_cookie.cpu / shared_token.cpu, "×");
    report.figure("… divided by nginx's", cookie.cpu / nginx.cpu, "×");
    outcome.comparisons.push(measured);
    drop((embedded, shared));
    measure_memory(scale, &auth, &sessions, outcome).await
}

async fn measure_memory(
    scale: &VerifyScale,
    auth: &LyingAuthServer,
    sessions: &SessionRows,
    outcome: &mut VerifyOutcome,
) -> Result<()> {
    let gateway = BenchGateway::start_with_sessions(&scale.gateway, auth, 0, sessions, &[LONG_CACHE]).await?;
    // First with one session for the same time, so that the memory of the load itself is in both figures.
    let [before, after] = [1, CACHED].map(|count| {
        let cookies = sessions.cookies.get(..count).unwrap_or_default();
        Wrk::of_cookies(cookies)?.run(gateway.port(), PRESENTING)?;
        super::standalone::settle();
        resident_kibibytes(gateway.pid()?)
    });
    let grown = after? - before?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = grown / CACHED as f64;
    outcome
        .report
        .at_most("memory per cached session", 1.5, each, "KiB");
    Ok(())
}
