//! A gateway by itself: its cold start, and its memory.

use std::time::Duration;

use anyhow::{Context as _, Result};
use maxlab_auth_bench::tokens;
use maxlab_auth_testkit::{ForgeAlgorithm, LyingAuthServer, TokenForge};

use crate::verify::load::wrk::Wrk;
use crate::verify::servers::gateway::BenchGateway;
use crate::verify::servers::process::resident_kibibytes;
use crate::verify::{ISSUER, VerifyOutcome, VerifyScale};

/// Number of tokens that are presented, so that their verdicts are cached.
const CACHED_TOKENS: usize = 20_000;
/// Duration of the load. Long enough to present all tokens.
const PRESENTING: Duration = Duration::from_secs(5);
/// Pause after the load, until the samples of the metrics are folded.
const SETTLING: Duration = Duration::from_secs(3);

/// Waits until unfolded samples of the metrics take no memory any more, which they do for up to a second.
pub(super) fn settle() {
    std::thread::sleep(SETTLING);
}

pub(in crate::verify) async fn measure(scale: &VerifyScale, outcome: &mut VerifyOutcome) -> Result<()> {
    let forge = TokenForge::new(ISSUER, ForgeAlgorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let token = tokens::sign_tokens(&forge, 1);
    let (first_answer, gateway) = BenchGateway::start_cold(
        &scale.gateway,
        &auth,
        token.first().context("no token was signed")?,
    )
    .await?;
    let report = &mut outcome.report;
    let what = "cold start to the first verified answer";
    report.at_most(what, 150.0, first_answer.as_secs_f64() * 1e3, "ms");
    let idle = resident_kibibytes(gateway.pid()?)?;
    report.at_most("idle, resident", 25.0, idle / 1_024.0, "MiB");
    // First with one token for the same time, so that the memory of the load itself is in both figures.
    let [before, after] = [token, tokens::sign_tokens(&forge, CACHED_TOKENS)].map(|tokens| {
        Wrk::of(&tokens)?.run(gateway.port(), PRESENTING)?;
        settle();
        resident_kibibytes(gateway.pid()?)
    });
    let grown = after? - before?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = grown / CACHED_TOKENS as f64;
    report.at_most("memory per cached token of 900 bytes", 1.3, each, "KiB");
    Ok(())
}
