//! Explanation of a verification: what each step found about a token, by which rule, and what to change.
//!
//! ```text
//! record(verify(token)) ─► steps note() what they decide ─► Vec<TraceStep>
//! ```
//!
//! Steps are described only while somebody records them or the log is at DEBUG, which then has the same
//! lines. A cached verdict and the fast path describe nothing that they accept. No step contains the token.

mod layers;
mod rules;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use crate::identity::VerificationSource;

pub(super) use layers::{accepted_step, layer_step, no_subject_step, other_subject_step, skipped_step};
pub(super) use rules::{
    algorithm_step, claims_step, issuer_step, precheck_step, register_step, signature_step, token_step,
    untrusted_issuer_step,
};

tokio::task_local! {
    /// Recorder of the current task, if somebody asked for an explanation.
    static RECORDER: Arc<Mutex<Vec<TraceStep>>>;
}

/// Step of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceJudge {
    /// Form of the token, read without a proof.
    Token,
    /// Check of signature and claims, with the keys that are known.
    Signature,
    /// Choice of the issuer that judges the token.
    Issuer,
    /// Register of issued tokens.
    Register,
    /// Request to the authorization server.
    Request,
    /// Verification layer.
    Layer(VerificationSource),
    /// Revocation gate.
    Revocation,
}

impl TraceJudge {
    /// Returns the word for the step.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Register => "register",
            Self::Request => "request",
            Self::Layer(source) => source.as_str(),
            Self::Revocation => "revocation",
        }
    }
}

/// Result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceVerdict {
    /// Fact that decides nothing alone.
    Noted,
    /// The step accepts the token.
    Accepted,
    /// The step does not accept the token. A later layer may accept it.
    Rejected,
    /// The token is proven false. No other layer is asked.
    Refuted,
    /// The step does not handle this token.
    NotApplicable,
    /// The step could not decide.
    Unavailable,
    /// The step was left out.
    Skipped,
}

impl TraceVerdict {
    /// Returns the word for the result.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Noted => "noted",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Refuted => "refuted",
            Self::NotApplicable => "not_applicable",
            Self::Unavailable => "unavailable",
            Self::Skipped => "skipped",
        }
    }
}

/// Finding of one step about a token. Contains text of the token's issuer, but never the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStep {
    /// Step.
    pub judge: TraceJudge,
    /// Result.
    pub verdict: TraceVerdict,
    /// Rule that decided, or what came back.
    pub finding: String,
    /// Change that an operator can make, if something is to be changed.
    pub remedy: Option<Cow<'static, str>>,
}

impl TraceStep {
    /// Builds a step without a remedy.
    pub fn new(judge: TraceJudge, verdict: TraceVerdict, finding: impl Into<String>) -> Self {
        Self {
            judge,
            verdict,
            finding: finding.into(),
            remedy: None,
        }
    }

    /// Adds what an operator can change.
    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }
}

/// Runs a verification, and returns its result with the steps that it took in this task.
pub async fn record<T>(verification: impl Future<Output = T>) -> (T, Vec<TraceStep>) {
    let recorder = Arc::new(Mutex::new(Vec::new()));
    let result = RECORDER.scope(Arc::clone(&recorder), verification).await;
    let steps = std::mem::take(&mut *recorder.lock().unwrap_or_else(PoisonError::into_inner));
    (result, steps)
}

/// Records a step if somebody asked for it, and logs it at DEBUG. `step` is called only then.
pub fn note(step: impl FnOnce() -> TraceStep) {
    let recorder = RECORDER.try_with(Arc::clone).ok();
    if recorder.is_none() && !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let step = step();
    tracing::debug!(
        step = step.judge.as_str(),
        verdict = step.verdict.as_str(),
        why = step.finding,
        remedy = step.remedy.as_deref(),
        "token judged"
    );
    if let Some(recorder) = recorder {
        recorder.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }
}

#[cfg(test)]
mod tests;
