//! One signing key, its public form, and its signatures (RFC 7518, RFC 8037).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{encoding, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits.
    Rs256,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
}

impl Algorithm {
    /// The `alg` of RFC 7518 and RFC 8037.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}

#[derive(Debug)]
pub(super) struct SigningKey {
    kid: String,
    material: Material,
}

enum Material {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Hs256(String),
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Material(…)")
    }
}

impl SigningKey {
    pub(super) fn generate(algorithm: Algorithm) -> Self {
        let made = "aws-lc-rs makes a key";
        let material = match algorithm {
            Algorithm::Es256 => {
                Material::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect(made))
            }
            Algorithm::Rs256 => Material::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect(made)),
            Algorithm::EdDsa => Material::EdDsa(Ed25519KeyPair::generate().expect(made)),
            Algorithm::Hs256 => Material::Hs256(format!("{}{}", random_name(), random_name())),
        };
        Self {
            kid: random_name(),
            material,
        }
    }

    pub(super) fn from_secret(secret: &str) -> Self {
        Self {
            kid: random_name(),
            material: Material::Hs256(secret.to_owned()),
        }
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Es256(_) => Algorithm::Es256,
            Material::Rs256(_) => Algorithm::Rs256,
            Material::EdDsa(_) => Algorithm::EdDsa,
            Material::Hs256(_) => Algorithm::Hs256,
        }
    }

    pub(super) fn secret(&self) -> Option<&str> {
        match &self.material {
            Material::Hs256(secret) => Some(secret),
            _ => None,
        }
    }

    /// The public key as a JWK; a symmetric key has none.
    pub(super) fn jwk(&self) -> Option<Value> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.material {
            Material::Es256(pair) => {
                // An uncompressed point: 04, x, y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
            Material::Rs256(pair) => {
                let (modulus, exponent) = rsa_numbers(pair.public_key().as_ref());
                json!({ "kty": "RSA", "n": text(modulus), "e": text(exponent) })
            }
            Material::EdDsa(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
            Material::Hs256(_) => return None,
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm().name());
        jwk["use"] = json!("sig");
        Some(jwk)
    }

    /// The public key in the byte forms that a confused verifier might take for an HMAC secret.
    pub(super) fn public_forms(&self) -> Vec<Vec<u8>> {
        use encoding::AsDer as _;
        let spki = |der: Result<encoding::PublicKeyX509Der<'_>, _>| {
            der.map(|der| der.as_ref().to_vec()).expect("DER")
        };
        let (raw, der) = match &self.material {
            Material::Es256(pair) => (
                pair.public_key().as_ref().to_vec(),
                spki(pair.public_key().as_der()),
            ),
            Material::Rs256(pair) => (
                pair.public_key().as_ref().to_vec(),
                spki(pair.public_key().as_der()),
            ),
            Material::EdDsa(pair) => (
                pair.public_key().as_ref().to_vec(),
                spki(pair.public_key().as_der()),
            ),
            Material::Hs256(_) => return Vec::new(),
        };
        let jwk = self.jwk().expect("an asymmetric key has a JWK");
        let text = STANDARD.encode(&der);
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
            .expect("a JWK has numbers")
            .as_bytes()
            .to_vec();
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

    /// The compact JWS of these two parts.
    pub(super) fn seal(&self, header: &str, payload: &str) -> String {
        let signing_input = format!("{header}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(self.signature(signing_input.as_bytes()));
        format!("{signing_input}.{signature}")
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.material {
            Material::Es256(pair) => pair
                .sign(&random, message)
                .expect("ES256 signs")
                .as_ref()
                .to_vec(),
            Material::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("RS256 signs");
                signature
            }
            Material::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Material::Hs256(secret) => hmac_sha256(secret.as_bytes(), message),
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

/// Modulus and exponent of a DER `RSAPublicKey` (RFC 8017 A.1.1), without leading zeros.
fn rsa_numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = der_value(der);
    let (modulus, rest) = der_value(sequence);
    let (exponent, _) = der_value(rest);
    (without_zero(modulus), without_zero(exponent))
}

fn without_zero(number: &[u8]) -> &[u8] {
    number.strip_prefix(&[0]).unwrap_or(number)
}

/// The content of the first DER value, and what follows it.
fn der_value(der: &[u8]) -> (&[u8], &[u8]) {
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
