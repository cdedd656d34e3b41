//! Rules in words: form, signature and claims of a token, and what to change.

use jiff::Timestamp;
use maxlab_auth_jose::{
    Algorithm, AuthenticClaims, ClaimFault, ClaimsPolicy, CompactJws, KeySet, SignatureFault, TokenShape,
};

use super::{TraceJudge, TraceStep, TraceVerdict};
use crate::verify::fault::VerifyFault;
use crate::verify::layer::{SignatureProof, TokenRejection};
use crate::verify::parsed_token::ParsedToken;

/// Describes the form of a token.
pub(in crate::verify) fn token_step(parsed: &ParsedToken<'_>) -> TraceStep {
    match parsed.shape() {
        TokenShape::Opaque => TraceStep::new(
            TraceJudge::Token,
            TraceVerdict::Noted,
            "opaque: only the authorization server can judge it",
        ),
        TokenShape::Malformed(fault) => TraceStep::new(
            TraceJudge::Token,
            TraceVerdict::Refuted,
            format!("malformed: {fault}"),
        )
        .with_remedy("compare the token with what the authorization server issued: it may be cut or changed"),
        TokenShape::Jws(jws) => {
            let header = jws.header();
            let or_none = |text: Option<&str>| text.unwrap_or("none").to_owned();
            TraceStep::new(
                TraceJudge::Token,
                TraceVerdict::Noted,
                format!(
                    "signed: alg {}, kid {}, typ {}, iss {}",
                    header.alg(),
                    or_none(header.kid()),
                    or_none(header.typ()),
                    or_none(jws.unverified_issuer()),
                ),
            )
        }
    }
}

/// Describes an algorithm that no key of the issuer can have.
pub(in crate::verify) fn algorithm_step(jws: &CompactJws<'_>, why: &str) -> TraceStep {
    let finding = format!("alg {} {why}", jws.header().alg());
    TraceStep::new(TraceJudge::Signature, TraceVerdict::Rejected, finding)
        .with_remedy("let the issuer sign with an algorithm that JWT_ALGORITHM can list")
}

/// Describes why no key accepts a signature.
pub(in crate::verify) fn signature_step(
    fault: SignatureFault,
    jws: &CompactJws<'_>,
    keys: &KeySet,
    allowed: &[Algorithm],
) -> TraceStep {
    let header = jws.header();
    let kid = header.kid().unwrap_or("none");
    let names: Vec<_> = allowed.iter().map(|algorithm| algorithm.name()).collect();
    let (finding, remedy) = match fault {
        SignatureFault::AlgorithmNotAllowed => (
            format!("{fault}: alg {}, accepted {}", header.alg(), names.join(", ")),
            "add the algorithm to JWT_ALGORITHM if the issuer signs with it",
        ),
        SignatureFault::UnknownKey => (
            format!(
                "{fault}: kid {kid}, alg {}; the key set has {} usable and {} unusable keys",
                header.alg(),
                keys.len(),
                keys.skipped().len()
            ),
            "check that EXTERNAL_AUTH_URL and JWKS_URL are those of the token's issuer; `check` lists unusable keys",
        ),
        SignatureFault::KeyAlgorithmMismatch => (
            format!("{fault}: kid {kid}, alg {}", header.alg()),
            "let the authorization server sign with the algorithm that its key set gives for this key",
        ),
        SignatureFault::BadSignature => (
            format!("{fault}: kid {kid}, alg {}", header.alg()),
            "nothing, if the token was changed or forged; otherwise the key set is another issuer's: check JWKS_URL",
        ),
    };
    TraceStep::new(TraceJudge::Signature, TraceVerdict::Rejected, finding).with_remedy(remedy)
}

/// Describes which rule authentic claims break.
pub(in crate::verify) fn claims_step(
    fault: ClaimFault,
    claims: &AuthenticClaims,
    policy: &ClaimsPolicy,
    issuer: Option<&str>,
    now: Timestamp,
) -> TraceStep {
    let claim = |name: &str| {
        claims
            .as_map()
            .get(name)
            .map_or("none".to_owned(), ToString::to_string)
    };
    let (finding, remedy) = match fault {
        ClaimFault::ForeignIssuer => (
            format!(
                "{fault}: iss {}, expected {}",
                claim("iss"),
                issuer.unwrap_or("none")
            ),
            "set JWT_ISSUER to the token's iss if that issuer is right; it is compared exactly, with its last slash",
        ),
        ClaimFault::WrongAudience => (
            format!(
                "{fault}: aud {}, JWT_AUDIENCE {}",
                claim("aud"),
                policy.audiences.join(", ")
            ),
            "add an audience of the token to JWT_AUDIENCE, or let the authorization server issue tokens for this service",
        ),
        ClaimFault::WrongType => (
            format!(
                "{fault}: typ {} in the header; typ {}, token_use {} in the claims",
                claims.token_type().unwrap_or("none"),
                claim("typ"),
                claim("token_use")
            ),
            "send the access token of the login; if it is one, compare its typ with JWT_TYPE",
        ),
        ClaimFault::ResemblesIdToken => (
            format!("{fault}: it has nonce, at_hash or c_hash, and no scope"),
            "send the access token; if it is one, let a remote layer in VERIFY_LAYERS decide, or give it a scope",
        ),
        ClaimFault::Expired | ClaimFault::TooOld => (
            format!(
                "{fault}: exp {}, iat {}, now {}",
                claim("exp"),
                claim("iat"),
                now.as_second()
            ),
            "get a new token; if this one is new, compare the clocks",
        ),
        ClaimFault::NotYetValid => (
            format!(
                "{fault}: nbf {}, iat {}, now {}",
                claim("nbf"),
                claim("iat"),
                now.as_second()
            ),
            "set both clocks by a time service; CLOCK_SKEW_SECONDS tolerates up to 60 s",
        ),
        ClaimFault::MissingExpiry => (
            fault.to_string(),
            "let the authorization server add exp, or iat for JWT_EXPIRE_MINUTES",
        ),
        ClaimFault::Malformed(_) => (
            fault.to_string(),
            "let the authorization server send the claim in the type that RFC 7519 §4.1 gives it",
        ),
    };
    TraceStep::new(TraceJudge::Signature, TraceVerdict::Rejected, finding).with_remedy(remedy)
}

/// Describes the result of the precheck.
pub(in crate::verify) fn precheck_step(
    result: Result<Option<&SignatureProof>, &TokenRejection>,
) -> TraceStep {
    match result {
        Ok(Some(proof)) => {
            let kid = proof.claims().key_id.as_deref().unwrap_or("none");
            let issuer = proof.issuer.as_deref().unwrap_or("any");
            TraceStep::new(
                TraceJudge::Signature,
                TraceVerdict::Accepted,
                format!("signature and claims are right: key {kid}, issuer {issuer}"),
            )
        }
        Ok(None) => TraceStep::new(
            TraceJudge::Signature,
            TraceVerdict::Noted,
            "nothing is proven by the keys that are known, so the layers decide",
        ),
        Err(rejection) => TraceStep::new(
            TraceJudge::Signature,
            TraceVerdict::Refuted,
            format!("{rejection}; no layer is asked"),
        ),
    }
}

/// Describes what the register of issued tokens says.
pub(in crate::verify) fn register_step(result: Result<&(), &VerifyFault>) -> TraceStep {
    match result {
        Ok(()) => TraceStep::new(
            TraceJudge::Register,
            TraceVerdict::Noted,
            "not a known refresh token",
        ),
        Err(VerifyFault::Rejected(_)) => TraceStep::new(
            TraceJudge::Register,
            TraceVerdict::Refuted,
            "a refresh token that was issued through the gateway",
        )
        .with_remedy("send the access token of the login"),
        Err(VerifyFault::Unavailable(fault)) => {
            TraceStep::new(TraceJudge::Register, TraceVerdict::Unavailable, fault.to_string())
                .with_remedy("see DATABASE_URL and DATA_DIR; `check` probes the database")
        }
    }
}

/// Describes which further issuer is asked.
pub(in crate::verify) fn issuer_step(issuer: Option<&str>) -> TraceStep {
    let name = issuer.unwrap_or("the default issuer");
    TraceStep::new(
        TraceJudge::Issuer,
        TraceVerdict::Noted,
        format!("judged by {name}, with its own keys, audiences and layers"),
    )
}

/// Describes a token of an issuer that is not trusted.
pub(in crate::verify) fn untrusted_issuer_step() -> TraceStep {
    TraceStep::new(
        TraceJudge::Issuer,
        TraceVerdict::Rejected,
        "the issuer (iss) is neither the default one nor in PROVIDERS_FILE",
    )
    .with_remedy("add a provider with exactly this issuer to PROVIDERS_FILE, or correct JWT_ISSUER")
}
