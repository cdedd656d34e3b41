//! Tokens of a grant: how they are named, registered and kept with their session.

use std::time::Duration;

use jiff::Timestamp;

use super::Engine;
use super::token_provenance::TokenProvenance;
use crate::clock;
use crate::credential::{PresentedToken, SessionHandle};
use crate::identity::{Issuer, Subject, UpstreamSession};
use crate::issued_tokens::{IssuedToken, TokenUse};
use crate::session::SessionToken;
use crate::token_endpoint::UpstreamError;
use crate::unavailable::Unavailable;
use crate::verdict::TokenKey;
use maxlab_auth_jose::{TokenShape, shape_of};
use serde_json::{Map, Value};

/// Tokens that the authorization server has just issued (RFC 6749 §5.1).
#[derive(Clone, Debug)]
pub struct TokenGrant {
    /// Access token.
    pub access_token: PresentedToken,
    /// Refresh token, if the answer has one.
    pub refresh_token: Option<PresentedToken>,
    /// Lifetime of the access token: `expires_in` of the answer.
    pub expires_in: Option<Duration>,
    /// Client that the token request named or authenticated as.
    pub client_id: Option<String>,
}

impl TokenGrant {
    /// Reads the tokens of an answer. It does not name the client; the caller adds that of the request.
    ///
    /// Only the access token is required: the grant is spent, so whatever else cannot be read is left out or
    /// counts as unknown (decision 33).
    ///
    /// # Errors
    /// Fails if there is no access token that can be passed on.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, UpstreamError> {
        let access_token = match body.get("access_token") {
            None | Some(Value::Null) => Err(UpstreamError::Unreadable("the answer has no access_token")),
            Some(value) => issued_token(value).ok_or(UpstreamError::Unreadable(
                "the access_token of the answer is not a token",
            )),
        };
        Ok(Self {
            access_token: access_token?,
            refresh_token: body.get("refresh_token").and_then(issued_token),
            expires_in: body.get("expires_in").and_then(lifetime),
            client_id: None,
        })
    }
}

/// Removes members of a token answer that name no token: a client would take `""` for one.
pub(super) fn remove_absent_tokens(body: &mut Map<String, Value>) {
    let is_absent = |value: &Value| value.is_null() || value == "";
    if body
        .get("refresh_token")
        .is_some_and(|value| issued_token(value).is_none())
    {
        // A token that cannot be registered could not be revoked later.
        if body
            .remove("refresh_token")
            .is_some_and(|value| !is_absent(&value))
        {
            tracing::warn!("refresh token left out of an answer, it is not a token of RFC 6749");
        }
    }
    if body.get("id_token").is_some_and(is_absent) {
        body.remove("id_token");
    }
}

/// Reads a token that was just issued.
fn issued_token(value: &Value) -> Option<PresentedToken> {
    PresentedToken::parse_issued(value.as_str()?).ok()
}

/// Reads `expires_in`: a number of seconds, which some servers send as text or with a fraction.
///
/// `None` means that the lifetime is unknown, also for zero and negative values, which some servers send for
/// tokens without an end. A revocation is then kept for as long as the retention.
fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    // Fails for negative and infinite numbers, for NaN, and for more seconds than a `Duration` has.
    let lifetime = Duration::try_from_secs_f64(seconds).ok()?;
    (!lifetime.is_zero()).then_some(lifetime)
}

impl Engine {
    /// Returns the register's entries for the tokens of a grant. The access token comes first.
    pub(super) fn issued_tokens(
        &self,
        grant: &TokenGrant,
        subject: Option<&Subject>,
        session: Option<&SessionHandle>,
        login_at: Timestamp,
        now: Timestamp,
    ) -> Vec<IssuedToken> {
        let retention = self.deps.revocations.policy().retention;
        let access_token = &grant.access_token;
        let TokenProvenance {
            client_id: claimed_client,
            issuer,
            upstream_session,
            ..
        } = self.provenance_of(access_token);
        // If request and access token name different clients, a cut-off of either must cover both tokens. The
        // access token covers its own client by its claims and the other by its entry. A refresh token is
        // also checked by the client that presents it.
        let client_id = grant.client_id.clone().or_else(|| claimed_client.clone());
        let refresh_client_id = claimed_client.clone().or_else(|| grant.client_id.clone());
        let default_issuer = || self.deps.chain.issuers().names(now).into_iter().next();
        let issuer = issuer.or_else(default_issuer);
        let entry = |key, token_use, expires_at| IssuedToken {
            key,
            token_use,
            subject: subject.cloned(),
            session: session.cloned(),
            upstream_session: upstream_session.clone(),
            // Only if the claim names this very client: otherwise a cut-off
            // must find the token in the register.
            has_client_claim: claimed_client.is_some() && claimed_client == client_id,
            client_id: client_id.clone(),
            issuer: issuer.clone(),
            login_at,
            expires_at,
            superseded_at: None,
        };
        let access_expiry = access_expiry(grant, retention, now);
        let mut issued = vec![entry(
            fresh_access_key(self.deps.chain.issuer(), access_token),
            TokenUse::Access,
            access_expiry,
        )];
        if let Some(refresh) = &grant.refresh_token {
            // The lifetime of a refresh token is not part of the answer. The retention is the upper limit.
            let expires_at = clock::after(now, retention);
            issued.push(IssuedToken {
                client_id: refresh_client_id,
                ..entry(refresh_key(refresh), TokenUse::Refresh, expires_at)
            });
        }
        issued
    }

    /// Records the tokens in the register of issued tokens (decision 4).
    #[tracing::instrument(level = "debug", skip_all, fields(tokens = issued.len()))]
    pub(super) async fn register_tokens(
        &self,
        issued: &[IssuedToken],
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        self.deps.issued_tokens.record(issued).await?;
        // The store has a second list, `user_tokens:{user}`, that deployments of the guide
        // read (docs/GUIDE.md, "Tokens of a user"). The gateway itself reads the register,
        // so a failure here is only logged.
        for token in issued.iter().filter(|token| token.token_use == TokenUse::Access) {
            let Some(subject) = &token.subject else { continue };
            let store = self.deps.revocations.store();
            let noted = store
                .record_user_token(subject, &token.key, token.expires_at, now)
                .await;
            if let Err(fault) = noted {
                tracing::warn!(%fault, "token not added to the store's list, the register has it");
            }
        }
        Ok(())
    }
}

/// Adds the upstream session of a login to those of its tokens that do not name one: refresh tokens and opaque
/// tokens name nothing.
pub(super) fn belong_to_upstream_session(issued: &mut [IssuedToken], session: Option<&UpstreamSession>) {
    for token in issued {
        token.upstream_session = token.upstream_session.take().or_else(|| session.cloned());
    }
}

/// Returns the time at which an access token has certainly expired: the later of its
/// `exp` and the answer's `expires_in`.
///
/// A revocation that is kept until then never ends before the token does.
fn access_expiry(grant: &TokenGrant, retention: Duration, now: Timestamp) -> Timestamp {
    let granted = grant
        .expires_in
        .map(|lifetime| clock::after(now, lifetime.min(retention)));
    let exp = match shape_of(grant.access_token.expose()) {
        TokenShape::Jws(jws) => jws.unverified_expiry(),
        TokenShape::Opaque | TokenShape::Malformed(_) => None,
    };
    // `None` is smaller than any time, so `max` picks the one that is known.
    granted.max(exp).unwrap_or_else(|| clock::after(now, retention))
}

/// Returns the key of an access token that the authorization server has just issued.
fn fresh_access_key(issuer: &Issuer, token: &PresentedToken) -> TokenKey {
    match shape_of(token.expose()) {
        // No signature check is needed: the issuer itself has returned the token a moment ago.
        TokenShape::Jws(jws) => match jws.unverified_jti() {
            Some(jti) if !jti.is_empty() => TokenKey::from_issuer_and_jti(issuer, jti),
            _ => TokenKey::from_signing_input_digest(&jws.signing_input_digest()),
        },
        TokenShape::Opaque | TokenShape::Malformed(_) => TokenKey::from_presented(token),
    }
}

/// Returns the key of a refresh token: its signing input if it is signed, otherwise its bytes.
///
/// The signing input leaves out the signature, so another encoding of the signature is the same token.
pub(super) fn refresh_key(token: &PresentedToken) -> TokenKey {
    match shape_of(token.expose()) {
        TokenShape::Jws(jws) => TokenKey::from_signing_input_digest(&jws.signing_input_digest()),
        TokenShape::Opaque | TokenShape::Malformed(_) => TokenKey::from_presented(token),
    }
}

/// Returns the tokens of a grant as a session keeps them.
pub(super) fn session_tokens(
    issuer: &Issuer,
    grant: &TokenGrant,
    issued: &[IssuedToken],
) -> Vec<SessionToken> {
    // `issued` has the same order: access token, then refresh token.
    let tokens = [Some(&grant.access_token), grant.refresh_token.as_ref()];
    tokens
        .into_iter()
        .flatten()
        .zip(issued)
        .map(|(token, issued)| {
            SessionToken::new(
                issued.key.clone(),
                issued.token_use,
                issuer.clone(),
                token,
                Some(issued.expires_at),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: Value) -> Result<TokenGrant, UpstreamError> {
        match body {
            Value::Object(body) => TokenGrant::parse(&body),
            _ => panic!("an answer is an object"),
        }
    }

    #[test]
    fn f3_a_lifetime_is_read_or_unknown() {
        for (value, seconds) in [
            (json!(3599), Some(3599.0)),
            (json!("3599"), Some(3599.0)),
            (json!(" 3599 "), Some(3599.0)),
            (json!(3599.0), Some(3599.0)),
            (json!("3599.5"), Some(3599.5)),
            (json!(-1), None),
            (json!("-1"), None),
            (json!(0), None),
            (json!(1e300), None),
            (json!("soon"), None),
            (json!("inf"), None),
            (json!(""), None),
            (json!(true), None),
            (json!(null), None),
            (json!({ "seconds": 5 }), None),
        ] {
            let grant = parse(json!({ "access_token": "a", "expires_in": value })).unwrap();
            assert_eq!(
                grant.expires_in.map(|lifetime| lifetime.as_secs_f64()),
                seconds,
                "{value}"
            );
        }
    }

    #[test]
    fn f5_what_names_no_token_is_absent() {
        for nothing in [json!(""), json!(null), json!(7), json!(["r"]), json!("a\nb")] {
            let answer =
                json!({ "access_token": "a!", "refresh_token": nothing, "id_token": null, "scope": null });
            let Value::Object(mut body) = answer else { panic!() };
            remove_absent_tokens(&mut body);
            assert_eq!(
                Value::Object(body.clone()),
                json!({ "access_token": "a!", "scope": null })
            );
            assert!(TokenGrant::parse(&body).unwrap().refresh_token.is_none());
        }
        let Value::Object(mut body) =
            json!({ "access_token": "a", "refresh_token": "r|$*", "id_token": "i" })
        else {
            panic!()
        };
        let before = body.clone();
        remove_absent_tokens(&mut body);
        assert_eq!(body, before);
        assert_eq!(
            TokenGrant::parse(&body).unwrap().refresh_token.unwrap().expose(),
            "r|$*"
        );
    }

    #[test]
    fn without_an_access_token_nothing_can_be_given() {
        for access in [json!(""), json!(null), json!(7), json!("a\r\nx"), json!("é")] {
            assert!(parse(json!({ "access_token": access })).is_err(), "{access}");
        }
        assert!(parse(json!({})).is_err());
    }
}
