//! Rules for the ID token of a login (OpenID Connect Core 1.0 §3.1.3.7). Its signature was verified before.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use maxlab_auth_jose::{Algorithm, AuthenticClaims};
use serde_json::{Map, Value};

use crate::clock;

/// Accepted difference between the provider's clock and ours.
const LEEWAY: Duration = Duration::from_secs(60);
/// Longest subject, in characters (OpenID Connect Core §2).
const MAX_SUBJECT_CHARS: usize = 255;

/// Rules that the ID token of an attempt must satisfy.
#[derive(Clone, Copy, Debug)]
pub struct IdTokenRules<'a> {
    /// Issuer of the provider, compared exactly.
    pub issuer: &'a str,
    /// Client that asked. It must be the only audience.
    pub client_id: &'a str,
    /// Nonce of the attempt. `None` for a refreshed ID token, which need not have one.
    pub nonce: Option<&'a str>,
    /// Access token that came with it.
    pub access_token: &'a str,
    /// `max_age` of the attempt, in seconds.
    pub max_age: Option<u32>,
}

/// ID token that satisfies every rule.
#[derive(Clone, Debug)]
pub struct VerifiedIdToken {
    /// `sub`.
    pub subject: String,
    /// `sid`: session at the provider (OpenID Connect Front-Channel Logout §3).
    pub sid: Option<String>,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `auth_time`: when the person proved who they are.
    pub auth_time: Option<Timestamp>,
    /// `acr`: strength of that proof.
    pub acr: Option<String>,
    /// `amr`: methods of that proof (RFC 8176).
    pub amr: Vec<String>,
    /// All claims.
    pub claims: Arc<Map<String, Value>>,
}

/// Rule that an ID token breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// No ID token although `openid` was asked for.
    #[error("the answer has no ID token")]
    Missing,
    /// Encrypted (JWE), or no JWT.
    #[error("the ID token is not a signed JWT; encrypted ID tokens are not supported")]
    NotSigned,
    /// Algorithm that is not allowed, key that is not published, or a wrong signature.
    #[error("the signature of the ID token is not valid")]
    Signature,
    /// `typ` of another kind of token.
    #[error("the token is not an ID token")]
    WrongType,
    /// Other `iss`.
    #[error("the ID token is of another issuer")]
    WrongIssuer,
    /// Other or further `aud`, or other `azp`.
    #[error("the ID token is meant for another client")]
    WrongAudience,
    /// Missing or other `nonce`.
    #[error("the ID token is of another login")]
    WrongNonce,
    /// `exp` in the past.
    #[error("the ID token has expired")]
    Expired,
    /// `iat` or `nbf` in the future.
    #[error("the ID token is not valid yet")]
    NotYetValid,
    /// `at_hash` of another access token.
    #[error("the ID token came with another access token")]
    WrongAccessToken,
    /// `auth_time` longer ago than was asked.
    #[error("the person proved who they are too long ago")]
    TooOldLogin,
    /// Claim that is missing or has a wrong type or value.
    #[error("the claim {0} of the ID token is missing or malformed")]
    Malformed(&'static str),
    /// Other person than in the access token or in userinfo (OpenID Connect Core §5.3.2).
    #[error("the ID token and the access token are of different people")]
    OtherPerson,
}

impl IdTokenRules<'_> {
    /// Checks the claims of an ID token whose signature was verified.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self, token: &AuthenticClaims, now: Timestamp) -> Result<VerifiedIdToken, IdTokenFault> {
        let claims = token.as_map();
        check_type(token)?;
        if claims.get("iss").and_then(Value::as_str) != Some(self.issuer) {
            return Err(IdTokenFault::WrongIssuer);
        }
        self.check_audience(token)?;
        self.check_nonce(claims)?;
        let issued_at = check_times(claims, now)?;
        self.check_access_token(token)?;
        let auth_time = self.check_auth_time(claims, now)?;
        Ok(VerifiedIdToken {
            subject: subject(claims)?.to_owned(),
            sid: text(claims, "sid")?.filter(|sid| !sid.is_empty()),
            issued_at,
            auth_time,
            acr: text(claims, "acr")?,
            amr: texts(claims, "amr"),
            claims: token.to_shared_map(),
        })
    }

    /// Checks `aud` and `azp`: this client alone (§3.1.3.7, rules 3 to 5).
    fn check_audience(&self, token: &AuthenticClaims) -> Result<(), IdTokenFault> {
        let audience = token.audience().map_err(|_| IdTokenFault::Malformed("aud"))?;
        if audience.is_empty() || audience.iter().any(|name| *name != self.client_id) {
            return Err(IdTokenFault::WrongAudience);
        }
        match text(token.as_map(), "azp")? {
            Some(party) if party != self.client_id => Err(IdTokenFault::WrongAudience),
            _ => Ok(()),
        }
    }

    fn check_nonce(&self, claims: &Map<String, Value>) -> Result<(), IdTokenFault> {
        let nonce = text(claims, "nonce")?;
        if self.nonce.is_some() && nonce.as_deref() != self.nonce {
            return Err(IdTokenFault::WrongNonce);
        }
        Ok(())
    }

    /// Checks `at_hash`, if it is there (§3.1.3.8).
    fn check_access_token(&self, token: &AuthenticClaims) -> Result<(), IdTokenFault> {
        let Some(hash) = text(token.as_map(), "at_hash")? else {
            return Ok(());
        };
        let digest = digest::digest(hash_of(token.algorithm()), self.access_token.as_bytes());
        let half = digest.as_ref().len() / 2;
        let expected = URL_SAFE_NO_PAD.encode(digest.as_ref().get(..half).unwrap_or_default());
        // Some providers pad it.
        if hash.trim_end_matches('=') == expected {
            Ok(())
        } else {
            Err(IdTokenFault::WrongAccessToken)
        }
    }

    /// Checks `auth_time` against the `max_age` that was asked for (§3.1.3.7, rule 13).
    fn check_auth_time(
        &self,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, IdTokenFault> {
        let auth_time = numeric_date(claims, "auth_time")?;
        let Some(max_age) = self.max_age else {
            return Ok(auth_time);
        };
        let proven_at = auth_time.ok_or(IdTokenFault::Malformed("auth_time"))?;
        let longest = Duration::from_secs(u64::from(max_age)).saturating_add(LEEWAY);
        if clock::after(proven_at, longest) < now {
            return Err(IdTokenFault::TooOldLogin);
        }
        Ok(auth_time)
    }
}

/// Checks that the header declares no other kind of token (RFC 8725 §3.11).
fn check_type(token: &AuthenticClaims) -> Result<(), IdTokenFault> {
    let declared = token.token_type().map(str::to_ascii_lowercase);
    match declared
        .as_deref()
        .map(|kind| kind.trim_start_matches("application/"))
    {
        None | Some("jwt") => Ok(()),
        Some(_) => Err(IdTokenFault::WrongType),
    }
}

/// Checks `exp`, `iat` and `nbf`. Returns `iat`.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, IdTokenFault> {
    let expires_at = numeric_date(claims, "exp")?.ok_or(IdTokenFault::Malformed("exp"))?;
    let issued_at = numeric_date(claims, "iat")?.ok_or(IdTokenFault::Malformed("iat"))?;
    if clock::after(expires_at, LEEWAY) <= now {
        return Err(IdTokenFault::Expired);
    }
    let valid_from = numeric_date(claims, "nbf")?.map_or(issued_at, |from| from.max(issued_at));
    if valid_from > clock::after(now, LEEWAY) {
        return Err(IdTokenFault::NotYetValid);
    }
    Ok(issued_at)
}

/// Reads `sub`: 1 to 255 ASCII characters, none of them a control character (§2).
fn subject(claims: &Map<String, Value>) -> Result<&str, IdTokenFault> {
    claims
        .get("sub")
        .and_then(Value::as_str)
        .filter(|sub| !sub.is_empty() && sub.len() <= MAX_SUBJECT_CHARS)
        .filter(|sub| sub.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()))
        .ok_or(IdTokenFault::Malformed("sub"))
}

/// Reads a text claim. A value of another type is a fault.
fn text(claims: &Map<String, Value>, name: &'static str) -> Result<Option<String>, IdTokenFault> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(IdTokenFault::Malformed(name)),
    }
}

/// Reads a list of texts that decides nothing: other values are left out.
fn texts(claims: &Map<String, Value>, name: &str) -> Vec<String> {
    let values = claims.get(name).and_then(Value::as_array);
    let words = values.into_iter().flatten().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

/// Reads a time (NumericDate, RFC 7519 §2). Unlike in an access token, one beyond the calendar is a fault: no
/// ID token lives that long.
fn numeric_date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, IdTokenFault> {
    let fault = IdTokenFault::Malformed(name);
    let value = match claims.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_f64().ok_or(fault)?,
    };
    if !(0.0..=Timestamp::MAX.as_duration().as_secs_f64()).contains(&value) {
        return Err(fault);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked against the calendar above"
    )]
    let seconds = value.floor() as i64;
    Timestamp::from_second(seconds).map(Some).map_err(|_| fault)
}

/// Returns the hash function of a signature algorithm, which `at_hash` uses too.
fn hash_of(algorithm: Algorithm) -> &'static digest::Algorithm {
    match algorithm {
        Algorithm::HS256 | Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => &digest::SHA256,
        Algorithm::HS384 | Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &digest::SHA384,
        Algorithm::HS512
        | Algorithm::RS512
        | Algorithm::PS512
        | Algorithm::ES512
        // Ed25519 hashes with SHA-512 (RFC 8032 §5.1).
        | Algorithm::EdDSA => &digest::SHA512,
    }
}

#[cfg(test)]
mod tests;
