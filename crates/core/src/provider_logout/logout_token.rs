//! Rules of a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6).

use std::time::Duration;

use jiff::Timestamp;
use maxlab_auth_jose::{AuthenticClaims, MalformedClaim};
use serde_json::{Map, Value};

use crate::clock;

/// Lifetime of a token without `exp`, which the drafts of the specification did not require. It is the longest
/// that §2.4 advises.
pub const STANDARD_LIFETIME: Duration = Duration::from_secs(120);
/// Maximum age of a token, whatever its `exp` says.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// Member of `events` that makes a token a logout token (§2.4).
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Rules that the logout tokens of one provider must satisfy.
#[derive(Clone, Copy, Debug)]
pub struct LogoutTokenRules<'r> {
    /// Names of the provider. `iss` must be one.
    pub issuers: &'r [String],
    /// `client_id` of the gateway, which `aud` must contain.
    pub client_id: &'r str,
    /// Largest difference between the clocks of provider and gateway.
    pub skew: Duration,
}

/// Logout token that follows every rule. It names a session, a person or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// Id of the person at the provider (`sub`).
    pub subject: Option<String>,
    /// Id of the session at the provider (`sid`).
    pub session: Option<String>,
    /// Name of the token (`jti`).
    pub id: String,
    /// Time of the logout at the provider (`iat`).
    pub issued_at: Timestamp,
    /// Time from which the token is refused by itself, on every clock.
    pub refused_from: Timestamp,
}

/// Reason for which a logout token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutTokenFault {
    /// Text that is no signed JWT, or that asks for an extension.
    #[error("the token is not a signed JWT")]
    Malformed,
    /// Signature that no key of the provider made with a configured algorithm.
    #[error("the signature is not one of the provider's, with a configured algorithm")]
    Signature,
    /// `typ` of another kind of token.
    #[error("the typ of the token is not that of a logout token")]
    WrongType,
    /// `iss` of another issuer, or none.
    #[error("iss is not the provider")]
    WrongIssuer,
    /// `aud` without the gateway's client.
    #[error("aud does not contain the client of the gateway")]
    WrongAudience,
    /// `events` without the event of a logout, or none.
    #[error("events does not contain the back-channel logout event as an object")]
    NoLogoutEvent,
    /// `nonce`, which belongs to ID tokens.
    #[error("a logout token has no nonce")]
    HasNonce,
    /// Required claim that is absent.
    #[error("the claim {0} is missing")]
    Missing(&'static str),
    /// Claim of the wrong type.
    #[error("the claim {0} is malformed")]
    MalformedClaim(&'static str),
    /// Neither `sub` nor `sid`.
    #[error("the token names neither sub nor sid")]
    NamesNobody,
    /// `exp` in the past, or `iat` too long ago.
    #[error("the token has expired")]
    Expired,
    /// `iat` or `nbf` in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `sid` of a session that belongs to another person than `sub`.
    #[error("sid and sub do not belong together")]
    OtherPerson,
}

impl From<MalformedClaim> for LogoutTokenFault {
    fn from(MalformedClaim(name): MalformedClaim) -> Self {
        Self::MalformedClaim(name)
    }
}

impl LogoutToken {
    /// Applies all rules except the signature, which `claims` already prove.
    ///
    /// # Errors
    /// [`LogoutTokenFault`] with the first rule that the claims break.
    pub fn check(
        claims: &AuthenticClaims,
        rules: LogoutTokenRules<'_>,
        now: Timestamp,
    ) -> Result<Self, LogoutTokenFault> {
        check_type(claims.token_type())?;
        check_parties(claims, rules)?;
        check_event(claims.as_map())?;
        let (issued_at, refused_from) = check_times(claims, rules.skew, now)?;
        let subject = claims.subject()?.map(str::to_owned);
        let session = claims.session_id()?.map(str::to_owned);
        if subject.is_none() && session.is_none() {
            return Err(LogoutTokenFault::NamesNobody);
        }
        let id = claims.jwt_id()?.ok_or(LogoutTokenFault::Missing("jti"))?;
        Ok(Self {
            subject,
            session,
            id: id.to_owned(),
            issued_at,
            refused_from,
        })
    }

    /// Returns the time of the cut-off: the end of the second that `iat` names, which has no fractions.
    ///
    /// The clock of the provider may be ahead. A cut-off in the future would end logins that have not begun,
    /// so the second of `now` is the latest.
    pub fn cutoff(&self, now: Timestamp) -> Timestamp {
        let second = self.issued_at.min(now).as_second();
        Timestamp::new(second, 999_999_999).unwrap_or(now)
    }
}

/// Checks `typ`. It is compared without case and without `application/` (RFC 7515 §4.1.9).
pub(crate) fn check_type(typ: Option<&str>) -> Result<(), LogoutTokenFault> {
    let Some(typ) = typ else { return Ok(()) };
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "logout+jwt" | "jwt" => Ok(()),
        _ => Err(LogoutTokenFault::WrongType),
    }
}

fn check_parties(claims: &AuthenticClaims, rules: LogoutTokenRules<'_>) -> Result<(), LogoutTokenFault> {
    let issuer = claims.issuer()?.ok_or(LogoutTokenFault::Missing("iss"))?;
    if !rules.issuers.iter().any(|own| own == issuer) {
        return Err(LogoutTokenFault::WrongIssuer);
    }
    if !claims.audience()?.contains(&rules.client_id) {
        return Err(LogoutTokenFault::WrongAudience);
    }
    Ok(())
}

fn check_event(claims: &Map<String, Value>) -> Result<(), LogoutTokenFault> {
    // Present is enough, also as null: the claim is prohibited (§2.4).
    if claims.contains_key("nonce") {
        return Err(LogoutTokenFault::HasNonce);
    }
    let event = claims.get("events").and_then(|events| events.get(LOGOUT_EVENT));
    match event {
        Some(Value::Object(_)) => Ok(()),
        _ => Err(LogoutTokenFault::NoLogoutEvent),
    }
}

/// Returns `iat`, and the time from which the token is refused.
fn check_times(
    claims: &AuthenticClaims,
    skew: Duration,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), LogoutTokenFault> {
    let issued_at = claims.issued_at()?.ok_or(LogoutTokenFault::Missing("iat"))?;
    let latest_begin = clock::after(now, skew);
    if issued_at > latest_begin || claims.not_before()?.is_some_and(|begin| begin > latest_begin) {
        return Err(LogoutTokenFault::NotYetValid);
    }
    let expires_at = match claims.expires_at()? {
        Some(expires_at) => expires_at,
        None => clock::after(issued_at, STANDARD_LIFETIME),
    };
    let refused_from = clock::after(expires_at.min(clock::after(issued_at, MAX_AGE)), skew);
    if refused_from <= now {
        return Err(LogoutTokenFault::Expired);
    }
    Ok((issued_at, refused_from))
}

#[cfg(test)]
mod tests;
