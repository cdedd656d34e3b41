//! Cached verdict, compared with the fastest answers of other servers.

use anyhow::Result;
use maxlab_auth_testkit::{ForgeAlgorithm, LyingAuthServer, TokenForge};

use crate::verify::compare::{Contender, compare};
use crate::verify::load::wrk::Wrk;
use crate::verify::servers::bare::{self, BareServer};
use crate::verify::servers::gateway::BenchGateway;
use crate::verify::servers::nginx;
use crate::verify::{ISSUER, VerifyOutcome, VerifyScale};

/// CPU of the guide's implementation (docs/GUIDE.md) under uvicorn, in microseconds per request. Measured
/// once, before this project was built. It is not installed.
const GUIDE: f64 = 40_000.0;

pub(in crate::verify) async fn measure(scale: &VerifyScale, outcome: &mut VerifyOutcome) -> Result<()> {
    let forge = TokenForge::new(ISSUER, ForgeAlgorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let wrk = Wrk::of(&scale.tokens_of(&forge))?;
    // A second gateway with the access log, so that both are measured in the same rounds.
    let gateway = BenchGateway::start(&scale.gateway, &auth, scale.entries, &[]).await?;
    let logging = BenchGateway::start(&scale.gateway, &auth, 0, &[("LOG_LEVEL", "INFO")]).await?;
    let nginx = nginx::start(false)?;
    let nginx_logging = nginx::start(true)?;
    let hyper = bare::start(BareServer::Hyper)?;
    let axum = bare::start(BareServer::Axum)?;
    let wrk = &wrk;
    let contender = |name, pid, port| Contender::of(name, pid, move |duration| wrk.run(port, duration));
    let contenders = [
        contender("maxlab-auth, cached", gateway.pid()?, gateway.port()),
        contender("nginx return 200", nginx.pid(), nginx.port()),
        contender("bare hyper", hyper.pid(), hyper.port()),
        contender("bare axum", axum.pid(), axum.port()),
        contender("maxlab-auth, access log", logging.pid()?, logging.port()),
        contender("nginx, access log", nginx_logging.pid(), nginx_logging.port()),
    ];
    let measured = compare("cached, ES256", &contenders, scale.turns())?;
    // In the order of the contenders.
    let [ours, nginx, hyper, axum, logged, nginx_logged] = measured.rows()?;
    let report = &mut outcome.report;
    report.at_most(
        "CPU of a cached answer, divided by nginx's",
        1.0,
        ours.cpu / nginx.cpu,
        "×",
    );
    report.figure("… divided by bare hyper's", ours.cpu / hyper.cpu, "×");
    report.at_most("p99, divided by bare axum's", 1.3, ours.p99 / axum.p99, "×");
    let what = "CPU of the guide (40,000 µs, measured before), divided by ours";
    report.at_least(what, 1_000.0, GUIDE / ours.cpu, "×");
    let what = "CPU with the access log, divided by nginx's with its own";
    report.figure(what, logged.cpu / nginx_logged.cpu, "×");
    outcome.comparisons.push(measured);
    Ok(())
}
