//! Signatures: every algorithm verifies its own, and none verifies another's.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod jose_support;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jose_support::{SECRET, SigningKey, b64, judge, jwks, with};
use maxlab_auth_jose::{Algorithm, CompactJws, KeySet, SignatureFault};
use serde_json::json;

#[test]
fn every_algorithm_verifies_its_own_signature_and_no_other_key_s() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::for_algorithm(algorithm);
        let keys = key.key_set(algorithm, "k1");
        let token = key.token(
            algorithm,
            &json!({"alg": algorithm.name(), "kid": "k1", "typ": "at+jwt"}),
            &json!({"sub": "u1"}),
        );
        let claims = judge(&token, &keys, &[algorithm]).unwrap();
        assert_eq!(claims.subject().unwrap(), Some("u1"), "{algorithm}");
        assert_eq!(
            (claims.algorithm(), claims.token_type()),
            (algorithm, Some("at+jwt"))
        );
        assert_eq!(claims.key_id(), (!algorithm.is_symmetric()).then_some("k1"));

        let other = match &key {
            SigningKey::Secret(_) => KeySet::from_secret(&[7; 64], algorithm).unwrap(),
            _ => SigningKey::for_algorithm(algorithm).key_set(algorithm, "k1"),
        };
        assert_eq!(
            judge(&token, &other, &[algorithm]).unwrap_err(),
            Some(SignatureFault::BadSignature),
            "{algorithm}"
        );
    }
}

#[test]
fn the_allow_list_comes_before_any_key() {
    let key = SigningKey::for_algorithm(Algorithm::ES256);
    let keys = key.key_set(Algorithm::ES256, "k1");
    let token = key.token(
        Algorithm::ES256,
        &json!({"alg": "ES256", "kid": "k1"}),
        &json!({}),
    );
    for allowed in [
        &[][..],
        &[Algorithm::ES384],
        &[Algorithm::RS256, Algorithm::EdDSA, Algorithm::HS256],
    ] {
        assert_eq!(
            judge(&token, &keys, allowed).unwrap_err(),
            Some(SignatureFault::AlgorithmNotAllowed)
        );
    }
    for unknown in ["ES256K", "es256", "HS1", "A128KW", "ES256 ", "RS256\0", "nones"] {
        let token = key.token(
            Algorithm::ES256,
            &json!({"alg": unknown, "kid": "k1"}),
            &json!({}),
        );
        assert_eq!(
            judge(&token, &keys, &Algorithm::ALL).unwrap_err(),
            Some(SignatureFault::AlgorithmNotAllowed)
        );
    }
}

#[test]
fn ed25519_goes_by_both_of_its_names() {
    let key = SigningKey::for_algorithm(Algorithm::EdDSA);
    for published in [json!({"alg": "EdDSA"}), json!({"alg": "Ed25519"}), json!({})] {
        let keys = jwks(&[with(key.jwk(), published)]);
        for name in ["EdDSA", "Ed25519"] {
            let token = key.token(Algorithm::EdDSA, &json!({"alg": name}), &json!({}));
            assert!(judge(&token, &keys, &[Algorithm::EdDSA]).is_ok(), "{name}");
        }
    }
}

#[test]
fn a_public_key_in_any_form_is_no_hmac_secret() {
    for signing in [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA] {
        let key = SigningKey::for_algorithm(signing);
        let jwk = with(
            key.jwk(),
            json!({"kid": "k1", "alg": signing.name(), "use": "sig"}),
        );
        let keys = jwks(std::slice::from_ref(&jwk));
        for secret in public_forms(&key, &jwk.to_string()) {
            for hmac in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                for header in [
                    json!({"alg": hmac.name(), "kid": "k1"}),
                    json!({"alg": hmac.name()}),
                ] {
                    let forged =
                        SigningKey::Secret(secret.clone()).token(hmac, &header, &json!({"sub": "admin"}));
                    assert!(judge(&forged, &keys, &[signing]).is_err());
                    // Not even if every algorithm is allowed.
                    assert!(judge(&forged, &keys, &Algorithm::ALL).is_err());
                }
            }
        }
    }
}

/// Returns the forms in which a library might take a public key for a secret: raw, DER, PEM with and without
/// its last newline, JWK.
fn public_forms(key: &SigningKey, jwk: &str) -> Vec<Vec<u8>> {
    let der = key.public_der();
    let body: Vec<String> = STANDARD
        .encode(&der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        body.join("\n")
    );
    vec![
        key.public_bytes(),
        der,
        pem.clone().into_bytes(),
        pem.trim_end().to_owned().into_bytes(),
        jwk.to_owned().into_bytes(),
        json!({"keys": [jwk]}).to_string().into_bytes(),
    ]
}

#[test]
fn a_secret_verifies_no_signature_algorithm_and_only_its_own_hmac() {
    let keys = KeySet::from_secret(SECRET, Algorithm::HS256).unwrap();
    let key = SigningKey::Secret(SECRET.to_vec());
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = key.token(algorithm, &json!({"alg": algorithm.name()}), &json!({}));
        assert_eq!(
            judge(&token, &keys, &Algorithm::ALL).unwrap_err(),
            Some(SignatureFault::UnknownKey)
        );
    }
    let token = SigningKey::for_algorithm(Algorithm::ES256).token(
        Algorithm::ES256,
        &json!({"alg": "ES256"}),
        &json!({}),
    );
    assert_eq!(
        judge(&token, &keys, &Algorithm::ALL).unwrap_err(),
        Some(SignatureFault::UnknownKey)
    );
}

#[test]
fn one_key_has_one_algorithm() {
    let key = SigningKey::for_algorithm(Algorithm::RS256);
    let rsa = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ];
    for pinned in rsa {
        let keys = key.key_set(pinned, "k1");
        for used in rsa {
            let token = key.token(used, &json!({"alg": used.name(), "kid": "k1"}), &json!({}));
            let result = judge(&token, &keys, &rsa);
            if used == pinned {
                assert!(result.is_ok(), "{pinned}");
            } else {
                assert_eq!(
                    result.unwrap_err(),
                    Some(SignatureFault::KeyAlgorithmMismatch),
                    "{pinned} {used}"
                );
            }
        }
    }
}

#[test]
fn f15_an_rsa_key_without_alg_verifies_what_the_allow_list_contains() {
    let key = SigningKey::for_algorithm(Algorithm::RS256);
    let keys = jwks(&[key.jwk()]);
    let token = |algorithm: Algorithm| key.token(algorithm, &json!({"alg": algorithm.name()}), &json!({}));
    let listed = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];
    for algorithm in [Algorithm::RS256, Algorithm::PS256] {
        let claims = judge(&token(algorithm), &keys, &listed).unwrap();
        assert_eq!(claims.algorithm(), algorithm);
    }
    for algorithm in [Algorithm::RS384, Algorithm::PS384, Algorithm::PS512] {
        assert_eq!(
            judge(&token(algorithm), &keys, &listed).unwrap_err(),
            Some(SignatureFault::AlgorithmNotAllowed),
            "{algorithm}"
        );
    }
    // A signature of one algorithm under the name of another proves nothing.
    let mislabelled = key.token(Algorithm::RS256, &json!({"alg": "PS256"}), &json!({}));
    assert_eq!(
        judge(&mislabelled, &keys, &listed).unwrap_err(),
        Some(SignatureFault::BadSignature)
    );
}

#[test]
fn signatures_have_exactly_one_form() {
    let key = SigningKey::for_algorithm(Algorithm::ES256);
    let keys = key.key_set(Algorithm::ES256, "k1");
    let token = key.token(
        Algorithm::ES256,
        &json!({"alg": "ES256", "kid": "k1"}),
        &json!({}),
    );
    let (signing_input, signature) = token.rsplit_once('.').unwrap();
    let fixed = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = fixed.split_at(32);
    // ASN.1, padded numbers, a byte too many or too few, half a signature, zeros (CVE-2022-21449), nothing.
    let others = [
        asn1(r, s),
        [&[0], r, &[0], s].concat(),
        [fixed.as_slice(), &[0]].concat(),
        fixed[..63].to_vec(),
        r.to_vec(),
        vec![0; 64],
        Vec::new(),
    ];
    for other in others {
        let token = format!("{signing_input}.{}", b64(&other));
        assert_eq!(
            judge(&token, &keys, &[Algorithm::ES256]).unwrap_err(),
            Some(SignatureFault::BadSignature)
        );
    }
    for algorithm in [Algorithm::HS256, Algorithm::EdDSA, Algorithm::RS256] {
        let key = SigningKey::for_algorithm(algorithm);
        let token = key.token(
            algorithm,
            &json!({"alg": algorithm.name(), "kid": "k1"}),
            &json!({}),
        );
        let (signing_input, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for other in [
            &signature[1..],
            &signature[..signature.len() / 2],
            &[&signature[..], &[0]].concat(),
        ] {
            let token = format!("{signing_input}.{}", b64(other));
            assert!(
                judge(&token, &key.key_set(algorithm, "k1"), &[algorithm]).is_err(),
                "{algorithm}"
            );
        }
    }
}

/// Encodes a signature as an ASN.1 sequence of two integers, with a leading zero each.
fn asn1(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| [&[0x02, 33, 0], number].concat();
    [&[0x30, 70][..], &integer(r), &integer(s)].concat()
}

#[test]
fn the_other_spelling_of_an_ecdsa_signature_leaves_the_token_s_identity() {
    let key = SigningKey::for_algorithm(Algorithm::ES256);
    let keys = key.key_set(Algorithm::ES256, "k1");
    let token = key.token(
        Algorithm::ES256,
        &json!({"alg": "ES256", "kid": "k1"}),
        &json!({"sub": "u1"}),
    );
    let (signing_input, signature) = token.rsplit_once('.').unwrap();
    let fixed = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = fixed.split_at(32);
    let twin = format!("{signing_input}.{}", b64(&[r, &order_minus(s)].concat()));
    assert_ne!(token, twin);
    assert!(
        judge(&twin, &keys, &[Algorithm::ES256]).is_ok(),
        "both verify: that is why the signature is no identity"
    );
    let digest = |token: &str| CompactJws::parse(token).unwrap().signing_input_digest();
    assert_eq!(digest(&token), digest(&twin));
    let other = key.token(
        Algorithm::ES256,
        &json!({"alg": "ES256", "kid": "k1"}),
        &json!({"sub": "u2"}),
    );
    assert_ne!(digest(&token), digest(&other));
}

/// Returns n − s for the order n of P-256.
fn order_minus(s: &[u8]) -> Vec<u8> {
    const ORDER: &str = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";
    let order = URL_SAFE_NO_PAD.decode(ORDER).unwrap();
    let mut difference = vec![0; 32];
    let mut borrow = 0_i16;
    for index in (0..32).rev() {
        let digit = i16::from(order[index]) - i16::from(s[index]) - borrow;
        borrow = i16::from(digit < 0);
        difference[index] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    difference
}
