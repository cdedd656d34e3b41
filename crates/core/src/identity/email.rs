//! Unverified e-mail addresses: `email_verified` (OpenID Connect Core §5.1) and its spellings.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claim_path::{claim_at, split_last};

/// Treatment of an e-mail address that the authorization server has not verified (`UNVERIFIED_EMAIL`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnverifiedEmailPolicy {
    /// Left out of the identity, because anyone can enter another person's address.
    #[default]
    Omit,
    /// Sent like a verified address, but never used as a user id.
    Send,
}

/// Claims that tell whether an address is verified: OpenID Connect's, Google's older one, and the spelling in
/// some servers' user objects.
const EMAIL_VERIFIED_CLAIMS: [&str; 3] = ["email_verified", "verified_email", "emailVerified"];

/// Returns `true` if the claims say that the address at `path` is not verified. An address without such a
/// claim counts as verified, because most servers do not send one.
pub(super) fn is_unverified(claims: &Map<String, Value>, path: &str) -> bool {
    // Servers that rename the address rename its flag too: `mail` and `mail_verified`.
    let own = format!("{path}_verified");
    // The flag may be next to a nested address. A claim whose whole name contains dots is not nested.
    let parent = match split_last(path) {
        Some((parent, _)) if !claims.contains_key(path) => {
            claim_at(claims, parent).and_then(Value::as_object)
        }
        _ => None,
    };
    let flags = EMAIL_VERIFIED_CLAIMS
        .into_iter()
        .flat_map(|name| [claims.get(name), parent.and_then(|object| object.get(name))])
        .chain([claim_at(claims, &own)]);
    // One flag that denies is enough: the claims contradict each other then.
    flags.flatten().any(is_not_confirmed)
}

/// Reads a flag that may be a boolean or the word for one. Any other value does not confirm the address.
fn is_not_confirmed(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(true) => false,
        Value::String(text) => !text.eq_ignore_ascii_case("true"),
        _ => true,
    }
}

/// Returns `true` if a user id read at `path` is the unverified address: the same claim, or
/// the same text elsewhere. `sub` may have the same text: the authorization server itself
/// assigns it (OpenID Connect Core §2).
pub(super) fn is_unverified_address(path: &str, value: &Value, address: (&str, &Value)) -> bool {
    let same_text = match (value.as_str(), address.1.as_str()) {
        // Without case, because applications commonly compare addresses that way.
        (Some(id), Some(address)) => id.trim().eq_ignore_ascii_case(address.trim()),
        _ => false,
    };
    path == address.0 || (path != "sub" && same_text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::{ClaimPaths, Identity, SubjectFault, VerificationSource};
    use jiff::Timestamp;

    fn read(paths: &ClaimPaths, claims: Value) -> Result<Identity, SubjectFault> {
        let Value::Object(claims) = claims else {
            panic!("claims are an object")
        };
        paths.read_identity(&claims, VerificationSource::OauthUserinfo, Timestamp::UNIX_EPOCH)
    }

    fn email(paths: &ClaimPaths, claims: Value) -> Option<String> {
        read(paths, claims).unwrap().email
    }

    #[test]
    fn s5_an_address_that_is_not_verified_is_omitted() {
        let usual = ClaimPaths::default();
        let send = ClaimPaths {
            unverified_email: UnverifiedEmailPolicy::Send,
            ..ClaimPaths::default()
        };
        for (verified, omitted) in [
            (json!(false), true),
            (json!("false"), true),
            (json!("no"), true),
            (json!(0), true),
            (json!(true), false),
            (json!("True"), false),
            (json!(null), false),
        ] {
            let claims = json!({"sub": "u", "email": "a@b.example", "email_verified": verified});
            assert_eq!(email(&usual, claims.clone()).is_none(), omitted, "{claims}");
            assert!(email(&send, claims).is_some());
        }
        assert!(email(&usual, json!({"sub": "u", "email": "a@b.example"})).is_some());
        let google = json!({"sub": "u", "email": "a@b.example", "verified_email": false});
        assert_eq!(email(&usual, google), None);
    }

    #[test]
    fn s5_the_claim_stands_beside_the_address_wherever_that_is() {
        for (path, claims) in [
            (
                "profile.email",
                json!({"profile": {"email": "a@b.example", "email_verified": false}}),
            ),
            ("mail", json!({"mail": "a@b.example", "email_verified": false})),
            ("mail", json!({"mail": "a@b.example", "mail_verified": false})),
            (
                r"https://x\.example/profile.email",
                json!({"https://x.example/profile": {"email": "a@b.example", "email_verified": false}}),
            ),
            (
                "https://x.example/email",
                json!({"https://x.example/email": "a@b.example", "https://x.example/email_verified": false}),
            ),
        ] {
            let paths = ClaimPaths {
                email: vec![path.to_owned()],
                ..ClaimPaths::default()
            };
            let mut claims = claims;
            claims["sub"] = json!("u");
            assert_eq!(email(&paths, claims), None, "{path}");
        }
    }

    #[test]
    fn s5_an_address_that_is_not_verified_never_becomes_a_user_id() {
        for unverified_email in [UnverifiedEmailPolicy::Omit, UnverifiedEmailPolicy::Send] {
            let by = |user_id: &[&str]| ClaimPaths {
                user_id: user_id.iter().map(|path| (*path).to_owned()).collect(),
                unverified_email,
                ..ClaimPaths::default()
            };
            let claims = |verified: bool| {
                json!({"sub": "u", "email": "a@b.example", "preferred_username": "A@B.example",
                    "email_verified": verified})
            };
            for paths in [by(&["email"]), by(&["preferred_username"])] {
                assert_eq!(read(&paths, claims(false)), Err(SubjectFault::Missing));
                assert!(read(&paths, claims(true)).is_ok());
            }
            assert_eq!(read(&by(&["email", "sub"]), claims(false)).unwrap().user_id, "u");
            let named_by_address =
                json!({"sub": "a@b.example", "email": "a@b.example", "email_verified": false});
            assert_eq!(read(&by(&[]), named_by_address).unwrap().user_id, "a@b.example");
        }
    }
}
