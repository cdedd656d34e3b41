//! Vectors of the Fernet specification: every case of its three files.
//!
//! The vectors are not in the repository. The tests look in `MAXLAB_VECTORS`, or in `../shared/vectors` next
//! to the checkout.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may panic, and prints why it is skipped"
)]

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use maxlab_auth_core::seal::{SealFault, SealedValue, SealingKeys};
use serde_json::Value;

#[test]
fn generate() {
    let Some(vectors) = vectors("generate.json") else {
        return;
    };
    for vector in &vectors {
        let (keys, now) = (keys(vector), now(vector));
        let expected = sealed(vector);
        assert_eq!(
            keys.open(&expected, Duration::ZERO, now).unwrap().as_slice(),
            source(vector)
        );
        // The IV is random here. Everything that does not depend on it must be equal: version,
        // time and length.
        let token = keys.seal(source(vector), now);
        assert_eq!(token.as_str()[..12], expected.as_str()[..12]);
        assert_eq!(token.as_str().len(), expected.as_str().len());
    }
    assert_eq!(vectors.len(), 1);
}

#[test]
fn verify() {
    let Some(vectors) = vectors("verify.json") else {
        return;
    };
    for vector in &vectors {
        let opened = keys(vector)
            .open(&sealed(vector), age(vector), now(vector))
            .unwrap();
        assert_eq!(opened.as_slice(), source(vector));
    }
    assert_eq!(vectors.len(), 1);
}

#[test]
fn invalid() {
    let Some(vectors) = vectors("invalid.json") else {
        return;
    };
    for vector in &vectors {
        let description = vector["desc"].as_str().unwrap();
        let fault = keys(vector)
            .open(&sealed(vector), age(vector), now(vector))
            .unwrap_err();
        let expected = match description {
            "far-future TS (unacceptable clock skew)" => SealFault::SealedInFuture,
            "expired TTL" => SealFault::Stale,
            _ => SealFault::NotAuthentic,
        };
        assert_eq!(fault, expected, "{description}");
    }
    assert_eq!(vectors.len(), 8);
}

fn keys(vector: &Value) -> SealingKeys {
    SealingKeys::parse(vector["secret"].as_str().unwrap()).unwrap()
}

fn sealed(vector: &Value) -> SealedValue {
    SealedValue::from_stored(vector["token"].as_str().unwrap().to_owned())
}

fn source(vector: &Value) -> &[u8] {
    vector["src"].as_str().unwrap().as_bytes()
}

fn age(vector: &Value) -> Duration {
    Duration::from_secs(vector["ttl_sec"].as_u64().unwrap())
}

fn now(vector: &Value) -> Timestamp {
    vector["now"].as_str().unwrap().parse().unwrap()
}

fn vectors(file: &str) -> Option<Vec<Value>> {
    let default_folder = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let path = std::env::var_os("MAXLAB_VECTORS")
        .map_or_else(default_folder, PathBuf::from)
        .join("fernet")
        .join(file);
    // The vectors are not in the repository (CONTRIBUTING.md), so a missing file skips the test.
    let Ok(text) = std::fs::read(&path) else {
        eprintln!("skipped: no vectors");
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap_or_else(|fault| panic!("{file}: {fault}")))
}
