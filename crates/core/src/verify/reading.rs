//! What is known of a token that a layer accepts: who it stands for, under which names it may be revoked, and until when
//! it is good.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::examined::Examined;
use super::testimony::{Rejection, Testimony, Verdict};
use crate::clock;
use crate::identity::{ClaimPaths, Identity, NoSubject, VerificationSource};
use crate::revocation::{Facts, Issued, Party, RevocationKey, TokenKey};
use crate::token::{CompactJws, TokenShape};
use crate::unavailable::Unavailable;

/// A token, and how it is to be read.
pub(super) struct Reading<'a> {
    pub(super) paths: &'a ClaimPaths,
    pub(super) leeway: Duration,
    pub(super) examined: &'a Examined<'a>,
    /// What a signature checked here proved of it before any layer was asked.
    pub(super) proven: Option<&'a Testimony>,
    pub(super) now: Timestamp,
}

impl Reading<'_> {
    /// What is known once a layer has accepted it, or why that is not enough after all.
    pub(super) fn facts(&self, source: VerificationSource, said: &Testimony) -> Result<Facts, Verdict> {
        let mut identity = self.identity(source, said)?;
        let TokenShape::Jws(jws) = self.examined.shape() else {
            self.check_expiry(said.expires_at)?;
            return Ok(opaque_facts(identity, said, self.examined.by_bytes().clone()));
        };
        let local = source == VerificationSource::LocalJwt;
        let proven = if local { Some(said) } else { self.proven };
        same_subject(source, &said.claims, jws, proven)?;
        let own = TokenClaims::of(jws, proven);
        identity.client_id = identity.client_id.or_else(|| own.client_id.map(str::to_owned));
        identity.session_id = identity.session_id.or_else(|| own.session_id.map(str::to_owned));
        if identity.scope.is_empty() {
            let words = own.scope.unwrap_or_default().split(' ');
            identity.scope = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
        }
        let expires_at = [said.expires_at, own.expires_at].into_iter().flatten().min();
        self.check_expiry(expires_at)?;
        Ok(signed_facts(identity, &own, self.examined, expires_at))
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
    let own = proven.map_or_else(
        || jws.claims_vouched_by_issuer(),
        |testimony| testimony.claims.as_ref(),
    );
    match (said.get("sub"), own.get("sub")) {
        (Some(theirs), Some(own)) if speaks_of_sub && theirs != own => Err(Verdict::Unavailable(
            Unavailable::upstream("it answers about another subject than the token's"),
        )),
        _ => Ok(()),
    }
}

fn signed_facts(
    identity: Identity,
    own: &TokenClaims<'_>,
    examined: &Examined<'_>,
    expires_at: Option<Timestamp>,
) -> Facts {
    let jti = own.jti.map(|jti| RevocationKey::Token(TokenKey::from_jti(jti)));
    let mut names: Vec<_> = jti.into_iter().collect();
    names.extend(examined.by_input().cloned());
    // A `jti` that was checked by a signature names the token by itself; otherwise the digest is written as well.
    let own_names = if own.jti.is_some() && own.proven {
        1
    } else {
        names.len()
    };
    names.push(examined.by_bytes().clone());
    names.extend(own.session_id.map(|sid| RevocationKey::Session(sid.to_owned())));
    let mut parties = vec![Party::User(identity.user_id.clone())];
    parties.extend(identity.client_id.clone().map(Party::Client));
    parties.extend(own.issuer.map(|issuer| Party::Issuer(issuer.to_owned())));
    let issued = own.issued_at.map_or(Issued::Unknown, Issued::InSecond);
    Facts {
        identity,
        names,
        own_names,
        parties,
        issued,
        expires_at,
        session: None,
        key_id: own.key_id.map(str::to_owned),
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
    }
}

/// What a signed token says of itself, where that may be believed: its signature was checked here, or its issuer
/// accepted this very token a moment ago.
struct TokenClaims<'c> {
    jti: Option<&'c str>,
    session_id: Option<&'c str>,
    client_id: Option<&'c str>,
    issuer: Option<&'c str>,
    scope: Option<&'c str>,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    key_id: Option<&'c str>,
    proven: bool,
}

impl<'c> TokenClaims<'c> {
    fn of(jws: &'c CompactJws<'_>, proven: Option<&'c Testimony>) -> Self {
        let claims = match proven {
            Some(testimony) => testimony.claims.as_ref(),
            None => jws.claims_vouched_by_issuer(),
        };
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
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
            scope: text("scope"),
            issued_at: moment("iat"),
            expires_at: proven.and_then(|t| t.expires_at).or_else(|| moment("exp")),
            key_id: proven.and_then(|t| t.key_id.as_deref()),
            proven: proven.is_some(),
        }
    }
}
