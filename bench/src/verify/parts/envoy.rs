//! Remembered and unremembered verdicts on tokens signed with RS256, beside Envoy's own filter for them.

use anyhow::Result;
use maxlab_auth_testkit::{Algorithm, LyingAuthServer, TokenForge};

use crate::verify::compare::{Contender, compare};
use crate::verify::load::wrk::Wrk;
use crate::verify::servers::envoy;
use crate::verify::servers::gateway::Gateway;
use crate::verify::{ISSUER, Outcome, Scale};

pub(in crate::verify) async fn measure(scale: &Scale, outcome: &mut Outcome) -> Result<()> {
    let forge = TokenForge::new(ISSUER, Algorithm::Rs256);
    let (Some(caching), Some(forgetful)) = (envoy::start(&forge, true)?, envoy::start(&forge, false)?) else {
        outcome
            .report
            .left_out("Envoy is not installed (`cargo xtask test --only proxies` brings it)");
        return Ok(());
    };
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let wrk = &Wrk::of(&scale.tokens_of(&forge))?;
    let cached = Gateway::start(&scale.gateway, &auth, scale.entries, &[]).await?;
    let uncached = Gateway::start(&scale.gateway, &auth, 0, &[("VERIFY_CACHE_SECONDS", "0")]).await?;
    let contender = |name, pid, port| Contender::of(name, pid, move |lasts| wrk.run(port, lasts));
    let contenders = [
        contender("maxlab-auth, cached", cached.pid()?, cached.port()),
        contender("Envoy jwt_authn, jwt_cache", caching.pid(), caching.port()),
        contender("maxlab-auth, uncached", uncached.pid()?, uncached.port()),
        contender("Envoy jwt_authn", forgetful.pid(), forgetful.port()),
    ];
    let measured = compare("beside Envoy, RS256", &contenders, scale.turns())?;
    let [ours, caching, uncached, forgetful] = measured.rows()?;
    let report = &mut outcome.report;
    let what = "cached RS256: CPU of Envoy with its jwt_cache, of ours";
    report.at_least(what, 3.5, caching.cpu / ours.cpu, "×");
    let what = "uncached RS256: CPU of Envoy without it, of ours";
    report.figure(what, forgetful.cpu / uncached.cpu, "×");
    outcome.measured.push(measured);
    Ok(())
}
