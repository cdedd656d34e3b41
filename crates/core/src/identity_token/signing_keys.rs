//! Keys that sign identity tokens, and their public halves for applications.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::unavailable::Unavailable;

/// Reason why a text is not a list of signing keys. Contains nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyFault {
    /// Empty list.
    #[error("the list is empty")]
    Missing,
    /// Key that is neither PEM nor base64 of DER.
    #[error("key {0} is neither PEM nor base64")]
    Encoding(usize),
    /// Key that is not a private key on P-256 (PKCS#8 or SEC 1).
    #[error("key {0} is not a private key on the curve P-256")]
    NotP256(usize),
    /// Key that repeats an earlier one.
    #[error("key {0} is a repetition of an earlier key")]
    Duplicate(usize),
}

/// Key pair on P-256.
struct SigningKeyPair {
    pair: EcdsaKeyPair,
    /// Thumbprint of the public key (RFC 7638).
    kid: String,
    x: String,
    y: String,
}

impl SigningKeyPair {
    fn from_der(der: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
        // Uncompressed point (SEC 1 §2.3.3): 04, then x and y of 32 bytes each.
        let [0x04, point @ ..] = pair.public_key().as_ref() else {
            return None;
        };
        let (x, y) = point.split_at_checked(32)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638 §3.2: the required members only, in alphabetical order, without spaces.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        Some(Self { pair, kid, x, y })
    }

    fn to_jwk(&self) -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y, "kid": self.kid, "use": "sig", "alg": "ES256" })
    }
}

/// Private keys (`IDENTITY_SIGNING_KEY`). The first one signs, and all are published: applications can learn
/// a new key before it signs, and keep an old one until the last token that it signed has expired.
#[derive(Clone)]
pub struct SigningKeys(Arc<[SigningKeyPair]>);

impl SigningKeys {
    /// Reads keys: a sequence of PEM blocks, or base64 of DER separated by commas.
    ///
    /// # Errors
    /// [`SigningKeyFault`] when the list is empty, or contains something other than different
    /// private keys on P-256.
    pub fn parse(text: &str) -> Result<Self, SigningKeyFault> {
        let mut keys: Vec<SigningKeyPair> = Vec::new();
        for (index, body) in key_bodies(text).enumerate() {
            let der = decode_base64(&body?).ok_or(SigningKeyFault::Encoding(index + 1))?;
            let key = SigningKeyPair::from_der(&der).ok_or(SigningKeyFault::NotP256(index + 1))?;
            // A repetition is most likely a rotation that was forgotten half-way.
            if keys.iter().any(|known| known.kid == key.kid) {
                return Err(SigningKeyFault::Duplicate(index + 1));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(SigningKeyFault::Missing);
        }
        Ok(Self(keys.into()))
    }

    /// Generates a key as text on one line: base64url of PKCS#8.
    ///
    /// # Errors
    /// [`Unavailable`] when the operating system has no random bytes.
    pub fn generate() -> Result<SecretString, Unavailable> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|document| SecretString::from(URL_SAFE_NO_PAD.encode(document.as_ref())))
            .map_err(|_| Unavailable::process("a signing key could not be generated"))
    }

    /// Returns the public halves as a JWK Set (RFC 7517 §5).
    pub fn to_jwks(&self) -> Value {
        let keys: Vec<_> = self.0.iter().map(SigningKeyPair::to_jwk).collect();
        json!({ "keys": keys })
    }

    /// Returns the `kid` of the key that signs.
    pub(super) fn kid(&self) -> &str {
        self.0.first().map_or("", |key| &key.kid)
    }

    /// Signs `message` with the first key (ES256, RFC 7518 §3.4).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unavailable> {
        self.0
            .first()
            .and_then(|key| key.pair.sign(&SystemRandom::new(), message).ok())
            .map(|signature| signature.as_ref().to_vec())
            .ok_or_else(|| Unavailable::process("the identity token could not be signed"))
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Thumbprints of public keys: no secret.
        let kids: Vec<_> = self.0.iter().map(|key| &key.kid).collect();
        f.debug_tuple("SigningKeys").field(&kids).finish()
    }
}

/// Returns the base64 of each key, without armor and white space.
fn key_bodies(text: &str) -> Box<dyn Iterator<Item = Result<Zeroizing<String>, SigningKeyFault>> + '_> {
    const BEGIN: &str = "-----BEGIN ";
    if !text.contains(BEGIN) {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Box::new(items.map(|item| Ok(Zeroizing::new(item.to_owned()))));
    }
    // `openssl ecparam -genkey` writes the curve's name into a block of its own. The key contains it too.
    let blocks = text
        .split(BEGIN)
        .skip(1)
        .filter(|block| !block.starts_with("EC PARAMETERS-----"))
        .enumerate();
    Box::new(blocks.map(|(index, block)| {
        let body = ["PRIVATE KEY-----", "EC PRIVATE KEY-----"]
            .into_iter()
            .find_map(|label| block.strip_prefix(label))
            .ok_or(SigningKeyFault::NotP256(index + 1))?;
        let (body, _) = body
            .split_once("-----END ")
            .ok_or(SigningKeyFault::Encoding(index + 1))?;
        Ok(Zeroizing::new(body.split_ascii_whitespace().collect()))
    }))
}

/// Decodes base64 of either alphabet, with or without padding.
fn decode_base64(body: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Strictness would gain nothing here: an operator wrote this text, and tools differ in
    // padding and alphabet.
    let normalized: Zeroizing<String> =
        Zeroizing::new(body.trim_end_matches('=').replace('-', "+").replace('_', "/"));
    STANDARD_NO_PAD
        .decode(normalized.as_bytes())
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// Both from `openssl ecparam -name prime256v1 -genkey`, the second converted by `openssl pkcs8
    /// -topk8 -nocrypt`.
    const SEC1: &str = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIE/3URY4GYj6N2UHl5hOwXOyynDWdeM0udwLe5le/zNNoAoGCCqGSM49\nAwEHoUQDQgAEerTr+VSaPQkXTA6XNvRaw2k/qOcdpyMUgTqynmnNHwybzH2enQmz\nou+pSl7/y6rlYQNRA9GoXV8YXGFNqEuH/g==\n-----END EC PRIVATE KEY-----";
    const PKCS8: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgnKMUvDzfe2M4+115\nowarWIvXs7qx557uc4G1mARmHRahRANCAASvGZ1QHkNVRjCm2wALMYjLgzoW1U5p\nmR9/Ar2huRxESJ0nS4o4xjXeQihH16GWyaHzPC98QYV/iP03Ha1AYbTN\n-----END PRIVATE KEY-----";

    #[test]
    fn keys_are_read_in_every_form_that_tools_write() {
        let (sec1, pkcs8) = (
            SigningKeys::parse(SEC1).unwrap(),
            SigningKeys::parse(PKCS8).unwrap(),
        );
        assert_eq!(sec1.kid(), "vkj2Qq9GbiZJDd2iinydCFnYXE0qyIOHJJc6qWKtYq8");
        assert_eq!(pkcs8.kid(), "zRuyHUptVhEnPa9RPzpIghpY6GFE6kDFq6YS0eyKJQk");
        let line: String = PKCS8.lines().filter(|line| !line.starts_with('-')).collect();
        assert_eq!(SigningKeys::parse(&line).unwrap().kid(), pkcs8.kid());
        let both = SigningKeys::parse(&format!("{PKCS8}\n{SEC1}")).unwrap();
        assert_eq!(both.kid(), pkcs8.kid());
        assert_eq!(both.to_jwks()["keys"].as_array().unwrap().len(), 2);
        let generated = SigningKeys::generate().unwrap();
        let listed = format!("{},{line}", generated.expose_secret());
        assert_eq!(
            SigningKeys::parse(&listed).unwrap().to_jwks()["keys"][1]["kid"],
            pkcs8.kid()
        );
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let line: String = PKCS8.lines().filter(|line| !line.starts_with('-')).collect();
        for (text, fault) in [
            ("", SigningKeyFault::Missing),
            (" , ", SigningKeyFault::Missing),
            ("canary!", SigningKeyFault::Encoding(1)),
            ("Y2FuYXJ5", SigningKeyFault::NotP256(1)),
            (&format!("{line},{line}"), SigningKeyFault::Duplicate(2)),
            (
                "-----BEGIN PUBLIC KEY-----\nY2FuYXJ5\n-----END PUBLIC KEY-----",
                SigningKeyFault::NotP256(1),
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5",
                SigningKeyFault::Encoding(1),
            ),
        ] {
            assert_eq!(SigningKeys::parse(text).unwrap_err(), fault, "{text}");
        }
        let keys = SigningKeys::parse(&line).unwrap();
        assert!(!format!("{keys:?}{}", keys.to_jwks()).contains("\"d\""));
        assert!(!format!("{keys:?}").contains(line.get(20..40).unwrap()));
    }
}
