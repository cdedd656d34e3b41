//! A gateway alone: how soon it answers, and what memory it takes.

use std::time::Duration;

use anyhow::{Context as _, Result};
use maxlab_auth_bench::tokens;
use maxlab_auth_testkit::{Algorithm, LyingAuthServer, TokenForge};

use crate::verify::load::wrk::Wrk;
use crate::verify::servers::gateway::Gateway;
use crate::verify::servers::process::kibibytes;
use crate::verify::{ISSUER, Outcome, Scale};

/// So many tokens are presented, to be remembered.
const MANY: usize = 20_000;
/// Long enough to present them all.
const PRESENTING: Duration = Duration::from_secs(5);
const SETTLING: Duration = Duration::from_secs(3);

pub(in crate::verify) async fn measure(scale: &Scale, outcome: &mut Outcome) -> Result<()> {
    let forge = TokenForge::new(ISSUER, Algorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let token = tokens::of(&forge, 1);
    let (first, gateway) = Gateway::cold(&scale.gateway, &auth, token.first().context("a token")?).await?;
    let report = &mut outcome.report;
    let what = "cold start to the first verified answer";
    report.at_most(what, 150.0, first.as_secs_f64() * 1e3, "ms");
    let idle = kibibytes(gateway.pid()?)?;
    report.at_most("idle, resident", 25.0, idle / 1_024.0, "MiB");
    // As long with one token: what the load itself takes is there before.
    let [before, after] = [token, tokens::of(&forge, MANY)].map(|tokens| {
        Wrk::of(&tokens)?.run(gateway.port(), PRESENTING)?;
        // Samples of the metrics lie in memory until they are folded.
        std::thread::sleep(SETTLING);
        kibibytes(gateway.pid()?)
    });
    let grown = after? - before?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = grown / MANY as f64;
    report.at_most("memory per cached token of 900 bytes", 1.3, each, "KiB");
    Ok(())
}
