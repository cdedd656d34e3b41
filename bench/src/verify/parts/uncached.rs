//! A signature checked for every request, beside HAProxy, which does nothing else.

use anyhow::Result;
use maxlab_auth_testkit::{Algorithm, LyingAuthServer, TokenForge};

use crate::verify::compare::{Contender, compare};
use crate::verify::load::wrk::Wrk;
use crate::verify::servers::gateway::Gateway;
use crate::verify::servers::haproxy;
use crate::verify::{ISSUER, Outcome, Scale};

/// How much more of the CPU HAProxy shall take than this.
const TARGETS: [(Algorithm, f64); 3] = [
    (Algorithm::Rs256, 1.4),
    (Algorithm::Hs256, 1.4),
    // OpenSSL and aws-lc are close here.
    (Algorithm::Es256, 1.2),
];

pub(in crate::verify) async fn measure(scale: &Scale, outcome: &mut Outcome) -> Result<()> {
    for (algorithm, target) in TARGETS {
        beside_haproxy(scale, algorithm, target, outcome).await?;
    }
    Ok(())
}

async fn beside_haproxy(
    scale: &Scale,
    algorithm: Algorithm,
    target: f64,
    outcome: &mut Outcome,
) -> Result<()> {
    let forge = TokenForge::new(ISSUER, algorithm);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let wrk = &Wrk::of(&scale.tokens_of(&forge))?;
    let secret = forge.secret();
    let mut settings = vec![("VERIFY_CACHE_SECONDS", "0")];
    if let Some(secret) = &secret {
        settings.extend([("JWT_SECRET_KEY", secret.as_str()), ("JWT_ALGORITHM", "HS256")]);
    }
    let gateway = Gateway::start(&scale.gateway, &auth, 0, &settings).await?;
    let contender = |name, pid, port| Contender::of(name, pid, move |lasts| wrk.run(port, lasts));
    let mut contenders = vec![contender("maxlab-auth, uncached", gateway.pid()?, gateway.port())];
    let haproxy = haproxy::start(&forge, algorithm)?;
    if let Some(haproxy) = &haproxy {
        contenders.push(contender("HAProxy jwt_verify", haproxy.pid(), haproxy.port()));
    }
    let name = algorithm.name();
    let measured = compare(format!("uncached, {name}"), &contenders, scale.turns())?;
    match measured.rows.as_slice() {
        [ours, theirs] => {
            let what = format!("uncached {name}: HAProxy's CPU, of ours");
            outcome.report.at_least(&what, target, theirs.cpu / ours.cpu, "×");
        }
        _ => outcome
            .report
            .left_out("HAProxy is not installed (Debian package haproxy)"),
    }
    outcome.measured.push(measured);
    Ok(())
}
