//! The forge's tokens verify, and its forgeries fail as documented.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use maxlab_auth_testkit::forge::{ForgeAlgorithm, TokenForge, now};
use serde_json::{Value, json};

fn bytes(jwk: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap()
}

/// Verifies as a correct verifier does: the key by `kid`, the algorithm by the key.
// Written here once more: the gateway's own verifier is what the forgeries are for.
fn verifies(jwks: &Value, token: &str) -> bool {
    let (signing_input, signature) = token.rsplit_once('.').unwrap();
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
        return false;
    };
    let (header, _) = parts(token);
    let keys = jwks["keys"].as_array().unwrap();
    let Some(jwk) = keys.iter().find(|jwk| jwk["kid"] == header["kid"]) else {
        return false;
    };
    let message = signing_input.as_bytes();
    match jwk["alg"].as_str().unwrap() {
        "ES256" => {
            let point = [vec![4], bytes(jwk, "x"), bytes(jwk, "y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, &signature)
                .is_ok()
        }
        "RS256" => {
            let key = RsaPublicKeyComponents {
                n: bytes(jwk, "n"),
                e: bytes(jwk, "e"),
            };
            key.verify(&RSA_PKCS1_2048_8192_SHA256, message, &signature)
                .is_ok()
        }
        "EdDSA" => UnparsedPublicKey::new(&ED25519, bytes(jwk, "x"))
            .verify(message, &signature)
            .is_ok(),
        other => panic!("{other}"),
    }
}

fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

#[test]
fn each_algorithm_signs_what_its_published_key_verifies() {
    for algorithm in [
        ForgeAlgorithm::Es256,
        ForgeAlgorithm::Rs256,
        ForgeAlgorithm::EdDsa,
    ] {
        let forge = TokenForge::new("https://issuer.example", algorithm);
        let token = forge.access_token("user-1").sign();
        assert_eq!(parts(&token).0["alg"], algorithm.name());
        assert!(verifies(&forge.jwks(), &token), "{algorithm:?}");
        assert!(
            !verifies(&forge.jwks(), &TokenForge::wrong_signature(&token)),
            "{algorithm:?}"
        );

        // Same `jti` as a real token: a verifier that revokes by unverified claims would end the real one.
        let twin = forge.forged_twin(&token);
        assert_eq!(
            twin.rsplit_once('.').unwrap().0,
            token.rsplit_once('.').unwrap().0
        );
        assert!(!verifies(&forge.jwks(), &twin), "{algorithm:?}");
    }
}

#[test]
fn a_symmetric_forge_signs_with_its_secret_and_publishes_nothing() {
    let forge = TokenForge::hs256("https://issuer.example", "a secret of the two of us");
    let token = forge.access_token("user-1").sign();
    let (signing_input, signature) = token.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, forge.secret().unwrap().as_bytes());
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(hmac::verify(&key, signing_input.as_bytes(), &signature).is_ok());
    assert_eq!(forge.jwks(), json!({ "keys": [] }));
    assert!(!format!("{forge:?}").contains("secret of the two"));
}

#[test]
fn the_builder_starts_with_a_valid_token_and_applies_changes() {
    let forge = TokenForge::es256("https://issuer.example");
    let (header, claims) = parts(&forge.access_token("user-1").sign());
    assert_eq!(
        (header["typ"].as_str(), claims["sub"].as_str()),
        (Some("at+jwt"), Some("user-1"))
    );
    assert_eq!(claims["iss"], "https://issuer.example");
    assert!((claims["iat"].as_i64().unwrap() - now()).abs() < 10);
    assert_eq!(
        claims["exp"].as_i64().unwrap(),
        claims["iat"].as_i64().unwrap() + 300
    );
    assert!(claims["jti"].is_string());

    let built = forge
        .access_token("user-1")
        .claim("roles", json!(["admin"]))
        .issued_at(1000)
        .expires_in(60);
    let (header, claims) = parts(&built.without("jti").typ("JWT").without_header("kid").sign());
    assert_eq!(header, json!({ "alg": "ES256", "typ": "JWT" }));
    assert_eq!(
        (claims["iat"].as_i64(), claims["exp"].as_i64()),
        (Some(1000), Some(1060))
    );
    assert_eq!((&claims["roles"], claims.get("jti")), (&json!(["admin"]), None));

    let moved = forge.access_token("user-1").expires_in(60).issued_at(1000);
    assert_eq!(moved.claims()["exp"], 1060);
}

#[test]
fn keys_rotate() {
    let forge = TokenForge::es256("https://issuer.example");
    let old = forge.kid();
    let before = forge.access_token("user-1").sign();
    let new = forge.add_key(ForgeAlgorithm::EdDsa);
    let after = forge.access_token("user-1").sign();
    assert_eq!(parts(&after).0["kid"].as_str().unwrap(), new);
    assert!(verifies(&forge.jwks(), &before) && verifies(&forge.jwks(), &after));

    // Clones share the keys, as a server and the test that scripts it do.
    let clone = forge.clone();
    clone.remove_key(&old);
    assert_eq!(clone.kid(), new);
    assert!(!verifies(&forge.jwks(), &before) && verifies(&forge.jwks(), &after));
}

#[test]
fn a_malleated_signature_differs_and_still_verifies() {
    let forge = TokenForge::es256("https://issuer.example");
    // Often, because r and s are random: a mistake in the subtraction shows only for some of them.
    for _ in 0..50 {
        let token = forge.access_token("user-1").sign();
        let other = TokenForge::malleate_es256(&token);
        assert_ne!(token, other);
        assert!(verifies(&forge.jwks(), &other));
        assert_eq!(TokenForge::malleate_es256(&other), token);
    }
}

#[test]
fn spelling_variants_are_the_same_bytes_only_to_a_lenient_decoder() {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    let lenient = GeneralPurpose::new(&URL_SAFE, lenient);
    for algorithm in [
        ForgeAlgorithm::Es256,
        ForgeAlgorithm::Rs256,
        ForgeAlgorithm::EdDsa,
        ForgeAlgorithm::Hs256,
    ] {
        let token = TokenForge::new("https://issuer.example", algorithm)
            .access_token("user-1")
            .sign();
        let signature = |token: &str| lenient.decode(token.rsplit_once('.').unwrap().1).unwrap();
        for variant in [
            TokenForge::trailing_bits_variant(&token),
            TokenForge::padding_variant(&token),
        ] {
            assert_ne!(variant, token);
            assert_eq!(signature(&variant), signature(&token));
            assert!(
                URL_SAFE_NO_PAD
                    .decode(variant.rsplit_once('.').unwrap().1)
                    .is_err()
            );
        }
    }
}

#[test]
fn no_forgery_from_claims_carries_the_issuers_signature() {
    let forge = TokenForge::es256("https://issuer.example");
    let claims = forge.access_token("user-1").claims();
    let unsigned = forge.unsigned(&claims);
    assert!(
        unsigned
            .iter()
            .any(|token| parts(token).0["alg"] == "none" && token.ends_with('.'))
    );
    assert!(unsigned.iter().all(|token| parts(token).1 == claims));

    let (with_url, keys) = forge.with_key_url("jku", "http://127.0.0.1:9/keys", &claims);
    assert_eq!(parts(&with_url).0["jku"], "http://127.0.0.1:9/keys");
    assert!(verifies(&keys, &with_url) && !verifies(&forge.jwks(), &with_url));

    let embedded = forge.with_embedded_jwk(&claims);
    assert!(!verifies(&forge.jwks(), &embedded));
    let mut own = json!({ "keys": [parts(&embedded).0["jwk"]] });
    own["keys"][0]["kid"] = json!(forge.kid());
    assert!(
        verifies(&own, &embedded),
        "it would pass a verifier that trusts the header's own key"
    );

    let crit = forge.with_crit(&claims);
    assert!(verifies(&forge.jwks(), &crit) && parts(&crit).0["crit"].is_array());
}

#[test]
fn confused_tokens_are_macs_under_the_public_key() {
    for algorithm in [
        ForgeAlgorithm::Es256,
        ForgeAlgorithm::Rs256,
        ForgeAlgorithm::EdDsa,
    ] {
        let forge = TokenForge::new("https://issuer.example", algorithm);
        let jwk = forge.jwks()["keys"][0].clone();
        let tokens = forge.hs256_with_public_key(&json!({ "sub": "user-1" }));
        let secret = serde_json::to_string(&jwk).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let passes = tokens.iter().filter(|token| {
            let (signing_input, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            parts(token).0["alg"] == "HS256"
                && hmac::verify(&key, signing_input.as_bytes(), &signature).is_ok()
        });
        assert_eq!(passes.count(), 1, "the JWK's own text is one of the forms");
        // The other forms are raw, DER, PEM with and without its last line end, and a coordinate.
        assert!(tokens.len() >= 5);
    }
}
