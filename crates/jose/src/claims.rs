//! Claims with a verified signature, and typed readers for them. A wrong type is an error, never "absent"
//! (RFC 7519 §4.1).

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::algorithm::Algorithm;

/// Last second that a NumericDate may name: 9999-12-30T22:00:00Z, the latest timestamp of jiff.
const MAX_NUMERIC_DATE: f64 = 253_402_207_200.0;

/// Claims of a token whose signature verified under a known key.
///
/// Only [`CompactJws::verify`](super::jws::CompactJws::verify) makes one. Authentic claims may be expired or
/// meant for another service: [`ClaimsPolicy`](super::claims_policy::ClaimsPolicy) checks that.
#[derive(Clone)]
pub struct AuthenticClaims {
    claims: Arc<Map<String, Value>>,
    algorithm: Algorithm,
    key_id: Option<String>,
    token_type: Option<String>,
}

/// Error of a claim whose type or value its definition does not allow. Contains the name of the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the claim {0} is malformed")]
pub struct MalformedClaim(pub &'static str);

impl AuthenticClaims {
    /// Wraps claims whose signature the caller has just verified. Not for any other use.
    pub(super) const fn new(
        claims: Arc<Map<String, Value>>,
        algorithm: Algorithm,
        key_id: Option<String>,
        token_type: Option<String>,
    ) -> Self {
        Self {
            claims,
            algorithm,
            key_id,
            token_type,
        }
    }

    /// Returns the `kid` of the key that verified the signature, if the key has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Returns the algorithm that verified the signature.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the `typ` of the header, as sent (RFC 7515 §4.1.9).
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// Returns all claims, for those without a reader here.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Returns all claims without copying them.
    pub fn to_shared_map(&self) -> Arc<Map<String, Value>> {
        Arc::clone(&self.claims)
    }

    /// Reads `sub` (RFC 7519 §4.1.2). Empty counts as absent.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a string.
    pub fn subject(&self) -> Result<Option<&str>, MalformedClaim> {
        string_claim(&self.claims, "sub")
    }

    /// Reads `iss` (RFC 7519 §4.1.1). Empty counts as absent.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a string.
    pub fn issuer(&self) -> Result<Option<&str>, MalformedClaim> {
        string_claim(&self.claims, "iss")
    }

    /// Reads `aud`: one string or a list of strings (RFC 7519 §4.1.3). Absent counts as an empty list.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and neither.
    pub fn audience(&self) -> Result<Vec<&str>, MalformedClaim> {
        Ok(strings_claim(&self.claims, "aud")?.unwrap_or_default())
    }

    /// Reads `jti` (RFC 7519 §4.1.7). Empty counts as absent, because it does not distinguish two tokens.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a string.
    pub fn jwt_id(&self) -> Result<Option<&str>, MalformedClaim> {
        string_claim(&self.claims, "jti")
    }

    /// Reads `sid`: the authorization server's session (OpenID Connect Front-Channel Logout §3). Empty
    /// counts as absent.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a string.
    pub fn session_id(&self) -> Result<Option<&str>, MalformedClaim> {
        string_claim(&self.claims, "sid")
    }

    /// Reads `client_id` (RFC 9068 §2.2), or `azp` if there is none.
    ///
    /// # Errors
    /// [`MalformedClaim`] when the one that counts is not a string.
    pub fn client_id(&self) -> Result<Option<&str>, MalformedClaim> {
        // A malformed `client_id` is an error, and never replaced by `azp`.
        match string_claim(&self.claims, "client_id")? {
            Some(client_id) => Ok(Some(client_id)),
            None => string_claim(&self.claims, "azp"),
        }
    }

    /// Reads `scope`, separated by spaces (RFC 8693 §4.2). A list of strings, which some servers
    /// send, is joined.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and neither a string nor a list of strings.
    pub fn scope(&self) -> Result<Option<String>, MalformedClaim> {
        Ok(strings_claim(&self.claims, "scope")?.map(|scopes| scopes.join(" ")))
    }

    /// Reads `exp` (RFC 7519 §4.1.4).
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a NumericDate.
    pub fn expires_at(&self) -> Result<Option<Timestamp>, MalformedClaim> {
        numeric_date(&self.claims, "exp")
    }

    /// Reads `iat` (RFC 7519 §4.1.6).
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a NumericDate.
    pub fn issued_at(&self) -> Result<Option<Timestamp>, MalformedClaim> {
        numeric_date(&self.claims, "iat")
    }

    /// Reads `nbf` (RFC 7519 §4.1.5).
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a NumericDate.
    pub fn not_before(&self) -> Result<Option<Timestamp>, MalformedClaim> {
        numeric_date(&self.claims, "nbf")
    }
}

impl fmt::Debug for AuthenticClaims {
    /// Prints the key and the names of the claims, never their values: claims are personal data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthenticClaims")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .field("names", &self.claims.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Reads a claim that must be a string if it is present. The empty string counts as absent.
pub(super) fn string_claim<'c>(
    claims: &'c Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'c str>, MalformedClaim> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(MalformedClaim(name)),
    }
}

/// Reads a NumericDate (RFC 7519 §2): seconds since the epoch, whole or fractional, from 1970 on.
///
/// A time after the last representable one counts as the last: some servers write "for ever" as a far date.
pub(super) fn numeric_date(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Timestamp>, MalformedClaim> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let malformed = MalformedClaim(name);
    if value.as_f64().is_some_and(|seconds| seconds > MAX_NUMERIC_DATE) {
        return Ok(Some(Timestamp::MAX));
    }
    // Integers first: an f64 would round large ones.
    let whole = value.as_i64().filter(|seconds| *seconds >= 0);
    if let Some(seconds) = whole {
        return Timestamp::from_second(seconds).map(Some).map_err(|_| malformed);
    }
    let seconds = value
        .as_f64()
        .filter(|seconds| (0.0..=MAX_NUMERIC_DATE).contains(seconds))
        .ok_or(malformed)?;
    // The range check above also excludes NaN, so this fails for no number that JSON has.
    let since_epoch = SignedDuration::try_from_secs_f64(seconds).map_err(|_| malformed)?;
    Timestamp::from_duration(since_epoch)
        .map(Some)
        .map_err(|_| malformed)
}

/// Reads a claim that is one string or a list of strings.
pub(super) fn strings_claim<'c>(
    claims: &'c Map<String, Value>,
    name: &'static str,
) -> Result<Option<Vec<&'c str>>, MalformedClaim> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text])),
        // One element of another type makes the whole list malformed: dropping it could drop an audience.
        Some(Value::Array(elements)) => elements
            .iter()
            .map(|element| element.as_str().ok_or(MalformedClaim(name)))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(MalformedClaim(name)),
    }
}

#[cfg(test)]
pub(super) mod tests;
