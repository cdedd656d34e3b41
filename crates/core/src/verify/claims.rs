//! Reads the claims of an accepted token: its identity, the keys under which
//! it may be revoked, and its expiry.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::explain;
use super::issuers::DefaultIssuers;
use super::layer::{LayerClaims, TokenRejection, Verdict};
use super::parsed_token::ParsedToken;
use crate::clock;
use crate::identity::{
    ClaimPaths, Identity, Issuer, SubjectFault, UpstreamSession, VerificationSource, subject_text,
};
use crate::unavailable::Unavailable;
use crate::verdict::{CredentialInfo, CutoffScope, IssueTime, RevocationKey, TokenKey};
use maxlab_auth_jose::{CompactJws, DeclaredKind, TokenShape};

/// Reads the claims of one token.
pub(super) struct ClaimsReader<'a> {
    pub(super) claim_paths: &'a ClaimPaths,
    /// Issuer of the user and of the token.
    pub(super) issuer: &'a Issuer,
    /// Issuers of a token that names none.
    pub(super) issuers: &'a DefaultIssuers,
    /// Clock skew that is allowed after the expiry.
    pub(super) leeway: Duration,
    pub(super) parsed: &'a ParsedToken<'a>,
    /// Claims that the precheck proved by the signature, before any layer was asked.
    pub(super) proven: Option<&'a LayerClaims>,
    pub(super) now: Timestamp,
}

impl ClaimsReader<'_> {
    /// Returns the credential info of a token that a layer accepts, or a verdict
    /// if its claims are not acceptable.
    pub(super) fn credential_info(
        &self,
        source: VerificationSource,
        claims: &LayerClaims,
    ) -> Result<CredentialInfo, Verdict> {
        let mut identity = self.identity(source, claims)?;
        let TokenShape::Jws(jws) = self.parsed.shape() else {
            self.check_expiry(claims.expires_at)?;
            let scopes = self.cutoff_scopes(&identity, None, None);
            let bytes = self.parsed.bytes_key().clone();
            return Ok(opaque_token_info(identity, claims, bytes, scopes));
        };
        // A layer may accept a refresh or ID token. Its own declaration refutes
        // it, proven or not (decision 19).
        if jws.unverified_kind() == DeclaredKind::Other {
            return Err(Verdict::Refuted(TokenRejection::NotAccessToken));
        }
        // The local layer has just checked the signature of these claims; for others the precheck may have.
        let local = source == VerificationSource::LocalJwt;
        let proven = if local { Some(claims) } else { self.proven };
        check_same_subject(source, &claims.claims, jws, proven)?;
        let own_claims = TokenClaims::read(jws, proven);
        identity.client_id = identity
            .client_id
            .or_else(|| own_claims.client_id.map(str::to_owned));
        identity.sid = identity.sid.or_else(|| own_claims.session_id.map(str::to_owned));
        if identity.scope.is_empty() {
            let words = own_claims.scope.unwrap_or_default().split(' ');
            identity.scope = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
        }
        // The earlier of the two: the layer's answer may describe a shorter life than the token, or none.
        let expires_at = [claims.expires_at, own_claims.expires_at]
            .into_iter()
            .flatten()
            .min();
        self.check_expiry(expires_at)?;
        let scopes = self.cutoff_scopes(&identity, own_claims.issuer, own_claims.session_id);
        Ok(signed_token_info(
            identity,
            &own_claims,
            self.parsed,
            expires_at,
            scopes,
        ))
    }

    /// Returns the scopes whose cut-offs cover a token of this identity, with this `iss` and `sid`. The user
    /// comes first.
    fn cutoff_scopes(
        &self,
        identity: &Identity,
        issuer: Option<&str>,
        own_sid: Option<&str>,
    ) -> Vec<CutoffScope> {
        let mut scopes = vec![CutoffScope::User(identity.subject())];
        scopes.extend(identity.client_id.clone().map(CutoffScope::Client));
        match issuer {
            Some(issuer) => scopes.push(CutoffScope::Issuer(issuer.to_owned())),
            None => scopes.extend(self.issuers.names(self.now).into_iter().map(CutoffScope::Issuer)),
        }
        // The layer's answer and the token itself mostly name the same session.
        let answered_sid = identity.sid.as_deref();
        let sids = answered_sid
            .into_iter()
            .chain(own_sid.filter(|sid| Some(*sid) != answered_sid));
        let sessions = sids.map(|sid| UpstreamSession::new(self.issuer.clone(), sid));
        scopes.extend(sessions.map(CutoffScope::UpstreamSession));
        scopes.push(CutoffScope::Everything);
        scopes
    }

    /// Reads the identity in the claims of a layer.
    fn identity(&self, source: VerificationSource, claims: &LayerClaims) -> Result<Identity, Verdict> {
        let identity = self.claim_paths.read_identity(&claims.claims, source, self.now);
        let at_issuer = |identity| Identity {
            issuer: self.issuer.clone(),
            ..identity
        };
        identity.map(at_issuer).map_err(|fault| match fault {
            SubjectFault::Missing => {
                explain::note(|| explain::no_subject_step(source, &claims.claims));
                Verdict::Rejected(TokenRejection::NoSubject)
            }
            // In a signed token the claim is the token's own defect. In an
            // answer it is a defect of the server.
            SubjectFault::NotAString if source == VerificationSource::LocalJwt => {
                Verdict::Rejected(TokenRejection::Malformed)
            }
            SubjectFault::NotAString => Verdict::Unavailable(Unavailable::upstream(fault)),
        })
    }

    /// Rejects a token that has expired, with the allowed leeway.
    fn check_expiry(&self, expires_at: Option<Timestamp>) -> Result<(), Verdict> {
        match expires_at {
            Some(at) if at <= clock::before(self.now, self.leeway) => {
                Err(Verdict::Rejected(TokenRejection::Expired))
            }
            _ => Ok(()),
        }
    }
}

/// Checks that an answer of the authorization server is about the token's own subject
/// (OpenID Connect Core §5.3.2; I9).
fn check_same_subject(
    source: VerificationSource,
    claims: &Map<String, Value>,
    jws: &CompactJws<'_>,
    proven: Option<&LayerClaims>,
) -> Result<(), Verdict> {
    // Other layers describe the user by their own ids, which need not equal `sub`.
    let answers_about_sub = matches!(
        source,
        VerificationSource::OauthUserinfo | VerificationSource::Introspection
    );
    let own = proven.map_or_else(|| jws.claims_vouched_by_issuer(), |proof| proof.claims.as_ref());
    match (claims.get("sub"), own.get("sub")) {
        // As text: an integer in one and its decimal form in the other are the same subject.
        (Some(answered), Some(own)) if answers_about_sub && !is_same_subject(answered, own) => {
            explain::note(|| explain::other_subject_step(source));
            Err(Verdict::Unavailable(Unavailable::upstream(
                "the answer is about another subject than the token",
            )))
        }
        _ => Ok(()),
    }
}

fn is_same_subject(one: &Value, other: &Value) -> bool {
    one == other || subject_text(one).is_some_and(|text| Some(text) == subject_text(other))
}

/// Returns the info of a signed token.
fn signed_token_info(
    identity: Identity,
    claims: &TokenClaims<'_>,
    parsed: &ParsedToken<'_>,
    expires_at: Option<Timestamp>,
    scopes: Vec<CutoffScope>,
) -> CredentialInfo {
    let jti = claims
        .jti
        .map(|jti| RevocationKey::Token(TokenKey::from_issuer_and_jti(&identity.issuer, jti)));
    let mut keys: Vec<_> = jti.into_iter().collect();
    keys.extend(parsed.signing_input_key().cloned());
    keys.push(parsed.bytes_key().clone());
    // If the signature was checked here, the first key is enough to revoke the token. Otherwise all keys are
    // used: a gateway without a key can later recognise the token only by its exact bytes (decision 17).
    let own_key_count = if claims.proven { 1 } else { keys.len() };
    let issue_time = claims
        .issued_at
        .map_or(IssueTime::Unknown, IssueTime::WithinSecond);
    CredentialInfo {
        identity,
        revocation_keys: keys,
        own_key_count,
        cutoff_scopes: scopes,
        issue_time,
        expires_at,
        session: None,
        key_id: claims.key_id.map(str::to_owned),
    }
}

/// Returns the info of an opaque token.
fn opaque_token_info(
    identity: Identity,
    claims: &LayerClaims,
    bytes_key: RevocationKey,
    scopes: Vec<CutoffScope>,
) -> CredentialInfo {
    let issued_at = timestamp_claim(&claims.claims, "iat");
    // Only an introspection answer describes the token (RFC 7662 §2.2). In userinfo,
    // `iat` would be that of the answer.
    let is_introspected = identity.verification_source == VerificationSource::Introspection;
    CredentialInfo {
        identity,
        revocation_keys: vec![bytes_key],
        own_key_count: 1,
        cutoff_scopes: scopes,
        issue_time: issued_at
            .filter(|_| is_introspected)
            .map_or(IssueTime::Unknown, IssueTime::WithinSecond),
        expires_at: claims.expires_at,
        session: None,
        key_id: None,
    }
}

/// Reads a time claim in seconds since 1970, without its fraction (`NumericDate`, RFC 7519 §2).
fn timestamp_claim(claims: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    let seconds = claims.get(name)?.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates")]
    let seconds = seconds.floor() as i64;
    Timestamp::from_second(seconds).ok()
}

/// Reads `exp`. A time after the last representable one counts as the last. For `iat` it would not: a token
/// from the end of time would escape every cut-off.
fn expiry_claim(claims: &Map<String, Value>) -> Option<Timestamp> {
    let is_far = |seconds: f64| seconds > Timestamp::MAX.as_duration().as_secs_f64();
    let far = claims.get("exp").and_then(Value::as_f64).filter(|at| is_far(*at));
    far.map(|_| Timestamp::MAX)
        .or_else(|| timestamp_claim(claims, "exp"))
}

/// Claims in a signed token, if they may be used: the signature was checked here, or the
/// issuer has just accepted the token.
struct TokenClaims<'c> {
    jti: Option<&'c str>,
    session_id: Option<&'c str>,
    client_id: Option<&'c str>,
    issuer: Option<&'c str>,
    scope: Option<&'c str>,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    key_id: Option<&'c str>,
    /// `true` if the signature was checked here.
    proven: bool,
}

impl<'c> TokenClaims<'c> {
    /// Reads the proven claims, or else those in the token.
    fn read(jws: &'c CompactJws<'_>, proven: Option<&'c LayerClaims>) -> Self {
        let claims = match proven {
            Some(proof) => proof.claims.as_ref(),
            None => jws.claims_vouched_by_issuer(),
        };
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        Self {
            // An empty `jti` would be one name for many tokens.
            jti: text("jti").filter(|jti| !jti.is_empty()),
            session_id: text("sid").filter(|sid| !sid.is_empty()),
            client_id: text("client_id").or_else(|| text("azp")),
            issuer: text("iss"),
            scope: text("scope"),
            issued_at: timestamp_claim(claims, "iat"),
            // The proof's expiry includes the default lifetime of a token without `exp`.
            expires_at: proven.and_then(|t| t.expires_at).or_else(|| expiry_claim(claims)),
            key_id: proven.and_then(|t| t.key_id.as_deref()),
            proven: proven.is_some(),
        }
    }
}
