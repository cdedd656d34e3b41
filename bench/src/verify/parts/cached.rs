//! A remembered verdict, beside what other servers take for any answer.

use anyhow::Result;
use maxlab_auth_testkit::{Algorithm, LyingAuthServer, TokenForge};

use crate::verify::compare::{Contender, compare};
use crate::verify::load::wrk::Wrk;
use crate::verify::servers::bare::{self, Bare};
use crate::verify::servers::gateway::Gateway;
use crate::verify::servers::nginx;
use crate::verify::{ISSUER, Outcome, Scale};

/// What the guide takes under uvicorn, in µs of CPU per request, measured before anything was built: it is not installed.
const GUIDE: f64 = 40_000.0;

pub(in crate::verify) async fn measure(scale: &Scale, outcome: &mut Outcome) -> Result<()> {
    let forge = TokenForge::new(ISSUER, Algorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let wrk = Wrk::of(&scale.tokens_of(&forge))?;
    let gateway = Gateway::start(&scale.gateway, &auth, scale.entries, &[]).await?;
    let logging = Gateway::start(&scale.gateway, &auth, 0, &[("LOG_LEVEL", "INFO")]).await?;
    let nginx = nginx::start(false)?;
    let nginx_logging = nginx::start(true)?;
    let hyper = bare::start(Bare::Hyper)?;
    let axum = bare::start(Bare::Axum)?;
    let wrk = &wrk;
    let contender = |name, pid, port| Contender::of(name, pid, move |lasts| wrk.run(port, lasts));
    let contenders = [
        contender("maxlab-auth, cached", gateway.pid()?, gateway.port()),
        contender("nginx return 200", nginx.pid(), nginx.port()),
        contender("bare hyper", hyper.pid(), hyper.port()),
        contender("bare axum", axum.pid(), axum.port()),
        contender("maxlab-auth, access log", logging.pid()?, logging.port()),
        contender("nginx, access log", nginx_logging.pid(), nginx_logging.port()),
    ];
    let measured = compare("cached, ES256", &contenders, scale.turns())?;
    let [ours, nginx, hyper, axum, logged, nginx_logged] = measured.rows()?;
    let report = &mut outcome.report;
    report.at_most(
        "CPU of a cached answer, of nginx's",
        1.0,
        ours.cpu / nginx.cpu,
        "×",
    );
    report.figure("… of bare hyper's", ours.cpu / hyper.cpu, "×");
    report.at_most("p99, of bare axum's", 1.3, ours.p99 / axum.p99, "×");
    let what = "the guide's CPU (40,000 µs, measured before), of ours";
    report.at_least(what, 1_000.0, GUIDE / ours.cpu, "×");
    let what = "with the access log, of nginx's with its own";
    report.figure(what, logged.cpu / nginx_logged.cpu, "×");
    outcome.measured.push(measured);
    Ok(())
}
