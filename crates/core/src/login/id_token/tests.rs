use aws_lc_rs::hmac;
use maxlab_auth_jose::{CompactJws, KeySet};
use serde_json::json;

use super::*;

const SECRET: &[u8] = b"a secret of this test, longer than 32 bytes";
const ISSUER: &str = "https://issuer.example";
const CLIENT: &str = "app";
const NONCE: &str = "n-0S6_WzA2Mj";
const ACCESS: &str = "SlAV32hkKG";
const NOW: i64 = 1_800_000_000;

fn rules() -> IdTokenRules<'static> {
    IdTokenRules {
        issuer: ISSUER,
        client_id: CLIENT,
        nonce: Some(NONCE),
        access_token: ACCESS,
        max_age: None,
    }
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "u", "aud": CLIENT, "nonce": NONCE, "iat": NOW, "exp": NOW + 300 })
}

/// Returns the claims with changes: `null` removes one.
fn with(changes: Value) -> Value {
    let (mut all, Value::Object(changes)) = (claims(), changes) else {
        panic!("changes are an object");
    };
    for (name, value) in changes {
        match value {
            Value::Null => all.as_object_mut().unwrap().remove(&name),
            value => all.as_object_mut().unwrap().insert(name, value),
        };
    }
    all
}

fn check_as(header: Value, claims: Value, rules: IdTokenRules<'_>) -> Result<VerifiedIdToken, IdTokenFault> {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let token = format!(
        "{input}.{}",
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes()))
    );
    let keys = KeySet::from_secret(SECRET, Algorithm::HS256).unwrap();
    let jws = CompactJws::parse(&token).unwrap();
    let authentic = jws.verify(&keys, &[Algorithm::HS256]).unwrap();
    rules.check(&authentic, Timestamp::from_second(NOW).unwrap())
}

fn check(changes: Value) -> Result<VerifiedIdToken, IdTokenFault> {
    check_as(json!({ "alg": "HS256" }), with(changes), rules())
}

fn fault(changes: Value) -> Option<IdTokenFault> {
    check(changes).err()
}

#[test]
fn a_token_that_satisfies_every_rule_is_read_whole() {
    let token = check(json!({
        "sid": "s-1", "acr": "gold", "amr": ["pwd", 7, "otp"], "auth_time": NOW - 10, "azp": CLIENT, "name": "U"
    }))
    .unwrap();
    assert_eq!((token.subject.as_str(), token.sid.as_deref()), ("u", Some("s-1")));
    assert_eq!(
        (token.acr.as_deref(), token.amr),
        (Some("gold"), vec!["pwd".to_owned(), "otp".to_owned()])
    );
    assert_eq!(token.issued_at.as_second(), NOW);
    assert_eq!(token.auth_time.map(Timestamp::as_second), Some(NOW - 10));
    assert_eq!(token.claims.get("name"), Some(&json!("U")));
}

#[test]
fn c25_another_issuer_is_refused() {
    for issuer in [
        json!(null),
        json!("https://issuer.example/"),
        json!("HTTPS://issuer.example"),
        json!(["x"]),
    ] {
        assert_eq!(fault(json!({ "iss": issuer })), Some(IdTokenFault::WrongIssuer));
    }
}

#[test]
fn c26_the_client_is_the_only_audience() {
    assert!(check(json!({ "aud": [CLIENT] })).is_ok());
    for changes in [
        json!({ "aud": null }),
        json!({ "aud": "other" }),
        json!({ "aud": [] }),
        json!({ "aud": [CLIENT, "other"] }),
        json!({ "aud": [CLIENT, "other"], "azp": CLIENT }),
        json!({ "azp": "other" }),
    ] {
        assert_eq!(
            fault(changes.clone()),
            Some(IdTokenFault::WrongAudience),
            "{changes}"
        );
    }
    assert_eq!(fault(json!({ "aud": 7 })), Some(IdTokenFault::Malformed("aud")));
}

#[test]
fn c27_the_nonce_is_that_of_the_attempt() {
    for nonce in [json!(null), json!("other"), json!("")] {
        assert_eq!(fault(json!({ "nonce": nonce })), Some(IdTokenFault::WrongNonce));
    }
    let refreshed = IdTokenRules {
        nonce: None,
        ..rules()
    };
    assert!(
        check_as(
            json!({ "alg": "HS256" }),
            with(json!({ "nonce": null })),
            refreshed
        )
        .is_ok()
    );
}

#[test]
fn c28_times_are_numbers_within_a_minute() {
    for good in [
        json!({ "iat": NOW + 59 }),
        json!({ "exp": NOW - 59 }),
        json!({ "exp": 4_102_444_800_i64 }),
        json!({ "iat": NOW as f64 + 0.5 }),
    ] {
        assert!(check(good.clone()).is_ok(), "{good}");
    }
    for (changes, expected) in [
        (json!({ "iat": null }), IdTokenFault::Malformed("iat")),
        (json!({ "exp": null }), IdTokenFault::Malformed("exp")),
        (json!({ "exp": 1e300 }), IdTokenFault::Malformed("exp")),
        (json!({ "exp": "1800000300" }), IdTokenFault::Malformed("exp")),
        (json!({ "iat": -1 }), IdTokenFault::Malformed("iat")),
        (json!({ "iat": NOW + 600 }), IdTokenFault::NotYetValid),
        (json!({ "nbf": NOW + 600 }), IdTokenFault::NotYetValid),
        (json!({ "exp": NOW - 60 }), IdTokenFault::Expired),
    ] {
        assert_eq!(fault(changes.clone()), Some(expected), "{changes}");
    }
}

#[test]
fn c29_an_access_token_of_another_login_is_refused() {
    let half =
        |text: &str| URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, text.as_bytes()).as_ref()[..16]);
    assert!(check(json!({ "at_hash": half(ACCESS) })).is_ok());
    assert!(check(json!({ "at_hash": format!("{}==", half(ACCESS)) })).is_ok());
    assert_eq!(
        fault(json!({ "at_hash": half("other") })),
        Some(IdTokenFault::WrongAccessToken)
    );
    assert_eq!(
        fault(json!({ "at_hash": 7 })),
        Some(IdTokenFault::Malformed("at_hash"))
    );
}

#[test]
fn c30_another_kind_of_token_is_no_id_token() {
    for kind in [
        "at+jwt",
        "logout+jwt",
        "entity-statement+jwt",
        "application/at+jwt",
        "token-introspection+jwt",
    ] {
        let found = check_as(json!({ "alg": "HS256", "typ": kind }), claims(), rules());
        assert_eq!(found.err(), Some(IdTokenFault::WrongType), "{kind}");
    }
    for kind in ["JWT", "jwt", "application/jwt"] {
        assert!(
            check_as(json!({ "alg": "HS256", "typ": kind }), claims(), rules()).is_ok(),
            "{kind}"
        );
    }
}

#[test]
fn c31_a_subject_is_a_plain_text() {
    let long = "x".repeat(256);
    for sub in [
        json!(null),
        json!(""),
        json!(7),
        json!("a\u{0}"),
        json!("é"),
        json!(long),
    ] {
        assert_eq!(
            fault(json!({ "sub": sub })),
            Some(IdTokenFault::Malformed("sub")),
            "{sub}"
        );
    }
    assert!(check(json!({ "sub": "x".repeat(255) })).is_ok());
    assert!(check(json!({ "sub": "auth0|12 ab" })).is_ok());
}

#[test]
fn a_fresh_login_that_was_asked_for_is_proven() {
    let fresh = IdTokenRules {
        max_age: Some(900),
        ..rules()
    };
    let check = |changes| check_as(json!({ "alg": "HS256" }), with(changes), fresh).map(|_| ());
    assert_eq!(check(json!({})), Err(IdTokenFault::Malformed("auth_time")));
    assert_eq!(
        check(json!({ "auth_time": NOW - 961 })),
        Err(IdTokenFault::TooOldLogin)
    );
    assert_eq!(check(json!({ "auth_time": NOW - 900 })), Ok(()));
}
