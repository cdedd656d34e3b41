//! `check --token FILE`: explains step by step how a token is judged, and what to change. The token is never
//! printed.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::engine::{AuthFault, CredentialRefusal};
use maxlab_auth_core::error_code::ErrorCode;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::verify::explain::{self, TraceJudge, TraceStep, TraceVerdict};
use serde_json::{Value, json};

use super::super::output::{self, ColumnFit, TextTable, escape_for_terminal};
use super::super::{CommandError, require_existing_stores};
use crate::app::{self, App};
use crate::config::Settings;
use crate::telemetry::{self, LogFormat};

/// Most bytes that are read; more than the longest token with a line around it.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

/// How the gateway would answer a request with the token.
enum TokenJudgement {
    /// Person, and layer.
    Accepted(Subject, &'static str),
    Refused(ErrorCode, String),
    Undecided(ErrorCode, String),
}

/// Prints how the gateway judges a token. Fails if it would not be accepted.
pub(super) async fn explain(settings: Settings, source: &Path, json: bool) -> Result<(), CommandError> {
    let token = read_token(source)?;
    // Errors only: the table says everything that a warning would.
    telemetry::init(LogFormat::Readable, "error").map_err(anyhow::Error::from)?;
    let (judgement, steps) = Box::pin(explain::record(judge(settings, &token))).await;
    let judgement = judgement?;
    if json {
        output::print_json(&as_json(&judgement, &steps))?;
    } else {
        print_text(&judgement, &steps)?;
    }
    match judgement {
        TokenJudgement::Accepted(..) => Ok(()),
        TokenJudgement::Refused(..) | TokenJudgement::Undecided(..) => {
            Err(CommandError::AlreadyReported(ExitCode::FAILURE))
        }
    }
}

/// Reads a token from a file, or from standard input if the name is `-`.
fn read_token(source: &Path) -> anyhow::Result<PresentedToken> {
    let mut text = String::new();
    let read = if source == Path::new("-") {
        std::io::stdin().take(MAX_INPUT_BYTES).read_to_string(&mut text)
    } else {
        // Without the name: it may be the token, written in the wrong place.
        std::fs::File::open(source).and_then(|file| file.take(MAX_INPUT_BYTES).read_to_string(&mut text))
    };
    read.context(
        "the token cannot be read. --token takes the name of a file, or - for standard input, so that no process list shows \
         the token",
    )?;
    PresentedToken::parse(bare_token(&text)).map_err(|fault| anyhow!("this is no token: {fault}"))
}

/// Returns the token without what surrounds it in a header field.
fn bare_token(text: &str) -> &str {
    let mut text = text.trim();
    for prefix in ["authorization:", "bearer "] {
        let split = text.split_at_checked(prefix.len());
        if let Some((_, rest)) = split.filter(|(head, _)| head.eq_ignore_ascii_case(prefix)) {
            text = rest.trim_start();
        }
    }
    text
}

/// Judges a token as a running gateway does: with the issuer's keys known, by the layers, and by the
/// revocations if the stores can be opened.
async fn judge(settings: Settings, token: &PresentedToken) -> anyhow::Result<TokenJudgement> {
    let fallback = settings.clone();
    let opened = match require_existing_stores(&settings) {
        Ok(()) => Box::pin(App::open_for_command(settings)).await,
        Err(missing) => Err(missing),
    };
    let app = match opened {
        Ok(app) => app,
        Err(fault) => return judge_without_stores(&fallback, token, &fault).await,
    };
    if let Some(keys) = &app.background.keys {
        keys.renew(SystemClock.now()).await;
    }
    let result = app.state.engine.authenticate_token(token).await;
    explain::note(|| revocation_step(result.as_ref().err()));
    Ok(match result {
        Ok(active) => TokenJudgement::Accepted(active.identity().subject(), active.source().as_str()),
        Err(AuthFault::Refused(refusal)) => TokenJudgement::Refused(refusal.code(), refusal.to_string()),
        Err(AuthFault::Unavailable(fault)) => TokenJudgement::Undecided(fault.code(), fault.to_string()),
    })
}

fn revocation_step(fault: Option<&AuthFault>) -> TraceStep {
    let (verdict, finding) = match fault {
        None => (TraceVerdict::Accepted, "not revoked".to_owned()),
        Some(AuthFault::Refused(
            refusal @ (CredentialRefusal::TokenRevoked(_) | CredentialRefusal::SessionRevoked(_)),
        )) => {
            return TraceStep::new(TraceJudge::Revocation, TraceVerdict::Refuted, refusal.to_string())
                .with_remedy("log in again: a revocation is never taken back; `maxlab-auth audit` shows who revoked it");
        }
        Some(AuthFault::Refused(_) | AuthFault::Unavailable(_)) => (
            TraceVerdict::Skipped,
            "no token with its names is revoked, as far as is known".to_owned(),
        ),
    };
    TraceStep::new(TraceJudge::Revocation, verdict, finding)
}

/// Judges a token by the layers alone.
async fn judge_without_stores(
    settings: &Settings,
    token: &PresentedToken,
    fault: &anyhow::Error,
) -> anyhow::Result<TokenJudgement> {
    let (chain, keys) = app::verify_chain(settings)?;
    let now = SystemClock.now();
    if let Some(keys) = keys {
        keys.renew(now).await;
    }
    let result = chain.verify(token, now).await;
    explain::note(|| {
        TraceStep::new(
            TraceJudge::Revocation,
            TraceVerdict::Unavailable,
            format!("not checked: {fault:#}"),
        )
        .with_remedy("run `maxlab-auth check` with the settings and in the folder of the gateway")
    });
    Ok(match result.map_err(AuthFault::from) {
        Ok(_) => TokenJudgement::Undecided(
            ErrorCode::StoreUnavailable,
            "the layers accept the token, but revocations could not be checked".to_owned(),
        ),
        Err(AuthFault::Refused(refusal)) => TokenJudgement::Refused(refusal.code(), refusal.to_string()),
        Err(AuthFault::Unavailable(fault)) => TokenJudgement::Undecided(fault.code(), fault.to_string()),
    })
}

fn as_json(judgement: &TokenJudgement, steps: &[TraceStep]) -> Value {
    let (result, status, code, detail) = match judgement {
        TokenJudgement::Accepted(..) => ("accepted", 200, None, None),
        TokenJudgement::Refused(code, detail) => {
            ("refused", code.status(), Some(code.as_str()), Some(detail))
        }
        TokenJudgement::Undecided(code, detail) => {
            ("undecided", code.status(), Some(code.as_str()), Some(detail))
        }
    };
    let (subject, layer) = match judgement {
        TokenJudgement::Accepted(subject, layer) => (Some(subject), Some(layer)),
        TokenJudgement::Refused(..) | TokenJudgement::Undecided(..) => (None, None),
    };
    let steps: Vec<_> = steps
        .iter()
        .map(|step| {
            json!({
                "step": step.judge.as_str(),
                "verdict": step.verdict.as_str(),
                "finding": step.finding,
                "remedy": step.remedy,
            })
        })
        .collect();
    json!({
        "ok": result == "accepted",
        "result": result,
        "status": status,
        "code": code,
        "detail": detail,
        "user_id": subject.map(|subject| &*subject.id),
        // `null` for the default issuer.
        "issuer": subject.and_then(|subject| subject.issuer.name()),
        "layer": layer,
        "steps": steps,
    })
}

fn print_text(judgement: &TokenJudgement, steps: &[TraceStep]) -> std::io::Result<()> {
    let mut table = TextTable::new(&[
        ("STEP", ColumnFit::Whole),
        ("VERDICT", ColumnFit::Whole),
        ("FINDING", ColumnFit::Truncatable),
    ]);
    for step in steps {
        table.push_row([step.judge.as_str(), step.verdict.as_str(), &step.finding]);
    }
    output::print_table(&table)?;
    output::print(&render_result(judgement, steps))
}

fn render_result(judgement: &TokenJudgement, steps: &[TraceStep]) -> String {
    let answered = |word: &str, code: &ErrorCode, detail: &str| {
        format!(
            "\n{word} ({} {}): {}\n",
            code.status(),
            code.as_str(),
            escape_for_terminal(detail)
        )
    };
    let mut text = match judgement {
        TokenJudgement::Accepted(subject, layer) => {
            let name = subject.storage_name();
            return format!("\nAccepted: {} by {layer}\n", escape_for_terminal(&name));
        }
        TokenJudgement::Refused(code, detail) => answered("Refused", code, detail),
        TokenJudgement::Undecided(code, detail) => answered("Not decided", code, detail),
    };
    text.push_str("\nWhat to change:\n");
    for step in steps {
        if let Some(remedy) = &step.remedy {
            // The finding again and whole, because the table above may have cut it.
            text.push_str(&format!(
                "  {}: {}\n    {}\n",
                step.judge.as_str(),
                escape_for_terminal(&step.finding),
                escape_for_terminal(remedy)
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::bare_token;

    #[test]
    fn a_token_is_read_with_and_without_its_header_field() {
        for text in [
            "abc.def",
            " abc.def\n",
            "Bearer abc.def",
            "bearer  abc.def\r\n",
            "Authorization: Bearer abc.def",
            "AUTHORIZATION:bearer abc.def",
        ] {
            assert_eq!(bare_token(text), "abc.def", "{text:?}");
        }
        assert_eq!(bare_token("bearertoken"), "bearertoken");
    }
}
