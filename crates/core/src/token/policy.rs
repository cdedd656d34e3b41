//! Whether authentic claims are those of a current access token meant for us (RFC 9068 §4, RFC 8725 §3).

use jiff::{SignedDuration, Timestamp};

use super::claims::{AuthenticClaims, MalformedClaim, string_claim};

/// The most that clocks may be said to differ.
const MAX_LEEWAY_SECONDS: u64 = 60;

/// What an issuer's tokens must claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimsPolicy {
    /// The exact `iss`; `None` accepts any, absence included.
    pub issuer: Option<String>,
    /// Our names, of which `aud` must have one; an empty list accepts any `aud`, absence included.
    pub audiences: Vec<String>,
    /// Which `typ` an access token has.
    pub token_types: TypRule,
    /// How far the issuer's clock may be from ours, in seconds; more than 60 counts as 60.
    pub leeway_seconds: u64,
    /// How long after `iat` a token without `exp` is good, in seconds (`JWT_EXPIRE_MINUTES`).
    pub default_lifetime_seconds: u64,
    /// How long after `iat` any token is good, in seconds, whatever its `exp`; asks for an `iat`.
    pub max_age_seconds: Option<u64>,
}

/// The rule for the header's `typ` (RFC 8725 §3.11). Names are compared without case and without `application/`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TypRule {
    /// Absent, `JWT` or `at+jwt`; anything else is some other kind of token.
    #[default]
    Any,
    /// `at+jwt` only (RFC 9068 §2.1).
    AccessToken,
}

/// When an accepted token was issued and when it stops being good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTimes {
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// `exp`, or `iat` plus the default lifetime, or earlier where the greatest age ends it. Without leeway.
    pub expires_at: Timestamp,
}

/// Why authentic claims are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// `iss` is not the issuer whose tokens are judged here; another verifier may know it.
    #[error("the token comes from another issuer")]
    ForeignIssuer,
    /// An ID token, a logout token or whatever else is no access token.
    #[error("the token is not an access token")]
    WrongType,
    /// `aud` has none of our names.
    #[error("the token is meant for another audience")]
    WrongAudience,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Neither `exp` nor `iat` says when it ends.
    #[error("the token does not say when it expires")]
    MissingExpiry,
    /// Issued too long ago, or not saying when although a greatest age is set.
    #[error("the token is too old")]
    TooOld,
    /// A claim has a wrong type or value.
    #[error("the claim {0} is malformed")]
    Malformed(&'static str),
}

impl From<MalformedClaim> for ClaimFault {
    fn from(MalformedClaim(name): MalformedClaim) -> Self {
        Self::Malformed(name)
    }
}

impl ClaimsPolicy {
    /// Judges claims at the time `now`.
    ///
    /// Whether there is a usable subject is not asked here: which claim names it is a setting of the identity's shape.
    ///
    /// # Errors
    /// [`ClaimFault`] names the first rule that the claims break.
    pub fn check(&self, claims: &AuthenticClaims, now: Timestamp) -> Result<TokenTimes, ClaimFault> {
        self.check_from(self.issuer.as_deref(), claims, now)
    }

    /// The same where the issuer is learnt elsewhere: `issuer` stands for [`ClaimsPolicy::issuer`].
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_from(
        &self,
        issuer: Option<&str>,
        claims: &AuthenticClaims,
        now: Timestamp,
    ) -> Result<TokenTimes, ClaimFault> {
        let claimed = claims.issuer()?;
        if issuer.is_some() && issuer != claimed {
            return Err(ClaimFault::ForeignIssuer);
        }
        self.check_type(claims)?;
        let audience = claims.audience()?;
        if !self.audiences.is_empty()
            && !audience
                .iter()
                .any(|name| self.audiences.iter().any(|own| own == name))
        {
            return Err(ClaimFault::WrongAudience);
        }
        claims.subject()?;
        claims.jwt_id()?;
        self.check_times(claims, now)
    }

    fn check_type(&self, claims: &AuthenticClaims) -> Result<(), ClaimFault> {
        let declared = claims.token_type().map(media_type);
        let access_token = declared.as_deref() == Some("at+jwt");
        let acceptable = match self.token_types {
            TypRule::AccessToken => access_token,
            TypRule::Any => access_token || matches!(declared.as_deref(), None | Some("jwt")),
        };
        if !acceptable || claims.as_map().contains_key("events") || names_another_use(claims) {
            return Err(ClaimFault::WrongType);
        }
        let id_token = ["nonce", "at_hash", "c_hash"]
            .into_iter()
            .any(|name| claims.as_map().contains_key(name));
        if id_token && !access_token {
            return Err(ClaimFault::WrongType);
        }
        Ok(())
    }

    fn check_times(&self, claims: &AuthenticClaims, now: Timestamp) -> Result<TokenTimes, ClaimFault> {
        let leeway = seconds(self.leeway_seconds.min(MAX_LEEWAY_SECONDS));
        let (expires, issued_at, not_before) =
            (claims.expires_at()?, claims.issued_at()?, claims.not_before()?);
        let expires_at = match (expires, issued_at) {
            (Some(expires), _) => expires,
            (None, Some(issued)) => later(issued, self.default_lifetime_seconds),
            (None, None) => return Err(ClaimFault::MissingExpiry),
        };
        if now.duration_since(expires_at) >= leeway {
            return Err(ClaimFault::Expired);
        }
        if [issued_at, not_before]
            .into_iter()
            .flatten()
            .any(|begin| begin.duration_since(now) > leeway)
        {
            return Err(ClaimFault::NotYetValid);
        }
        let Some(max_age) = self.max_age_seconds else {
            return Ok(TokenTimes {
                issued_at,
                expires_at,
            });
        };
        let oldest = later(issued_at.ok_or(ClaimFault::TooOld)?, max_age);
        if now.duration_since(oldest) >= leeway {
            return Err(ClaimFault::TooOld);
        }
        Ok(TokenTimes {
            issued_at,
            expires_at: expires_at.min(oldest),
        })
    }
}

/// Some servers name a token's use in a claim: Keycloak in `typ`, Cognito in `token_use`.
fn names_another_use(claims: &AuthenticClaims) -> bool {
    let says = |name, uses: &[&str]| {
        string_claim(claims.as_map(), name)
            .ok()
            .flatten()
            .is_some_and(|text| uses.iter().any(|other| text.eq_ignore_ascii_case(other)))
    };
    says("typ", &["ID", "Refresh", "Offline", "Logout"]) || says("token_use", &["id", "refresh"])
}

fn media_type(declared: &str) -> String {
    let lower = declared.to_ascii_lowercase();
    lower
        .strip_prefix("application/")
        .map(str::to_owned)
        .unwrap_or(lower)
}

fn seconds(count: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(count).unwrap_or(i64::MAX))
}

fn later(begin: Timestamp, count: u64) -> Timestamp {
    begin.checked_add(seconds(count)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
