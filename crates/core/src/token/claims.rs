//! Claims whose signature has been verified, read by type: a wrong type is an error, never "absent" (RFC 7519 §4.1).

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::algorithm::Algorithm;

/// The latest second that a NumericDate may name: the end of the year 9999.
const LAST_SECOND: f64 = 253_402_207_200.0;

/// The claim set of a token whose signature verified under a known key.
///
/// Only [`CompactJws::verify`](super::jws::CompactJws::verify) makes one. That the claims are authentic says nothing yet
/// about their being current or meant for us; [`ClaimsPolicy`](super::policy::ClaimsPolicy) decides that.
#[derive(Clone)]
pub struct AuthenticClaims {
    claims: Arc<Map<String, Value>>,
    algorithm: Algorithm,
    key_id: Option<String>,
    token_type: Option<String>,
}

/// A claim has a type or a value that its definition does not allow; carries the claim's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the claim {0} is malformed")]
pub struct MalformedClaim(pub &'static str);

impl AuthenticClaims {
    /// Wraps a claim set. The caller has just verified its signature; nobody else may call this.
    pub(super) const fn authentic(
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

    /// The `kid` of the key that verified the signature, if that key has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The algorithm that verified the signature.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `typ` of the token's header, as sent (RFC 7515 §4.1.9).
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// All claims, for claims that have no reader here.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The same, shared and not copied.
    pub(crate) fn shared_map(&self) -> Arc<Map<String, Value>> {
        Arc::clone(&self.claims)
    }

    /// `sub` (RFC 7519 §4.1.2); empty counts as absent.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a string.
    pub fn subject(&self) -> Result<Option<&str>, MalformedClaim> {
        string_claim(&self.claims, "sub")
    }

    /// `iss` (RFC 7519 §4.1.1); empty counts as absent.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a string.
    pub fn issuer(&self) -> Result<Option<&str>, MalformedClaim> {
        string_claim(&self.claims, "iss")
    }

    /// `aud`: one string or a list of strings (RFC 7519 §4.1.3); absent is the empty list.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and neither.
    pub fn audience(&self) -> Result<Vec<&str>, MalformedClaim> {
        Ok(strings_claim(&self.claims, "aud")?.unwrap_or_default())
    }

    /// `jti` (RFC 7519 §4.1.7); empty counts as absent, since it cannot tell two tokens apart.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a string.
    pub fn jwt_id(&self) -> Result<Option<&str>, MalformedClaim> {
        string_claim(&self.claims, "jti")
    }

    /// `sid`: the authorization server's session (OpenID Connect Front-Channel Logout §3); empty counts as absent.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a string.
    pub fn session_id(&self) -> Result<Option<&str>, MalformedClaim> {
        string_claim(&self.claims, "sid")
    }

    /// `client_id` (RFC 9068 §2.2), or `azp` where there is none.
    ///
    /// # Errors
    /// [`MalformedClaim`] when the one that counts is not a string.
    pub fn client_id(&self) -> Result<Option<&str>, MalformedClaim> {
        match string_claim(&self.claims, "client_id")? {
            Some(client_id) => Ok(Some(client_id)),
            None => string_claim(&self.claims, "azp"),
        }
    }

    /// `scope`, separated by spaces (RFC 8693 §4.2); a list of strings, which some servers send, is joined.
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and neither a string nor a list of strings.
    pub fn scope(&self) -> Result<Option<String>, MalformedClaim> {
        Ok(strings_claim(&self.claims, "scope")?.map(|scopes| scopes.join(" ")))
    }

    /// `exp` (RFC 7519 §4.1.4).
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a NumericDate in range.
    pub fn expires_at(&self) -> Result<Option<Timestamp>, MalformedClaim> {
        numeric_date(&self.claims, "exp")
    }

    /// `iat` (RFC 7519 §4.1.6).
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a NumericDate in range.
    pub fn issued_at(&self) -> Result<Option<Timestamp>, MalformedClaim> {
        numeric_date(&self.claims, "iat")
    }

    /// `nbf` (RFC 7519 §4.1.5).
    ///
    /// # Errors
    /// [`MalformedClaim`] when it is present and not a NumericDate in range.
    pub fn not_before(&self) -> Result<Option<Timestamp>, MalformedClaim> {
        numeric_date(&self.claims, "nbf")
    }
}

impl fmt::Debug for AuthenticClaims {
    /// Names the key and the claims, never their values: claims are personal data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthenticClaims")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .field("names", &self.claims.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Reads a claim that must be a string where it is present; the empty string counts as absent.
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

/// Reads a NumericDate (RFC 7519 §2): seconds since the epoch, whole or not, from 1970 to 9999.
pub(super) fn numeric_date(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Timestamp>, MalformedClaim> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let malformed = MalformedClaim(name);
    let whole = value.as_i64().filter(|seconds| *seconds >= 0);
    if let Some(seconds) = whole {
        return Timestamp::from_second(seconds).map(Some).map_err(|_| malformed);
    }
    let seconds = value
        .as_f64()
        .filter(|seconds| (0.0..=LAST_SECOND).contains(seconds))
        .ok_or(malformed)?;
    let since_epoch = SignedDuration::try_from_secs_f64(seconds).map_err(|_| malformed)?;
    Timestamp::from_duration(since_epoch)
        .map(Some)
        .map_err(|_| malformed)
}

fn strings_claim<'c>(
    claims: &'c Map<String, Value>,
    name: &'static str,
) -> Result<Option<Vec<&'c str>>, MalformedClaim> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text])),
        Some(Value::Array(elements)) => elements
            .iter()
            .map(|element| element.as_str().ok_or(MalformedClaim(name)))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(MalformedClaim(name)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// Claims as if they had verified, for tests of what comes after.
    pub(in crate::token) fn claims_of(value: Value, token_type: Option<&str>) -> AuthenticClaims {
        let Value::Object(map) = value else {
            panic!("claims are an object")
        };
        AuthenticClaims::authentic(
            Arc::new(map),
            Algorithm::ES256,
            None,
            token_type.map(str::to_owned),
        )
    }

    #[test]
    fn strings_are_read_and_other_types_are_errors() {
        type Reader = for<'c> fn(&'c AuthenticClaims) -> Result<Option<&'c str>, MalformedClaim>;
        let readers: [(&'static str, Reader); 6] = [
            ("sub", AuthenticClaims::subject),
            ("iss", AuthenticClaims::issuer),
            ("jti", AuthenticClaims::jwt_id),
            ("sid", AuthenticClaims::session_id),
            ("client_id", AuthenticClaims::client_id),
            ("azp", AuthenticClaims::client_id),
        ];
        for (name, read) in readers {
            assert_eq!(read(&claims_of(json!({}), None)), Ok(None));
            assert_eq!(read(&claims_of(json!({name: ""}), None)), Ok(None));
            assert_eq!(read(&claims_of(json!({name: "x"}), None)), Ok(Some("x")));
            for wrong in [json!(null), json!(1), json!(true), json!(["x"]), json!({"x": 1})] {
                assert_eq!(
                    read(&claims_of(json!({name: wrong}), None)),
                    Err(MalformedClaim(name)),
                    "{name} {wrong}"
                );
            }
        }
    }

    #[test]
    fn client_id_goes_before_azp() {
        assert_eq!(
            claims_of(json!({"client_id": "a", "azp": "b"}), None).client_id(),
            Ok(Some("a"))
        );
    }

    #[test]
    fn audience_is_one_string_or_a_list_of_strings() {
        assert_eq!(claims_of(json!({}), None).audience(), Ok(vec![]));
        assert_eq!(claims_of(json!({"aud": "a"}), None).audience(), Ok(vec!["a"]));
        assert_eq!(
            claims_of(json!({"aud": ["a", "b"]}), None).audience(),
            Ok(vec!["a", "b"])
        );
        for wrong in [
            json!(null),
            json!(1),
            json!({"a": 1}),
            json!(["a", 1]),
            json!([["a"]]),
        ] {
            assert_eq!(
                claims_of(json!({"aud": wrong}), None).audience(),
                Err(MalformedClaim("aud")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn scope_is_a_string_or_a_joined_list() {
        assert_eq!(
            claims_of(json!({"scope": "a b"}), None).scope(),
            Ok(Some("a b".into()))
        );
        assert_eq!(
            claims_of(json!({"scope": ["a", "b"]}), None).scope(),
            Ok(Some("a b".into()))
        );
        assert_eq!(
            claims_of(json!({"scope": 1}), None).scope(),
            Err(MalformedClaim("scope"))
        );
    }

    #[test]
    fn numeric_dates_are_numbers_in_range() {
        let read = |value: Value| claims_of(json!({"exp": value}), None).expires_at();
        assert_eq!(read(json!(0)), Ok(Some(Timestamp::UNIX_EPOCH)));
        assert_eq!(
            read(json!(1.5)),
            Ok(Some("1970-01-01T00:00:01.5Z".parse().unwrap()))
        );
        assert_eq!(
            read(json!(1e9)),
            Ok(Some(Timestamp::from_second(1_000_000_000).unwrap()))
        );
        assert!(read(json!(253_402_207_200_u64)).is_ok());
        let wrong = [
            json!(null),
            json!(true),
            json!("1700000000"),
            json!([1_700_000_000]),
            json!({"seconds": 1}),
            json!(-1),
            json!(-0.5),
            json!(253_402_207_201_u64),
            json!(1e18),
            json!(u64::MAX),
            json!(i64::MIN),
        ];
        for value in wrong {
            assert_eq!(read(value.clone()), Err(MalformedClaim("exp")), "{value}");
        }
    }

    #[test]
    fn debug_shows_no_claim_value() {
        let shown = format!("{:?}", claims_of(json!({"email": "kim@example.com"}), None));
        assert!(shown.contains("email") && !shown.contains("kim@"), "{shown}");
    }
}
