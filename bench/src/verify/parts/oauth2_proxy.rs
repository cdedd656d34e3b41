//! Bearer token and session cookie, compared with oauth2-proxy.

use anyhow::{Context as _, Result};
use maxlab_auth_bench::sessions::SessionRows;
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use maxlab_auth_testkit::{
    ForgeAlgorithm, LyingAuthServer, PostgresServer, RedisOptions, RedisServer, TokenForge,
};

use crate::verify::compare::{Contender, compare};
use crate::verify::load::wrk::Wrk;
use crate::verify::servers::gateway::{self, BenchGateway};
use crate::verify::servers::oauth2_proxy::{self, SessionInstance};
use crate::verify::{ISSUER, VerifyOutcome, VerifyScale};

/// Number of sessions that are presented to each server.
const SESSIONS: usize = 200;
/// Path at which a front proxy asks oauth2-proxy.
const PATH: &str = "/oauth2/auth";

pub(in crate::verify) async fn measure(scale: &VerifyScale, outcome: &mut VerifyOutcome) -> Result<()> {
    if !oauth2_proxy::is_built() {
        let reason = "oauth2-proxy is not installed (`cargo xtask bench verify` builds it with Go)";
        outcome.report.skipped(reason);
        return Ok(());
    }
    // The algorithm that oauth2-proxy accepts without further settings.
    let forge = TokenForge::new(ISSUER, ForgeAlgorithm::Rs256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let sessions = SessionRows::create(SESSIONS, gateway::KEY, SystemClock.now()).await?;
    let redis = RedisServer::start_with(RedisOptions::plain()).await?;
    let postgres = PostgresServer::start().await?;
    let stores = [
        ("REDIS_URL", redis.url()),
        ("DATABASE_URL", postgres.create_database().await?),
    ];
    let ours = BenchGateway::start_on_stores(&scale.gateway, &auth, &sessions, &stores).await?;
    let checks_tokens = oauth2_proxy::start_for_tokens(&auth)?;
    let their_redis = RedisServer::start_with(RedisOptions::plain()).await?;
    let keeps_sessions = SessionInstance::start(&their_redis.url(), SESSIONS)
        .await
        .context("oauth2-proxy with sessions")?;

    let tokens = &Wrk::of(&scale.tokens_of(&forge))?;
    let cookies = &Wrk::of_cookies(&sessions.cookies)?;
    let their_tokens = &tokens.clone().at_path(PATH);
    let their_cookies =
        &Wrk::with_header(&keeps_sessions.cookies, SessionInstance::COOKIE_HEADER)?.at_path(PATH);
    let with = |name, pid, wrk: &Wrk, port| {
        let wrk = wrk.clone();
        Contender::of(name, pid, move |duration| wrk.run(port, duration))
    };
    let theirs = &keeps_sessions.process;
    let contenders = [
        with("maxlab-auth, bearer token", ours.pid()?, tokens, ours.port()),
        with(
            "oauth2-proxy, bearer token",
            checks_tokens.pid(),
            their_tokens,
            checks_tokens.port(),
        ),
        with("maxlab-auth, session cookie", ours.pid()?, cookies, ours.port()),
        with(
            "oauth2-proxy, session cookie",
            theirs.pid(),
            their_cookies,
            theirs.port(),
        ),
    ];
    let title = "beside oauth2-proxy, RS256, sessions: ours in PostgreSQL and Redis, theirs in Redis";
    let measured = compare(title, &contenders, scale.turns())?;
    let [token, their_token, cookie, their_cookie] = measured.rows()?;
    let report = &mut outcome.report;
    let what = "CPU of oauth2-proxy, divided by ours: bearer token";
    report.figure(what, their_token.cpu / token.cpu, "×");
    report.figure("… session cookie", their_cookie.cpu / cookie.cpu, "×");
    outcome.comparisons.push(measured);
    Ok(())
}
