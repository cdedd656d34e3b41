//! Key sets: every document is read or refused, and no published byte ever serves as a secret.

use maxlab_auth_jose::{Algorithm, CompactJws, KeySet, parse_object};
use serde_json::{Map, Value, json};

use crate::hmac::{token, unb64};

const HMACS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// Body of the target.
pub fn run(data: &[u8]) {
    as_secret(data);
    let Ok(keys) = KeySet::from_jwks(data) else { return };
    let document = parse_object(data).expect("a key set is strict JSON");
    let entries = document["keys"].as_array().expect("a key set has a list");
    assert!(keys.len() + keys.skipped().len() <= entries.len());
    assert!(keys.exposed_private_keys() <= entries.len());
    twice(&keys, entries);
    forged(&keys, data, None);
    for entry in entries.iter().filter_map(Value::as_object).take(4) {
        let kid = entry.get("kid").and_then(Value::as_str);
        for secret in secrets(entry) {
            forged(&keys, &secret, kid);
            forged(&keys, &secret, None);
        }
    }
}

/// Checks that publishing every key twice changes nothing.
fn twice(keys: &KeySet, entries: &[Value]) {
    let both = [entries, entries].concat();
    let document = json!({"keys": both}).to_string();
    // Twice 64 is the largest set that is accepted.
    if entries.len() <= 64 {
        let again = KeySet::from_jwks(document.as_bytes()).expect("the same keys were accepted before");
        assert_eq!(again.len(), keys.len(), "{document}");
    }
}

/// Returns what a forger would use as a secret: every text of a key, as it is and decoded.
fn secrets(entry: &Map<String, Value>) -> Vec<Vec<u8>> {
    let texts = entry.values().filter_map(Value::as_str).take(8);
    texts
        .flat_map(|text| [Some(text.as_bytes().to_vec()), unb64(text)])
        .flatten()
        .collect()
}

/// Checks that a token with a MAC under public bytes is never accepted (RFC 8725 §2.1), for any
/// algorithm in its header.
fn forged(keys: &KeySet, secret: &[u8], kid: Option<&str>) {
    for algorithm in HMACS
        .into_iter()
        .chain([Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA])
    {
        let header = match kid {
            Some(kid) => json!({"alg": algorithm.name(), "kid": kid}),
            None => json!({"alg": algorithm.name()}),
        };
        let token = token(
            secret,
            algorithm,
            header.to_string().as_bytes(),
            b"{\"sub\":\"a\"}",
        );
        let jws = CompactJws::parse(&token).expect("the token was made here");
        for allowed in [&Algorithm::ALL[..], &HMACS, &[algorithm]] {
            assert!(
                jws.verify(keys, allowed).is_err(),
                "{algorithm} with a public secret is accepted"
            );
        }
    }
}

/// Checks that a secret serves one HMAC only, and only if it is long enough.
fn as_secret(secret: &[u8]) {
    for algorithm in Algorithm::ALL {
        let needed = match algorithm {
            Algorithm::HS256 => 32,
            Algorithm::HS384 => 48,
            Algorithm::HS512 => 64,
            _ => usize::MAX,
        };
        let Ok(keys) = KeySet::from_secret(secret, algorithm) else {
            assert!(secret.len() < needed);
            continue;
        };
        assert!(algorithm.is_symmetric() && secret.len() >= needed);
        for named in [
            Algorithm::HS256,
            Algorithm::HS384,
            Algorithm::HS512,
            Algorithm::ES256,
        ] {
            let header = json!({"alg": named.name()}).to_string();
            let token = token(secret, named, header.as_bytes(), b"{}");
            let jws = CompactJws::parse(&token).expect("the token was made here");
            assert_eq!(jws.verify(&keys, &Algorithm::ALL).is_ok(), named == algorithm);
        }
    }
}
