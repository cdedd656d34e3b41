//! What is known of a token that a layer accepts: who it stands for, under which names it may be revoked, and until when
//! it is good.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::testimony::{Rejection, Testimony, Verdict};
use crate::clock;
use crate::credential::PresentedToken;
use crate::identity::{ClaimPaths, Identity, NoSubject, VerificationSource};
use crate::revocation::{Facts, Issued, Party, Prepared, RevocationKey, TokenKey};
use crate::token::{CompactJws, TokenShape};
use crate::unavailable::Unavailable;

/// A token, and how it is to be read.
pub(super) struct Reading<'a> {
    pub(super) paths: &'a ClaimPaths,
    pub(super) leeway: Duration,
    pub(super) token: &'a PresentedToken,
    pub(super) shape: &'a TokenShape<'a>,
    /// What a signature checked here proved of it before any layer was asked.
    pub(super) proven: Option<&'a Testimony>,
    pub(super) now: Timestamp,
}

impl Reading<'_> {
    /// What is known once a layer has accepted it, or why that is not enough after all.
    pub(super) fn facts(&self, source: VerificationSource, said: &Testimony) -> Result<Facts, Verdict> {
        let mut identity = self.identity(source, said)?;
        let bytes = RevocationKey::Token(TokenKey::from_bytes_of(self.token));
        let TokenShape::Jws(jws) = self.shape else {
            self.check_expiry(said.expires_at)?;
            return Ok(opaque_facts(identity, said, bytes));
        };
        let local = source == VerificationSource::LocalJwt;
        let proven = if local { Some(said) } else { self.proven };
        same_subject(source, &said.claims, jws, proven)?;
        let own = TokenClaims::of(jws, proven);
        identity.client_id = identity.client_id.or_else(|| own.client_id.clone());
        identity.session_id = identity.session_id.or_else(|| own.session_id.clone());
        if identity.scope.is_empty() {
            identity.scope.clone_from(&own.scope);
        }
        let expires_at = [said.expires_at, own.expires_at].into_iter().flatten().min();
        self.check_expiry(expires_at)?;
        Ok(signed_facts(identity, own, jws, bytes, expires_at))
    }

    fn identity(&self, source: VerificationSource, said: &Testimony) -> Result<Identity, Verdict> {
        let read = self.paths.identity(&said.claims, source, self.now);
        read.map_err(|fault| match fault {
            NoSubject::Missing => Verdict::Rejected(Rejection::NoSubject),
            NoSubject::Mistyped if source == VerificationSource::LocalJwt => {
                Verdict::Rejected(Rejection::Malformed)
            }
            NoSubject::Mistyped => Verdict::Unavailable(Unavailable::upstream(fault)),
        })
    }

    fn check_expiry(&self, expires_at: Option<Timestamp>) -> Result<(), Verdict> {
        match expires_at {
            Some(at) if at <= clock::before(self.now, self.leeway) => {
                Err(Verdict::Rejected(Rejection::Expired))
            }
            _ => Ok(()),
        }
    }
}

/// An answer about another subject than the token's own is no answer about this token (OpenID Connect Core §5.3.2; I9).
fn same_subject(
    source: VerificationSource,
    said: &Map<String, Value>,
    jws: &CompactJws<'_>,
    proven: Option<&Testimony>,
) -> Result<(), Verdict> {
    let speaks_of_sub = matches!(
        source,
        VerificationSource::OauthUserinfo | VerificationSource::Introspection
    );
    let own = proven.map_or_else(|| jws.claims_vouched_by_issuer(), |testimony| &testimony.claims);
    match (said.get("sub"), own.get("sub")) {
        (Some(theirs), Some(own)) if speaks_of_sub && theirs != own => Err(Verdict::Unavailable(
            Unavailable::upstream("it answers about another subject than the token's"),
        )),
        _ => Ok(()),
    }
}

fn signed_facts(
    identity: Identity,
    own: TokenClaims,
    jws: &CompactJws<'_>,
    bytes: RevocationKey,
    expires_at: Option<Timestamp>,
) -> Facts {
    let digest = RevocationKey::Token(TokenKey::from_signing_input(&jws.signing_input_digest()));
    let mut names: Vec<_> = own
        .jti
        .iter()
        .map(|jti| RevocationKey::Token(TokenKey::from_jti(jti)))
        .collect();
    names.push(digest);
    // A `jti` that was checked by a signature names the token by itself; otherwise the digest is written as well.
    let own_names = if own.jti.is_some() && own.proven {
        1
    } else {
        names.len()
    };
    names.push(bytes);
    names.extend(own.session_id.map(RevocationKey::Session));
    let mut parties = vec![Party::User(identity.user_id.clone())];
    parties.extend(identity.client_id.clone().map(Party::Client));
    parties.extend(own.issuer.map(Party::Issuer));
    let issued = own.issued_at.map_or(Issued::Unknown, Issued::InSecond);
    Facts {
        identity,
        names,
        own_names,
        parties,
        issued,
        expires_at,
        session: None,
        key_id: own.key_id,
        prepared: Prepared::default(),
    }
}

fn opaque_facts(identity: Identity, said: &Testimony, bytes: RevocationKey) -> Facts {
    let second = |name: &str| said.claims.get(name).and_then(serde_json::Value::as_i64);
    let issued_at = second("iat").and_then(|at| Timestamp::from_second(at).ok());
    // Only introspection speaks of the token (RFC 7662 §2.2); elsewhere `iat` would be of something else.
    let introspected = identity.verification_source == VerificationSource::Introspection;
    let mut parties = vec![Party::User(identity.user_id.clone())];
    parties.extend(identity.client_id.clone().map(Party::Client));
    Facts {
        identity,
        names: vec![bytes],
        own_names: 1,
        parties,
        issued: issued_at
            .filter(|_| introspected)
            .map_or(Issued::Unknown, Issued::InSecond),
        expires_at: said.expires_at,
        session: None,
        key_id: None,
        prepared: Prepared::default(),
    }
}

/// What a signed token says of itself, where that may be believed: its signature was checked here, or its issuer
/// accepted this very token a moment ago.
struct TokenClaims {
    jti: Option<String>,
    session_id: Option<String>,
    client_id: Option<String>,
    issuer: Option<String>,
    scope: Vec<String>,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    key_id: Option<String>,
    proven: bool,
}

impl TokenClaims {
    fn of(jws: &CompactJws<'_>, proven: Option<&Testimony>) -> Self {
        let claims = match proven {
            Some(testimony) => &testimony.claims,
            None => jws.claims_vouched_by_issuer(),
        };
        let text = |name: &str| {
            claims
                .get(name)
                .and_then(serde_json::Value::as_str)
                .map(str::to_owned)
        };
        let moment = |name: &str| {
            let seconds = claims.get(name)?.as_f64()?;
            #[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates")]
            let seconds = seconds.floor() as i64;
            Timestamp::from_second(seconds).ok()
        };
        Self {
            jti: text("jti").filter(|jti| !jti.is_empty()),
            session_id: text("sid"),
            client_id: text("client_id").or_else(|| text("azp")),
            issuer: text("iss"),
            scope: text("scope")
                .map(|s| {
                    s.split(' ')
                        .filter(|w| !w.is_empty())
                        .map(str::to_owned)
                        .collect()
                })
                .unwrap_or_default(),
            issued_at: moment("iat"),
            expires_at: proven.and_then(|t| t.expires_at).or_else(|| moment("exp")),
            key_id: proven.and_then(|t| t.key_id.clone()),
            proven: proven.is_some(),
        }
    }
}
