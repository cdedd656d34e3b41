//! Layers in words: their verdicts, and what to change.

use serde_json::{Map, Value};

use super::{TraceJudge, TraceStep, TraceVerdict};
use crate::identity::{Identity, VerificationSource};
use crate::verify::layer::{TokenRejection, Verdict};

/// Describes the verdict of a layer that does not accept a token.
pub(in crate::verify) fn layer_step(source: VerificationSource, verdict: &Verdict) -> TraceStep {
    let judge = TraceJudge::Layer(source);
    match verdict {
        Verdict::Verified(_) => TraceStep::new(judge, TraceVerdict::Accepted, "the token is authentic"),
        Verdict::Rejected(rejection) => with_layer_remedy(
            TraceStep::new(judge, TraceVerdict::Rejected, rejection.to_string()),
            *rejection,
        ),
        Verdict::Refuted(rejection) => with_layer_remedy(
            TraceStep::new(judge, TraceVerdict::Refuted, rejection.to_string()),
            *rejection,
        ),
        Verdict::Unavailable(fault) => TraceStep::new(judge, TraceVerdict::Unavailable, fault.to_string())
            .with_remedy("nothing in the token: mend what did not answer; `check` probes every component"),
        Verdict::NotApplicable => not_applicable_step(source),
    }
}

fn with_layer_remedy(step: TraceStep, rejection: TokenRejection) -> TraceStep {
    match rejection {
        TokenRejection::Refused => step.with_remedy(
            "get a new token: the authorization server calls this one unknown, expired or revoked; or it is of another \
             realm or tenant",
        ),
        TokenRejection::NoSubject => step.with_remedy("set CLAIM_USER_ID to the claim with the user's id"),
        TokenRejection::NotAccessToken => step.with_remedy("send the access token of the login"),
        // The step before has the rule and its remedy.
        TokenRejection::Expired
        | TokenRejection::Malformed
        | TokenRejection::Signature
        | TokenRejection::Claims => step,
    }
}

fn not_applicable_step(source: VerificationSource) -> TraceStep {
    let (finding, remedy) = match source {
        VerificationSource::OauthUserinfo | VerificationSource::TraditionalAuth => (
            "the authorization server has no such endpoint",
            "remove the layer from VERIFY_LAYERS if the server does not have it",
        ),
        VerificationSource::Introspection => (
            "no endpoint or no client for it",
            "set OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET, and INTROSPECTION_URL if no metadata names the endpoint",
        ),
        VerificationSource::LocalJwt => (
            "opaque, of another issuer, of no declared kind, or no key set is published",
            "see the steps before; JWT_ISSUER names the issuer, and JWKS_URL its keys",
        ),
    };
    TraceStep::new(TraceJudge::Layer(source), TraceVerdict::NotApplicable, finding).with_remedy(remedy)
}

/// Describes whom a layer accepts.
pub(in crate::verify) fn accepted_step(source: VerificationSource, identity: &Identity) -> TraceStep {
    let list = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    let finding = format!(
        "user {}; roles: {}; groups: {}; permissions: {}; scope: {}; client: {}",
        identity.user_id,
        list(&identity.roles),
        list(&identity.groups),
        list(&identity.permissions),
        list(&identity.scope),
        identity.client_id.as_deref().unwrap_or("none"),
    );
    TraceStep::new(TraceJudge::Layer(source), TraceVerdict::Accepted, finding)
}

/// Describes claims without a usable subject.
pub(in crate::verify) fn no_subject_step(
    source: VerificationSource,
    claims: &Map<String, Value>,
) -> TraceStep {
    // Names only: the values are personal data.
    let names: Vec<_> = claims.keys().map(String::as_str).collect();
    TraceStep::new(
        TraceJudge::Layer(source),
        TraceVerdict::Noted,
        format!("no usable subject in the claims: {}", names.join(", ")),
    )
    .with_remedy("set CLAIM_USER_ID to the claim with the user's id, which must be a text")
}

/// Describes an answer about another subject than the token's.
pub(in crate::verify) fn other_subject_step(source: VerificationSource) -> TraceStep {
    TraceStep::new(
        TraceJudge::Layer(source),
        TraceVerdict::Noted,
        "the answer and the token have different subjects (OpenID Connect Core §5.3.2)",
    )
    .with_remedy("nothing here: the authorization server must answer about the token's own sub")
}

/// Describes why `local_jwt` is left out.
pub(in crate::verify) fn skipped_step() -> TraceStep {
    TraceStep::new(
        TraceJudge::Layer(VerificationSource::LocalJwt),
        TraceVerdict::Skipped,
        "behind a remote layer it is a fallback for outages, and a remote layer has rejected the token",
    )
}
