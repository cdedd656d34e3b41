//! Rules for the introspection answer about an active token (RFC 7662 §2.2, §4).
//!
//! Every member except `active` is optional. A member that is absent, `null` or empty decides nothing, and
//! any other counts.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::claims::{MalformedClaim, numeric_date, string_claim, strings_claim};
use super::claims_policy::{ClaimFault, ClaimsPolicy};
use super::declared_kind::DeclaredKind;

/// Times in an introspection answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntrospectedTimes {
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// `exp`, without leeway.
    pub expires_at: Option<Timestamp>,
}

impl ClaimsPolicy {
    /// Checks the answer about an active token at the time `now`. `issuer` is the issuer of our
    /// tokens, if it is known.
    ///
    /// # Errors
    /// [`ClaimFault`] with the first rule that the answer breaks. [`ClaimFault::Malformed`] means that the
    /// answer cannot be understood. It proves nothing about the token.
    pub fn check_introspected(
        &self,
        issuer: Option<&str>,
        answer: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<IntrospectedTimes, ClaimFault> {
        // All members are read before the first check, because a malformed answer must not refuse a token.
        let claimed_issuer = optional_member(answer, "iss", string_claim)?.flatten();
        let audience = optional_member(answer, "aud", strings_claim)?
            .flatten()
            .unwrap_or_default();
        let not_before = date_member(answer, "nbf")?;
        let times = IntrospectedTimes {
            issued_at: date_member(answer, "iat")?,
            expires_at: date_member(answer, "exp")?,
        };
        if DeclaredKind::of_claims(answer) == DeclaredKind::Other {
            return Err(ClaimFault::WrongType);
        }
        if let (Some(expected), Some(claimed)) = (issuer, claimed_issuer)
            && expected != claimed
        {
            return Err(ClaimFault::ForeignIssuer);
        }
        // An empty name is like an absent one: some servers send `"aud": ""` for tokens without an audience.
        let audience: Vec<&str> = audience.into_iter().filter(|name| !name.is_empty()).collect();
        if !audience.is_empty() && !self.accepts_audience(&audience) {
            return Err(ClaimFault::WrongAudience);
        }
        let leeway = self.leeway();
        if times
            .expires_at
            .is_some_and(|at| now.duration_since(at) >= leeway)
        {
            return Err(ClaimFault::Expired);
        }
        // An `iat` in the future is accepted: the server says that the token is active, and its
        // clock is its own.
        if not_before.is_some_and(|at| at.duration_since(now) > leeway) {
            return Err(ClaimFault::NotYetValid);
        }
        Ok(times)
    }
}

/// Reads a member, unless it is absent or `null`.
fn optional_member<'c, T>(
    answer: &'c Map<String, Value>,
    name: &'static str,
    read: impl Fn(&'c Map<String, Value>, &'static str) -> Result<T, MalformedClaim>,
) -> Result<Option<T>, MalformedClaim> {
    match answer.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => read(answer, name).map(Some),
    }
}

/// Reads a NumericDate (RFC 7519 §2), unless it is absent or `null`.
fn date_member(answer: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, MalformedClaim> {
    Ok(optional_member(answer, name, numeric_date)?.flatten())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::TypRule;

    const NOW: i64 = 1_800_000_000;
    const ISSUER: &str = "https://as.example";

    fn judge(answer: Value) -> Result<IntrospectedTimes, ClaimFault> {
        let policy = ClaimsPolicy {
            issuer: None,
            audiences: vec!["maxlab-api".to_owned()],
            audience_claim: None,
            token_types: TypRule::Any,
            leeway_seconds: 10,
            default_lifetime_seconds: 900,
            max_age_seconds: None,
        };
        let Value::Object(answer) = answer else {
            panic!("an answer is an object")
        };
        policy.check_introspected(Some(ISSUER), &answer, Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn s3_what_an_answer_says_counts() {
        for (answer, fault) in [
            (json!({"aud": ["other-api"]}), ClaimFault::WrongAudience),
            (json!({"aud": "other-api"}), ClaimFault::WrongAudience),
            (json!({"iss": "https://as.example/"}), ClaimFault::ForeignIssuer),
            (json!({"nbf": NOW + 11}), ClaimFault::NotYetValid),
            (json!({"exp": NOW - 10}), ClaimFault::Expired),
            (json!({"exp": 1.5}), ClaimFault::Expired),
            (json!({"exp": 0}), ClaimFault::Expired),
            (json!({"token_use": "refresh_token"}), ClaimFault::WrongType),
        ] {
            assert_eq!(judge(answer.clone()), Err(fault), "{answer}");
        }
    }

    #[test]
    fn s3_a_mistyped_member_says_nothing_of_the_token() {
        let past = (NOW - 100).to_string();
        for (name, value) in [
            ("exp", json!(past)),
            ("exp", json!("1.5")),
            ("exp", json!("2026-01-01T00:00:00Z")),
            ("exp", json!(-1)),
            ("exp", json!(true)),
            ("nbf", json!("0")),
            ("iat", json!("0")),
            ("iss", json!(7)),
            ("aud", json!({"a": "b"})),
            ("aud", json!(["maxlab-api", 7])),
        ] {
            let mut answer = json!({"token_use": "refresh_token", "exp": NOW - 100});
            answer[name] = value;
            assert_eq!(
                judge(answer.clone()),
                Err(ClaimFault::Malformed(name)),
                "{answer}"
            );
        }
    }

    #[test]
    fn s3_what_an_answer_leaves_out_decides_nothing() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (answer, issued_at, expires_at) in [
            (json!({}), None, None),
            (
                json!({"aud": [], "iss": "", "exp": null, "nbf": null, "iat": null}),
                None,
                None,
            ),
            (
                json!({"aud": ["other-api", "maxlab-api"], "iss": ISSUER}),
                None,
                None,
            ),
            (json!({"exp": NOW - 9, "nbf": NOW + 10}), None, Some(at(NOW - 9))),
            (json!({"iat": NOW + 60}), Some(at(NOW + 60)), None),
            (json!({"exp": 253_402_300_799_u64}), None, Some(Timestamp::MAX)),
            (json!({"exp": 1e300}), None, Some(Timestamp::MAX)),
        ] {
            let times = IntrospectedTimes {
                issued_at,
                expires_at,
            };
            assert_eq!(judge(answer.clone()), Ok(times), "{answer}");
        }
        assert_eq!(
            judge(json!({"exp": 1_800_000_000.5})).unwrap().expires_at,
            Some("2027-01-15T08:00:00.5Z".parse().unwrap())
        );
    }
}
