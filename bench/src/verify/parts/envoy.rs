//! Cached and uncached verdicts on RS256 tokens, compared with Envoy's filter `jwt_authn`.

use anyhow::Result;
use maxlab_auth_testkit::{ForgeAlgorithm, LyingAuthServer, TokenForge};

use crate::verify::compare::{Contender, compare};
use crate::verify::load::wrk::Wrk;
use crate::verify::servers::envoy;
use crate::verify::servers::gateway::BenchGateway;
use crate::verify::{ISSUER, VerifyOutcome, VerifyScale};

pub(in crate::verify) async fn measure(scale: &VerifyScale, outcome: &mut VerifyOutcome) -> Result<()> {
    let forge = TokenForge::new(ISSUER, ForgeAlgorithm::Rs256);
    let (Some(caching), Some(uncaching)) = (envoy::start(&forge, true)?, envoy::start(&forge, false)?) else {
        outcome
            .report
            .skipped("Envoy is not installed (`cargo xtask test --only proxies` installs it)");
        return Ok(());
    };
    // Envoy has the keys in its configuration. The gateway fetches the same ones here.
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let wrk = &Wrk::of(&scale.tokens_of(&forge))?;
    let cached = BenchGateway::start(&scale.gateway, &auth, scale.entries, &[]).await?;
    let uncached = BenchGateway::start(&scale.gateway, &auth, 0, &[("VERIFY_CACHE_SECONDS", "0")]).await?;
    let contender = |name, pid, port| Contender::of(name, pid, move |duration| wrk.run(port, duration));
    let contenders = [
        contender("maxlab-auth, cached", cached.pid()?, cached.port()),
        contender("Envoy jwt_authn, jwt_cache", caching.pid(), caching.port()),
        contender("maxlab-auth, uncached", uncached.pid()?, uncached.port()),
        contender("Envoy jwt_authn", uncaching.pid(), uncaching.port()),
    ];
    let measured = compare("Envoy, RS256", &contenders, scale.turns())?;
    let [ours, caching, uncached, uncaching] = measured.rows()?;
    let report = &mut outcome.report;
    let what = "cached RS256: CPU of Envoy with its jwt_cache, divided by ours";
    report.at_least(what, 3.5, caching.cpu / ours.cpu, "×");
    let what = "uncached RS256: CPU of Envoy without a cache, divided by ours";
    report.figure(what, uncaching.cpu / uncached.cpu, "×");
    outcome.comparisons.push(measured);
    Ok(())
}
