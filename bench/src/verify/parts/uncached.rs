//! Signature checked for every request, compared with HAProxy, which does only that.

use anyhow::Result;
use maxlab_auth_testkit::{ForgeAlgorithm, LyingAuthServer, TokenForge};

use crate::verify::compare::{Contender, compare};
use crate::verify::load::wrk::Wrk;
use crate::verify::servers::gateway::BenchGateway;
use crate::verify::servers::haproxy;
use crate::verify::{ISSUER, VerifyOutcome, VerifyScale};

/// Targets: HAProxy's CPU divided by the gateway's.
const TARGETS: [(ForgeAlgorithm, f64); 3] = [
    (ForgeAlgorithm::Rs256, 1.4),
    (ForgeAlgorithm::Hs256, 1.4),
    // OpenSSL and aws-lc are close here.
    (ForgeAlgorithm::Es256, 1.2),
];

pub(in crate::verify) async fn measure(scale: &VerifyScale, outcome: &mut VerifyOutcome) -> Result<()> {
    for (algorithm, target) in TARGETS {
        compare_with_haproxy(scale, algorithm, target, outcome).await?;
    }
    Ok(())
}

/// Measures one algorithm. Without HAProxy only the gateway is measured.
async fn compare_with_haproxy(
    scale: &VerifyScale,
    algorithm: ForgeAlgorithm,
    target: f64,
    outcome: &mut VerifyOutcome,
) -> Result<()> {
    let forge = TokenForge::new(ISSUER, algorithm);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let wrk = &Wrk::of(&scale.tokens_of(&forge))?;
    let secret = forge.secret();
    // HAProxy caches no verdict either.
    let mut settings = vec![("VERIFY_CACHE_SECONDS", "0")];
    if let Some(secret) = &secret {
        // HS256 has a shared secret and no key set.
        settings.extend([("JWT_SECRET_KEY", secret.as_str()), ("JWT_ALGORITHM", "HS256")]);
    }
    let gateway = BenchGateway::start(&scale.gateway, &auth, 0, &settings).await?;
    let contender = |name, pid, port| Contender::of(name, pid, move |duration| wrk.run(port, duration));
    let mut contenders = vec![contender("maxlab-auth, uncached", gateway.pid()?, gateway.port())];
    let haproxy = haproxy::start(&forge, algorithm)?;
    if let Some(haproxy) = &haproxy {
        contenders.push(contender("HAProxy jwt_verify", haproxy.pid(), haproxy.port()));
    }
    let name = algorithm.name();
    let measured = compare(format!("uncached, {name}"), &contenders, scale.turns())?;
    match measured.rows.as_slice() {
        [ours, theirs] => {
            let what = format!("uncached {name}: HAProxy's CPU, divided by ours");
            outcome.report.at_least(&what, target, theirs.cpu / ours.cpu, "×");
        }
        _ => outcome
            .report
            .skipped("HAProxy is not installed (Debian package haproxy)"),
    }
    outcome.comparisons.push(measured);
    Ok(())
}
