//! Rules for the claims of a signed access token: issuer, audience, kind and times (RFC 9068
//! §4, RFC 8725 §3).

use jiff::{SignedDuration, Timestamp};

use super::claims::{AuthenticClaims, MalformedClaim};
use super::declared_kind::{DeclaredKind, resembles_id_token};

/// Upper limit of the leeway, in seconds. More would make short-lived tokens pointless.
const MAX_LEEWAY_SECONDS: u64 = 60;

/// Rules for the tokens of one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimsPolicy {
    /// Exact `iss` (`JWT_ISSUER`). `None` accepts any, and also its absence.
    pub issuer: Option<String>,
    /// Names of this service (`JWT_AUDIENCE`). `aud` must contain one of them. An empty list accepts any
    /// `aud`, and also its absence.
    pub audiences: Vec<String>,
    /// Claim that stands for `aud` in a token that has none: `client_id` at Amazon Cognito. `None` for every other
    /// issuer.
    pub audience_claim: Option<String>,
    /// Rule for the `typ` of the header.
    pub token_types: TypRule,
    /// Accepted difference between the issuer's clock and ours, in seconds. More than 60 counts as 60.
    pub leeway_seconds: u64,
    /// Lifetime of a token without `exp`, in seconds after `iat` (`JWT_EXPIRE_MINUTES`).
    pub default_lifetime_seconds: u64,
    /// Maximum age of a token, in seconds after `iat`, also if its `exp` is later. A token without `iat`
    /// is refused then.
    pub max_age_seconds: Option<u64>,
}

/// Rule for the `typ` of a header (RFC 8725 §3.11). Names are compared without case and
/// without `application/`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TypRule {
    /// Absent, `JWT` or `at+jwt`. Any other value is another kind of token.
    #[default]
    Any,
    /// `at+jwt` only (RFC 9068 §2.1).
    AccessToken,
}

/// Times of an accepted token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTimes {
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// `exp`, or `iat` plus the default lifetime, or the end of the maximum age if that is
    /// earlier. Without leeway.
    pub expires_at: Timestamp,
}

/// Reason why authentic claims are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// `iss` of another issuer. Another layer may know it.
    #[error("the token comes from another issuer")]
    ForeignIssuer,
    /// Token that declares itself a refresh, ID or logout token, or any other kind than an access token.
    #[error("the token is not an access token")]
    WrongType,
    /// Token with the claims of an ID token that declares no kind. Other layers may know it.
    #[error("the token has the claims of an ID token, and none of an access token")]
    ResemblesIdToken,
    /// `aud` without a name of this service.
    #[error("the token is meant for another audience")]
    WrongAudience,
    /// `exp` in the past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Neither `exp` nor `iat`, so that the end is unknown.
    #[error("the token has no expiry")]
    MissingExpiry,
    /// Issued too long ago, or without `iat` although a maximum age is set.
    #[error("the token is too old")]
    TooOld,
    /// Claim with a wrong type or value.
    #[error("the claim {0} is malformed")]
    Malformed(&'static str),
}

impl From<MalformedClaim> for ClaimFault {
    fn from(MalformedClaim(name): MalformedClaim) -> Self {
        Self::Malformed(name)
    }
}

impl ClaimsPolicy {
    /// Checks claims at the time `now`.
    ///
    /// Does not check for a usable subject: a setting of the identity decides which claim that is
    /// (`ClaimPaths` of the core).
    ///
    /// # Errors
    /// [`ClaimFault`] with the first rule that the claims break.
    pub fn check(&self, claims: &AuthenticClaims, now: Timestamp) -> Result<TokenTimes, ClaimFault> {
        self.check_with_issuer(self.issuer.as_deref(), claims, now)
    }

    /// Checks claims with another `issuer` than [`ClaimsPolicy::issuer`], for example one from the metadata.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_with_issuer(
        &self,
        issuer: Option<&str>,
        claims: &AuthenticClaims,
        now: Timestamp,
    ) -> Result<TokenTimes, ClaimFault> {
        self.check_declarations(issuer, claims)?;
        let times = self.check_times(claims, now)?;
        // Last: it proves less than every other fault.
        check_resemblance(claims)?;
        Ok(times)
    }

    /// Checks everything except the times. `issuer` takes the place of [`ClaimsPolicy::issuer`].
    ///
    /// # Errors
    /// As [`check`](Self::check), except those about times.
    pub fn check_token_kind(&self, issuer: Option<&str>, claims: &AuthenticClaims) -> Result<(), ClaimFault> {
        self.check_declarations(issuer, claims)?;
        check_resemblance(claims)
    }

    /// Checks what the token says of itself: issuer, kind, audience.
    fn check_declarations(&self, issuer: Option<&str>, claims: &AuthenticClaims) -> Result<(), ClaimFault> {
        // The issuer first: a token of another issuer is not judged here at all, so it is no
        // malformed one of ours.
        let claimed = claims.issuer()?;
        if issuer.is_some() && issuer != claimed {
            return Err(ClaimFault::ForeignIssuer);
        }
        self.check_type(claims)?;
        if !self.accepts_audience(&self.audience_of(claims)?) {
            return Err(ClaimFault::WrongAudience);
        }
        // Read for their types only. Both are used later, where a wrong type would look like an absent claim.
        claims.subject()?;
        claims.jwt_id()?;
        Ok(())
    }

    /// Returns the audience of a token: `aud`, or the claim that stands for it where there is none.
    fn audience_of<'c>(&self, claims: &'c AuthenticClaims) -> Result<Vec<&'c str>, MalformedClaim> {
        let audience = claims.audience()?;
        match &self.audience_claim {
            Some(name) if !claims.as_map().contains_key("aud") => {
                let value = claims.as_map().get(name).and_then(serde_json::Value::as_str);
                Ok(value.into_iter().collect())
            }
            _ => Ok(audience),
        }
    }

    /// Returns `true` if one of the audiences is a name of this service, or if no name is configured.
    pub(super) fn accepts_audience(&self, audience: &[&str]) -> bool {
        self.audiences.is_empty()
            || audience
                .iter()
                .any(|name| self.audiences.iter().any(|own| own == name))
    }

    /// Returns the accepted difference between the issuer's clock and ours.
    pub(super) fn leeway(&self) -> SignedDuration {
        seconds(self.leeway_seconds.min(MAX_LEEWAY_SECONDS))
    }

    fn check_type(&self, claims: &AuthenticClaims) -> Result<(), ClaimFault> {
        let declared = claims.token_type().map(normalize_media_type);
        let is_accepted_typ = match self.token_types {
            TypRule::AccessToken => is_access_token_type(claims),
            TypRule::Any => is_access_token_type(claims) || matches!(declared.as_deref(), None | Some("jwt")),
        };
        let declares_another_kind = DeclaredKind::of_claims(claims.as_map()) == DeclaredKind::Other;
        // `events` is in logout tokens (OpenID Connect Back-Channel Logout §2.4) and other security events.
        if !is_accepted_typ || claims.as_map().contains_key("events") || declares_another_kind {
            return Err(ClaimFault::WrongType);
        }
        Ok(())
    }

    fn check_times(&self, claims: &AuthenticClaims, now: Timestamp) -> Result<TokenTimes, ClaimFault> {
        let leeway = self.leeway();
        // All three are read before the first check, so that a wrong type is reported
        // whatever the others say.
        let (expires, issued_at, not_before) =
            (claims.expires_at()?, claims.issued_at()?, claims.not_before()?);
        let expires_at = match (expires, issued_at) {
            (Some(expires), _) => expires,
            (None, Some(issued)) => seconds_after(issued, self.default_lifetime_seconds),
            (None, None) => return Err(ClaimFault::MissingExpiry),
        };
        if now.duration_since(expires_at) >= leeway {
            return Err(ClaimFault::Expired);
        }
        // RFC 7519 leaves an `iat` in the future open. Here it is a sign of a wrong clock or a forged age.
        if [issued_at, not_before]
            .into_iter()
            .flatten()
            .any(|start| start.duration_since(now) > leeway)
        {
            return Err(ClaimFault::NotYetValid);
        }
        let Some(max_age) = self.max_age_seconds else {
            return Ok(TokenTimes {
                issued_at,
                expires_at,
            });
        };
        let age_limit = seconds_after(issued_at.ok_or(ClaimFault::TooOld)?, max_age);
        if now.duration_since(age_limit) >= leeway {
            return Err(ClaimFault::TooOld);
        }
        Ok(TokenTimes {
            issued_at,
            expires_at: expires_at.min(age_limit),
        })
    }
}

/// Refuses claims of an ID token in a token that does not declare itself an access token.
fn check_resemblance(claims: &AuthenticClaims) -> Result<(), ClaimFault> {
    let declares_access = || DeclaredKind::of_claims(claims.as_map()) == DeclaredKind::Access;
    if resembles_id_token(claims.as_map()) && !is_access_token_type(claims) && !declares_access() {
        return Err(ClaimFault::ResemblesIdToken);
    }
    Ok(())
}

/// Returns `true` if the `typ` of the header is that of an access token (RFC 9068 §2.1).
fn is_access_token_type(claims: &AuthenticClaims) -> bool {
    claims.token_type().map(normalize_media_type).as_deref() == Some("at+jwt")
}

// RFC 7515 §4.1.9: `typ` is a media type, whose `application/` may be left out.
fn normalize_media_type(declared: &str) -> String {
    let lower = declared.to_ascii_lowercase();
    lower
        .strip_prefix("application/")
        .map(str::to_owned)
        .unwrap_or(lower)
}

fn seconds(count: u64) -> SignedDuration {
    // Settings are u64. Beyond i64 "for ever" is the same.
    SignedDuration::from_secs(i64::try_from(count).unwrap_or(i64::MAX))
}

fn seconds_after(begin: Timestamp, count: u64) -> Timestamp {
    begin.checked_add(seconds(count)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
