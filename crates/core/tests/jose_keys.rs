//! Key sets: what is loaded, what is left out and why, and which key a token may name.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
#![expect(dead_code, reason = "not every test file needs every helper")]

mod jose_support;

use jose_support::{SECRET, SigningKey, b64, judge, jwks, with};
use maxlab_auth_core::token::{
    Algorithm, JwksFault, KeySet, MalformedJson, SecretFault, SignatureFault, SkipReason,
};
use serde_json::{Value, json};

fn reason_of(jwk: Value) -> Option<SkipReason> {
    let set = jwks(&[jwk]);
    assert_eq!(set.len() + set.skipped().len(), 1);
    set.skipped().first().map(|skipped| skipped.reason)
}

#[test]
fn documents_that_are_no_key_set_are_faults() {
    let fault = |text: &str| KeySet::from_jwks(text.as_bytes()).unwrap_err();
    assert_eq!(
        fault(r#"{"keys":[],"keys":[]}"#),
        JwksFault::Json(MalformedJson::DuplicateKey)
    );
    assert_eq!(
        fault(r#"[{"kty":"EC"}]"#),
        JwksFault::Json(MalformedJson::NotAnObject)
    );
    assert!(matches!(
        fault("<html>"),
        JwksFault::Json(MalformedJson::Syntax { .. })
    ));
    assert!(matches!(fault(r#"{"keys":[]}{"keys":[]}"#), JwksFault::Json(_)));
    for text in ["{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"Keys":[]}"#] {
        assert_eq!(fault(text), JwksFault::NoKeys, "{text}");
    }
    let many = json!({"keys": vec![json!({"kty": "EC"}); 129]}).to_string();
    assert_eq!(fault(&many), JwksFault::TooManyKeys);
    assert!(KeySet::from_jwks(br#"{"keys":[]}"#).unwrap().is_empty());
}

#[test]
fn keys_that_must_not_verify_are_left_out_and_the_others_stay() {
    let ec = SigningKey::for_algorithm(Algorithm::ES256).jwk();
    let rsa = SigningKey::for_algorithm(Algorithm::RS256).jwk();
    let ed = SigningKey::for_algorithm(Algorithm::EdDSA).jwk();
    let left_out = [
        (json!("key"), SkipReason::Member("keys")),
        (json!({}), SkipReason::Member("kty")),
        (
            with(ec.clone(), json!({"kty": "LMS"})),
            SkipReason::UnsupportedKind,
        ),
        (
            with(ec.clone(), json!({"kty": ["EC"]})),
            SkipReason::Member("kty"),
        ),
        (
            with(ec.clone(), json!({"crv": "secp256k1"})),
            SkipReason::UnsupportedKind,
        ),
        (
            with(ed.clone(), json!({"crv": "X25519"})),
            SkipReason::UnsupportedKind,
        ),
        (
            with(ed.clone(), json!({"crv": "Ed448"})),
            SkipReason::UnsupportedKind,
        ),
        (
            with(ec.clone(), json!({"use": "enc"})),
            SkipReason::NotForVerifying,
        ),
        (with(ec.clone(), json!({"use": 1})), SkipReason::Member("use")),
        (
            with(rsa.clone(), json!({"key_ops": ["sign"]})),
            SkipReason::NotForVerifying,
        ),
        (
            with(rsa.clone(), json!({"key_ops": []})),
            SkipReason::NotForVerifying,
        ),
        (
            with(rsa.clone(), json!({"key_ops": "verify"})),
            SkipReason::Member("key_ops"),
        ),
        (
            with(rsa.clone(), json!({"use": "sig", "key_ops": ["encrypt"]})),
            SkipReason::NotForVerifying,
        ),
        (
            with(rsa.clone(), json!({"alg": "RSA-OAEP"})),
            SkipReason::Algorithm,
        ),
        (with(rsa.clone(), json!({"alg": "ES256"})), SkipReason::Algorithm),
        (with(rsa.clone(), json!({"alg": "HS256"})), SkipReason::Algorithm),
        (with(rsa.clone(), json!({"alg": "none"})), SkipReason::Algorithm),
        (with(ec.clone(), json!({"alg": "ES384"})), SkipReason::Algorithm),
        (with(ec.clone(), json!({"alg": "ES521"})), SkipReason::Algorithm),
        (with(ec.clone(), json!({"alg": 5})), SkipReason::Member("alg")),
        (with(ed.clone(), json!({"alg": "ES256"})), SkipReason::Algorithm),
        (with(ec.clone(), json!({"kid": 5})), SkipReason::Member("kid")),
        (with(ec.clone(), json!({"x": null})), SkipReason::Member("x")),
        (
            with(ec.clone(), json!({"y": "not base64!"})),
            SkipReason::Member("y"),
        ),
        (with(rsa.clone(), json!({"n": null})), SkipReason::Member("n")),
        (with(rsa.clone(), json!({"e": "AQAB="})), SkipReason::Member("e")),
    ];
    for (jwk, reason) in left_out {
        assert_eq!(reason_of(jwk.clone()), Some(reason), "{jwk}");
        let set = jwks(&[jwk, with(ec.clone(), json!({"kid": "good"}))]);
        assert!(set.contains_kid("good") && set.len() == 1);
    }
    for jwk in [ec, rsa, ed] {
        assert_eq!(reason_of(jwk.clone()), None);
        assert_eq!(
            reason_of(with(
                jwk.clone(),
                json!({"use": "sig", "key_ops": ["sign", "verify"], "x5t": "?"})
            )),
            None
        );
    }
}

#[test]
fn weak_and_impossible_keys_are_left_out() {
    let rsa = SigningKey::for_algorithm(Algorithm::RS256).jwk();
    for (n, reason) in [
        ([&[0xff_u8; 127][..], &[0xfd]].concat(), SkipReason::RsaSize),
        ([&[0x7f_u8][..], &[0xff; 255]].concat(), SkipReason::RsaSize),
        ([&[0, 0, 0x7f_u8][..], &[0xff; 255]].concat(), SkipReason::RsaSize),
        ([&[0xff_u8; 255][..], &[0xfe]].concat(), SkipReason::RsaSize),
        (vec![0xff; 1025], SkipReason::RsaSize),
        (vec![0xff; 100_000], SkipReason::RsaSize),
        (Vec::new(), SkipReason::RsaSize),
    ] {
        assert_eq!(
            reason_of(with(rsa.clone(), json!({"n": b64(&n)}))),
            Some(reason),
            "{} bytes",
            n.len()
        );
    }
    for e in [&[][..], &[0], &[1], &[2], &[1, 0, 0]] {
        assert_eq!(
            reason_of(with(rsa.clone(), json!({"e": b64(e)}))),
            Some(SkipReason::RsaSize),
            "{e:?}"
        );
    }
    let ec = SigningKey::for_algorithm(Algorithm::ES256).jwk();
    for (x, y) in [
        (vec![1; 32], vec![1; 32]),
        (vec![0; 32], vec![0; 32]),
        (vec![0xff; 32], vec![0xff; 32]),
        (vec![1; 31], vec![1; 33]),
    ] {
        let off_curve = with(ec.clone(), json!({"x": b64(&x), "y": b64(&y)}));
        assert_eq!(reason_of(off_curve), Some(SkipReason::Material));
    }
    assert_eq!(
        reason_of(with(ec, json!({"crv": "P-384"}))),
        Some(SkipReason::Material)
    );
    let key = SigningKey::for_algorithm(Algorithm::ES256);
    let point = key.public_bytes();
    let shifted = with(
        key.jwk(),
        json!({"x": b64(&point[1..32]), "y": b64(&point[32..])}),
    );
    assert_eq!(
        reason_of(shifted),
        Some(SkipReason::Material),
        "a coordinate has its full length"
    );
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&[1; 31])});
    assert_eq!(reason_of(ed), Some(SkipReason::Material));
}

#[test]
fn a_published_secret_is_never_a_key() {
    let secret = SigningKey::for_algorithm(Algorithm::HS256);
    let published = with(secret.jwk(), json!({"kid": "k1", "alg": "HS256", "use": "sig"}));
    let set = jwks(&[
        published,
        with(
            SigningKey::for_algorithm(Algorithm::ES256).jwk(),
            json!({"kid": "k2"}),
        ),
    ]);
    assert_eq!(set.skipped()[0].reason, SkipReason::Symmetric);
    assert_eq!((set.len(), set.exposed_private_keys()), (1, 1));
    let token = secret.token(
        Algorithm::HS256,
        &json!({"alg": "HS256", "kid": "k1"}),
        &json!({}),
    );
    assert_eq!(
        judge(&token, &set, &Algorithm::ALL).unwrap_err(),
        Some(SignatureFault::UnknownKey)
    );
}

#[test]
fn a_published_key_pair_works_like_its_public_half_and_is_reported() {
    let key = SigningKey::for_algorithm(Algorithm::ES256);
    let set = jwks(&[with(key.jwk(), json!({"d": b64(&[1; 32])}))]);
    assert_eq!((set.len(), set.exposed_private_keys()), (1, 1));
    let token = key.token(Algorithm::ES256, &json!({"alg": "ES256"}), &json!({}));
    assert!(judge(&token, &set, &[Algorithm::ES256]).is_ok());
}

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
fn keys_of_one_kind_that_share_a_kid_are_both_left_out() {
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
    let two_algorithms = [
        with(rsa.clone(), json!({"alg": "RS256"})),
        with(rsa, json!({"alg": "PS256"})),
    ];
    assert!(jwks(&two_algorithms).is_empty());
}

#[test]
fn a_secret_must_be_as_long_as_its_hash() {
    for (algorithm, needed) in [
        (Algorithm::HS256, 32),
        (Algorithm::HS384, 48),
        (Algorithm::HS512, 64),
    ] {
        assert!(KeySet::symmetric(&SECRET[..needed], algorithm).is_ok());
        for bytes in [0, 1, needed - 1] {
            let fault = KeySet::symmetric(&SECRET[..bytes], algorithm).unwrap_err();
            assert_eq!(
                fault,
                SecretFault::TooShort {
                    algorithm,
                    bytes,
                    needed
                }
            );
        }
    }
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert_eq!(
            KeySet::symmetric(SECRET, algorithm).unwrap_err(),
            SecretFault::NotSymmetric(algorithm)
        );
    }
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", KeySet::symmetric(SECRET, Algorithm::HS256).unwrap());
    assert!(shown.contains("HS256") && !shown.contains("secret of"), "{shown}");
    assert!(
        !shown.contains(&format!("{:?}", &SECRET[..8]).replace(['[', ']'], "")),
        "{shown}"
    );
}
