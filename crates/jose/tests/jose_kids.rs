//! Selection of keys: which keys of a set a token may name with its `kid`, and ambiguous names.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![expect(dead_code, reason = "not every test file needs every helper")]

mod jose_support;

use jose_support::{SigningKey, judge, jwks, with};
use maxlab_auth_jose::{Algorithm, SignatureFault, SkipReason};
use serde_json::json;

#[test]
fn a_kid_selects_its_key_and_no_other() {
    let (one, two) = (
        SigningKey::for_algorithm(Algorithm::ES256),
        SigningKey::for_algorithm(Algorithm::ES256),
    );
    let set = jwks(&[
        with(one.jwk(), json!({"kid": "1"})),
        with(two.jwk(), json!({"kid": "2"})),
    ]);
    let token = |key: &SigningKey, header| {
        key.token(
            Algorithm::ES256,
            &with(json!({"alg": "ES256"}), header),
            &json!({}),
        )
    };
    let judge = |token: String| {
        judge(&token, &set, &[Algorithm::ES256]).map(|claims| claims.key_id().map(str::to_owned))
    };
    assert_eq!(judge(token(&one, json!({"kid": "1"}))), Ok(Some("1".into())));
    assert_eq!(judge(token(&two, json!({"kid": "2"}))), Ok(Some("2".into())));
    assert_eq!(
        judge(token(&two, json!({"kid": "1"}))),
        Err(Some(SignatureFault::BadSignature))
    );
    for unknown in ["3", "", "1 ", "../1", "1\u{0}", "1' OR '1'='1"] {
        assert_eq!(
            judge(token(&one, json!({"kid": unknown}))),
            Err(Some(SignatureFault::UnknownKey)),
            "{unknown:?}"
        );
    }
    assert_eq!(judge(token(&one, json!({}))), Ok(Some("1".into())));
    assert_eq!(judge(token(&two, json!({}))), Ok(Some("2".into())));
    let stranger = SigningKey::for_algorithm(Algorithm::ES256);
    assert_eq!(
        judge(token(&stranger, json!({}))),
        Err(Some(SignatureFault::BadSignature))
    );
}

#[test]
fn a_key_without_kid_answers_for_any_kid_only_where_it_is_alone() {
    let (one, two) = (
        SigningKey::for_algorithm(Algorithm::ES256),
        SigningKey::for_algorithm(Algorithm::ES256),
    );
    let token = one.token(Algorithm::ES256, &json!({"alg": "ES256", "kid": "x"}), &json!({}));
    let alone = jwks(&[one.jwk()]);
    assert_eq!(judge(&token, &alone, &[Algorithm::ES256]).unwrap().key_id(), None);
    let forged = two.token(Algorithm::ES256, &json!({"alg": "ES256", "kid": "x"}), &json!({}));
    assert_eq!(
        judge(&forged, &alone, &[Algorithm::ES256]).unwrap_err(),
        Some(SignatureFault::BadSignature)
    );
    let company = jwks(&[one.jwk(), with(two.jwk(), json!({"kid": "y"}))]);
    assert_eq!(
        judge(&token, &company, &[Algorithm::ES256]).unwrap_err(),
        Some(SignatureFault::UnknownKey)
    );
}

#[test]
fn different_keys_for_one_algorithm_that_share_a_kid_are_both_left_out() {
    let keys = [(); 2].map(|()| SigningKey::for_algorithm(Algorithm::ES256));
    let [one, two] = keys.each_ref().map(|key| with(key.jwk(), json!({"kid": "same"})));
    let rsa = with(
        SigningKey::for_algorithm(Algorithm::RS256).jwk(),
        json!({"kid": "same"}),
    );
    let set = jwks(&[one.clone(), two, rsa.clone()]);
    let reasons: Vec<_> = set
        .skipped()
        .iter()
        .map(|skipped| (skipped.kid.as_deref(), skipped.reason))
        .collect();
    assert_eq!(reasons, [(Some("same"), SkipReason::AmbiguousKid); 2]);
    assert_eq!(set.len(), 1);
    for key in &keys {
        let token = key.token(
            Algorithm::ES256,
            &json!({"alg": "ES256", "kid": "same"}),
            &json!({}),
        );
        assert!(judge(&token, &set, &Algorithm::ALL).is_err());
    }
    // The same key listed twice is one key, and different kinds are alternatives (RFC 7517 §4.5).
    assert_eq!(jwks(&[one.clone(), one.clone()]).len(), 1);
    assert_eq!(jwks(&[one, rsa.clone()]).len(), 2);
    // A key without `alg` is for RS256 too, so the two could be confused.
    let pinned = with(
        SigningKey::for_algorithm(Algorithm::RS256).jwk(),
        json!({"kid": "same", "alg": "RS256"}),
    );
    assert!(jwks(&[rsa, pinned]).is_empty());
}

#[test]
fn f2_one_key_listed_once_per_algorithm_is_no_ambiguity() {
    let key = SigningKey::for_algorithm(Algorithm::RS256);
    let listed = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
    ];
    for name in [json!({"kid": "1"}), json!({})] {
        let entry = |algorithm: &Algorithm| {
            with(
                with(key.jwk(), name.clone()),
                json!({"alg": algorithm.name(), "use": "sig"}),
            )
        };
        let set = jwks(&listed.each_ref().map(entry));
        assert_eq!((set.len(), set.skipped().len()), (4, 0));
        let token = |algorithm: Algorithm| {
            key.token(
                algorithm,
                &json!({"alg": algorithm.name(), "kid": "1"}),
                &json!({}),
            )
        };
        for algorithm in listed {
            let claims = judge(&token(algorithm), &set, &Algorithm::ALL).unwrap();
            assert_eq!(claims.algorithm(), algorithm);
        }
        assert!(judge(&token(Algorithm::PS512), &set, &Algorithm::ALL).is_err());
    }
}

#[test]
fn f2_different_keys_for_different_algorithms_may_share_a_kid() {
    let (p256, p384) = (
        SigningKey::for_algorithm(Algorithm::ES256),
        SigningKey::for_algorithm(Algorithm::ES384),
    );
    let set = jwks(&[&p256, &p384].map(|key| with(key.jwk(), json!({"kid": "same"}))));
    assert_eq!(set.len(), 2);
    for (key, algorithm) in [(&p256, Algorithm::ES256), (&p384, Algorithm::ES384)] {
        let header = json!({"alg": algorithm.name(), "kid": "same"});
        assert!(judge(&key.token(algorithm, &header, &json!({})), &set, &Algorithm::ALL).is_ok());
    }
}

#[test]
fn f2_a_set_that_cannot_tell_says_so() {
    let rsa = SigningKey::for_algorithm(Algorithm::RS256).jwk();
    let unusable = with(rsa.clone(), json!({"kid": "odd", "kty": "LMS"}));
    let none = jwks(std::slice::from_ref(&unusable));
    assert!(none.lacks_usable_key(None) && none.lacks_usable_key(Some("x")));
    assert!(jwks(&[]).lacks_usable_key(None));
    let some = jwks(&[unusable, with(rsa, json!({"kid": "1"}))]);
    assert!(some.lacks_usable_key(Some("odd")));
    for certain in [None, Some("1"), Some("x")] {
        assert!(!some.lacks_usable_key(certain), "{certain:?}");
    }
    assert_eq!(some.count_for(&[Algorithm::PS256]), 1);
    assert_eq!(some.count_for(&[Algorithm::ES256]), 0);
}
