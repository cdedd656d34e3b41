//! Honest issuer with one ES256 key, `k1`.

use std::sync::LazyLock;

use maxlab_auth_jose::{Algorithm, KeySet, MalformedToken, TokenShape, shape_of};
use serde_json::{Value, json};

use super::jose_support::{SigningKey, with};

pub(crate) static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::for_algorithm(Algorithm::ES256));
pub(crate) static KEYS: LazyLock<KeySet> = LazyLock::new(|| KEY.key_set(Algorithm::ES256, "k1"));

pub(crate) fn header(more: Value) -> Value {
    with(json!({"alg": "ES256", "kid": "k1"}), more)
}

pub(crate) fn token(more: Value) -> String {
    KEY.token(
        Algorithm::ES256,
        &header(more),
        &json!({"sub": "u1", "jti": "t1", "iss": "https://as", "exp": 1_900_000_000}),
    )
}

pub(crate) fn fault_of(token: &str) -> MalformedToken {
    match shape_of(token) {
        TokenShape::Malformed(fault) => fault,
        other => panic!("{token} is not malformed but {other:?}"),
    }
}
