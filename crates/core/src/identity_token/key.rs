//! The keys that sign identity tokens, and the public halves that applications fetch.

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

/// Why a text is no list of signing keys. It tells nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyFault {
    /// There is none.
    #[error("it holds no key")]
    None,
    /// A key is neither PEM nor base64 of DER.
    #[error("key {0} is neither PEM nor base64")]
    Encoding(usize),
    /// A key is something else than a private key on P-256 (PKCS#8 or SEC 1).
    #[error("key {0} is no private key on the curve P-256")]
    Kind(usize),
    /// Two keys are the same.
    #[error("key {0} is there twice")]
    Twice(usize),
}

/// One key pair.
struct SigningKey {
    pair: EcdsaKeyPair,
    /// The thumbprint of the public key (RFC 7638).
    kid: String,
    x: String,
    y: String,
}

impl SigningKey {
    fn read(der: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
        let [0x04, point @ ..] = pair.public_key().as_ref() else {
            return None;
        };
        let (x, y) = point.split_at_checked(32)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        Some(Self { pair, kid, x, y })
    }

    fn public(&self) -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y, "kid": self.kid, "use": "sig", "alg": "ES256" })
    }
}

/// Private keys: the first signs, and all of them are published, so that a new one can be known before it signs and an old
/// one as long as what it signed is good.
#[derive(Clone)]
pub struct SigningKeys(Arc<[SigningKey]>);

impl SigningKeys {
    /// Reads keys: PEM blocks one after another, or base64 of DER with commas between.
    ///
    /// # Errors
    /// One of them is no private key on P-256, or there is none.
    pub fn parse(text: &str) -> Result<Self, SigningKeyFault> {
        let mut keys: Vec<SigningKey> = Vec::new();
        for (at, body) in bodies(text).enumerate() {
            let der = decoded(&body?).ok_or(SigningKeyFault::Encoding(at + 1))?;
            let key = SigningKey::read(&der).ok_or(SigningKeyFault::Kind(at + 1))?;
            if keys.iter().any(|known| known.kid == key.kid) {
                return Err(SigningKeyFault::Twice(at + 1));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(SigningKeyFault::None);
        }
        Ok(Self(keys.into()))
    }

    /// A new key as text on one line: base64url of PKCS#8.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn generate() -> Result<SecretString, Unavailable> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|document| SecretString::from(URL_SAFE_NO_PAD.encode(document.as_ref())))
            .map_err(|_| Unavailable::store("no signing key could be made"))
    }

    /// The public halves as a JWK Set (RFC 7517 §5).
    pub fn published(&self) -> Value {
        let keys: Vec<_> = self.0.iter().map(SigningKey::public).collect();
        json!({ "keys": keys })
    }

    /// The key that signs, by its `kid`.
    pub(super) fn kid(&self) -> &str {
        self.0.first().map_or("", |key| &key.kid)
    }

    /// The ES256 signature over `message` (RFC 7518 §3.4), by the first key.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unavailable> {
        self.0
            .first()
            .and_then(|key| key.pair.sign(&SystemRandom::new(), message).ok())
            .map(|signature| signature.as_ref().to_vec())
            .ok_or_else(|| Unavailable::store("the identity could not be signed"))
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.0.iter().map(|key| &key.kid).collect();
        f.debug_tuple("SigningKeys").field(&kids).finish()
    }
}

/// The base64 of each key, without what stands around it.
fn bodies(text: &str) -> Box<dyn Iterator<Item = Result<Zeroizing<String>, SigningKeyFault>> + '_> {
    const BEGIN: &str = "-----BEGIN ";
    if !text.contains(BEGIN) {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Box::new(items.map(|item| Ok(Zeroizing::new(item.to_owned()))));
    }
    // `openssl ecparam -genkey` writes the curve's name into a block of its own, which says nothing new.
    let blocks = text
        .split(BEGIN)
        .skip(1)
        .filter(|block| !block.starts_with("EC PARAMETERS-----"))
        .enumerate();
    Box::new(blocks.map(|(at, block)| {
        let body = ["PRIVATE KEY-----", "EC PRIVATE KEY-----"]
            .into_iter()
            .find_map(|label| block.strip_prefix(label))
            .ok_or(SigningKeyFault::Kind(at + 1))?;
        let (body, _) = body
            .split_once("-----END ")
            .ok_or(SigningKeyFault::Encoding(at + 1))?;
        Ok(Zeroizing::new(body.split_ascii_whitespace().collect()))
    }))
}

/// Base64 of either alphabet, with or without padding.
fn decoded(body: &str) -> Option<Zeroizing<Vec<u8>>> {
    let plain: Zeroizing<String> =
        Zeroizing::new(body.trim_end_matches('=').replace('-', "+").replace('_', "/"));
    STANDARD_NO_PAD.decode(plain.as_bytes()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// Both made by `openssl ecparam -name prime256v1 -genkey`, the second passed through `openssl pkcs8 -topk8 -nocrypt`.
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
        assert_eq!(both.published()["keys"].as_array().unwrap().len(), 2);
        let made = SigningKeys::generate().unwrap();
        let listed = format!("{},{line}", made.expose_secret());
        assert_eq!(
            SigningKeys::parse(&listed).unwrap().published()["keys"][1]["kid"],
            pkcs8.kid()
        );
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let line: String = PKCS8.lines().filter(|line| !line.starts_with('-')).collect();
        for (text, fault) in [
            ("", SigningKeyFault::None),
            (" , ", SigningKeyFault::None),
            ("canary!", SigningKeyFault::Encoding(1)),
            ("Y2FuYXJ5", SigningKeyFault::Kind(1)),
            (&format!("{line},{line}"), SigningKeyFault::Twice(2)),
            (
                "-----BEGIN PUBLIC KEY-----\nY2FuYXJ5\n-----END PUBLIC KEY-----",
                SigningKeyFault::Kind(1),
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5",
                SigningKeyFault::Encoding(1),
            ),
        ] {
            assert_eq!(SigningKeys::parse(text).unwrap_err(), fault, "{text}");
        }
        let keys = SigningKeys::parse(&line).unwrap();
        assert!(!format!("{keys:?}{}", keys.published()).contains("\"d\""));
        assert!(!format!("{keys:?}").contains(line.get(20..40).unwrap()));
    }
}
