//! Signing key, its public form, and its signatures (RFC 7518, RFC 8037).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{encoding, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Signature algorithm of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits.
    Rs256,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
}

impl ForgeAlgorithm {
    /// Returns the `alg` of RFC 7518 and RFC 8037.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}

/// Signing key with its key id.
#[derive(Debug)]
pub(super) struct ForgeKey {
    kid: String,
    material: KeyMaterial,
}

enum KeyMaterial {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Hs256(String),
}

// By hand: a derived one would print the secret.
impl std::fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyMaterial(…)")
    }
}

impl ForgeKey {
    pub(super) fn generate(algorithm: ForgeAlgorithm) -> Self {
        let made = "aws-lc-rs generates a key";
        let material = match algorithm {
            ForgeAlgorithm::Es256 => {
                KeyMaterial::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect(made))
            }
            ForgeAlgorithm::Rs256 => KeyMaterial::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect(made)),
            ForgeAlgorithm::EdDsa => KeyMaterial::EdDsa(Ed25519KeyPair::generate().expect(made)),
            // Two of them are 64 characters: more than the 32 bytes that the gateway requires of a secret.
            ForgeAlgorithm::Hs256 => KeyMaterial::Hs256(format!("{}{}", random_name(), random_name())),
        };
        Self {
            kid: random_name(),
            material,
        }
    }

    pub(super) fn from_secret(secret: &str) -> Self {
        Self {
            kid: random_name(),
            material: KeyMaterial::Hs256(secret.to_owned()),
        }
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn algorithm(&self) -> ForgeAlgorithm {
        match self.material {
            KeyMaterial::Es256(_) => ForgeAlgorithm::Es256,
            KeyMaterial::Rs256(_) => ForgeAlgorithm::Rs256,
            KeyMaterial::EdDsa(_) => ForgeAlgorithm::EdDsa,
            KeyMaterial::Hs256(_) => ForgeAlgorithm::Hs256,
        }
    }

    pub(super) fn secret(&self) -> Option<&str> {
        match &self.material {
            KeyMaterial::Hs256(secret) => Some(secret),
            _ => None,
        }
    }

    /// Returns the public key as a JWK (RFC 7517); `None` for a symmetric key.
    pub(super) fn jwk(&self) -> Option<Value> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.material {
            KeyMaterial::Es256(pair) => {
                // An uncompressed point (SEC 1 §2.3.3): the byte 04, then x and y with 32 bytes each.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
            KeyMaterial::Rs256(pair) => {
                let (modulus, exponent) = rsa_numbers(pair.public_key().as_ref());
                json!({ "kty": "RSA", "n": text(modulus), "e": text(exponent) })
            }
            KeyMaterial::EdDsa(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
            KeyMaterial::Hs256(_) => return None,
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm().name());
        jwk["use"] = json!("sig");
        Some(jwk)
    }

    /// Returns the public key in the byte forms that a confused verifier might take for an HMAC secret.
    pub(super) fn public_forms(&self) -> Vec<Vec<u8>> {
        use encoding::AsDer as _;
        let spki = |der: Result<encoding::PublicKeyX509Der<'_>, _>| {
            der.map(|der| der.as_ref().to_vec()).expect("DER")
        };
        let (raw, der) = match &self.material {
            KeyMaterial::Es256(pair) => (
                pair.public_key().as_ref().to_vec(),
                spki(pair.public_key().as_der()),
            ),
            KeyMaterial::Rs256(pair) => (
                pair.public_key().as_ref().to_vec(),
                spki(pair.public_key().as_der()),
            ),
            KeyMaterial::EdDsa(pair) => (
                pair.public_key().as_ref().to_vec(),
                spki(pair.public_key().as_der()),
            ),
            KeyMaterial::Hs256(_) => return Vec::new(),
        };
        let jwk = self.jwk().expect("an asymmetric key has a JWK");
        let text = STANDARD.encode(&der);
        // PEM (RFC 7468 §2) breaks its base64 after 64 characters.
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        );
        let coordinate = jwk["x"]
            .as_str()
            .or(jwk["n"].as_str())
            .expect("a JWK has a coordinate or a modulus")
            .as_bytes()
            .to_vec();
        // Settings are often trimmed, so a verifier may have the key without the last line end.
        let pem_without_end = pem.trim_end().as_bytes().to_vec();
        vec![
            raw,
            der,
            pem.into_bytes(),
            pem_without_end,
            jwk.to_string().into_bytes(),
            coordinate,
        ]
    }

    /// Returns the compact JWS (RFC 7515 §7.1) of these two encoded parts.
    pub(super) fn sign_compact(&self, header: &str, payload: &str) -> String {
        let signing_input = format!("{header}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(self.signature(signing_input.as_bytes()));
        format!("{signing_input}.{signature}")
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.material {
            KeyMaterial::Es256(pair) => pair
                .sign(&random, message)
                .expect("ES256 signs")
                .as_ref()
                .to_vec(),
            KeyMaterial::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("RS256 signs");
                signature
            }
            KeyMaterial::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            KeyMaterial::Hs256(secret) => hmac_sha256(secret.as_bytes(), message),
        }
    }
}

pub(super) fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message)
        .as_ref()
        .to_vec()
}

fn random_name() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Returns modulus and exponent of a DER `RSAPublicKey` (RFC 8017 A.1.1), without leading zeros.
fn rsa_numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = der_value(der);
    let (modulus, rest) = der_value(sequence);
    let (exponent, _) = der_value(rest);
    (without_zero(modulus), without_zero(exponent))
}

fn without_zero(number: &[u8]) -> &[u8] {
    // DER puts a zero before a number with its highest bit set. A JWK must not have it (RFC 7518 §6.3.1.1).
    number.strip_prefix(&[0]).unwrap_or(number)
}

/// Returns the content of the first DER value, and the bytes after it.
fn der_value(der: &[u8]) -> (&[u8], &[u8]) {
    // Below 128 the byte is the length itself. Above, it is the number of length bytes that follow (X.690
    // §8.1.3).
    let short = usize::from(der[1]);
    let (start, length) = if short < 128 {
        (2, short)
    } else {
        let bytes = short - 128;
        (
            2 + bytes,
            der[2..2 + bytes]
                .iter()
                .fold(0, |length, byte| (length << 8) | usize::from(*byte)),
        )
    };
    (&der[start..start + length], &der[start + length..])
}
