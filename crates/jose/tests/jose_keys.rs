//! Key sets: loaded keys, and skipped keys with their reasons. `jose_kids.rs` tests which key
//! a token may name.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![expect(dead_code, reason = "not every test file needs every helper")]

mod jose_support;

use jose_support::{SECRET, SigningKey, b64, judge, jwks, with};
use maxlab_auth_jose::{
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
fn a_secret_must_be_as_long_as_its_hash() {
    for (algorithm, needed) in [
        (Algorithm::HS256, 32),
        (Algorithm::HS384, 48),
        (Algorithm::HS512, 64),
    ] {
        assert!(KeySet::from_secret(&SECRET[..needed], algorithm).is_ok());
        for bytes in [0, 1, needed - 1] {
            let fault = KeySet::from_secret(&SECRET[..bytes], algorithm).unwrap_err();
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
            KeySet::from_secret(SECRET, algorithm).unwrap_err(),
            SecretFault::NotSymmetric(algorithm)
        );
    }
}

#[test]
fn debug_shows_no_secret() {
    let debug = format!("{:?}", KeySet::from_secret(SECRET, Algorithm::HS256).unwrap());
    assert!(debug.contains("HS256") && !debug.contains("secret of"), "{debug}");
    assert!(
        !debug.contains(&format!("{:?}", &SECRET[..8]).replace(['[', ']'], "")),
        "{debug}"
    );
}

#[test]
fn f21_spellings_that_mean_the_same_key_are_read() {
    let nulls = json!({"use": Value::Null, "kid": Value::Null, "alg": Value::Null, "key_ops": Value::Null, "d": Value::Null});
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let key = SigningKey::for_algorithm(algorithm);
        let token = key.token(algorithm, &json!({"alg": algorithm.name()}), &json!({}));
        for respell in [padded, standard, wrapped] {
            let mut jwk = key.jwk();
            for name in ["n", "e", "x", "y"] {
                if let Some(text) = jwk[name].as_str().map(respell) {
                    jwk[name] = text.into();
                }
            }
            jwk.as_object_mut()
                .unwrap()
                .extend(nulls.as_object().unwrap().clone());
            let set = jwks(std::slice::from_ref(&jwk));
            assert_eq!((set.len(), set.exposed_private_keys()), (1, 0), "{jwk}");
            assert!(judge(&token, &set, &[algorithm]).is_ok(), "{jwk}");
        }
    }
}

fn padded(text: &str) -> String {
    format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4))
}

fn standard(text: &str) -> String {
    padded(text).replace('-', "+").replace('_', "/")
}

/// Lines of 64 characters, as MIME writes base64.
fn wrapped(text: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    lines.join("\r\n")
}

#[test]
fn f21_zeros_before_a_coordinate_do_not_change_the_point() {
    // One key in 256 has a coordinate that begins with a zero, which some servers drop.
    let (key, x) = loop {
        let key = SigningKey::for_algorithm(Algorithm::ES256);
        let x = key.public_bytes()[1..33].to_vec();
        if x[0] == 0 {
            break (key, x);
        }
    };
    let token = key.token(Algorithm::ES256, &json!({"alg": "ES256"}), &json!({}));
    for spelled in [&x[1..], &[&[0], &x[..]].concat()] {
        let set = jwks(&[with(key.jwk(), json!({"x": b64(spelled)}))]);
        assert!(judge(&token, &set, &[Algorithm::ES256]).is_ok());
    }
}
