//! Forged and altered tokens, each by one known attack. A verifier must refuse them, or recognize two as one
//! token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::key::{ForgeAlgorithm, ForgeKey, hmac_sha256};
use super::{TokenForge, encode_part};

/// Order of P-256's base point (SEC 2, secp256r1).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Alphabet of base64url (RFC 4648 §5).
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Forgeries made from claims. Unless its documentation says otherwise, the issuer did not sign one, and a
/// verifier that accepts it is broken.
impl TokenForge {
    /// Returns tokens without a signature: `alg` is none in several spellings or absent, or a real one.
    pub fn unsigned(&self, claims: &Value) -> Vec<String> {
        let key = self.current_key();
        let mut headers: Vec<Value> = ["none", "None", "NONE", "nOnE", ""]
            .map(|alg| json!({ "alg": alg, "typ": "at+jwt" }))
            .into();
        headers.push(json!({ "typ": "at+jwt" }));
        headers.push(json!({ "alg": null, "kid": key.kid() }));
        // A verifier may skip the check of an empty signature although the algorithm is a real one.
        headers.push(json!({ "alg": key.algorithm().name(), "kid": key.kid() }));
        let mut tokens: Vec<String> = headers
            .iter()
            .map(|header| format!("{}.{}.", encode_part(header), encode_part(claims)))
            .collect();
        // Only two parts, without the last dot.
        tokens.push(format!("{}.{}", encode_part(&headers[0]), encode_part(claims)));
        tokens
    }

    /// Returns tokens of an algorithm confusion: HS256 under the public key, in every byte form of it (RFC
    /// 8725 §2.1).
    pub fn hs256_with_public_key(&self, claims: &Value) -> Vec<String> {
        let key = self.current_key();
        let header = json!({ "alg": "HS256", "kid": key.kid(), "typ": "at+jwt" });
        let signing_input = format!("{}.{}", encode_part(&header), encode_part(claims));
        let forms = key.public_forms().into_iter();
        forms
            .map(|secret| URL_SAFE_NO_PAD.encode(hmac_sha256(&secret, signing_input.as_bytes())))
            .map(|signature| format!("{signing_input}.{signature}"))
            .collect()
    }

    /// Returns a token with a valid signature and an unknown critical extension (RFC 7515 §4.1.11).
    pub fn with_crit(&self, claims: &Value) -> String {
        let key = self.current_key();
        let header = json!({
            "alg": key.algorithm().name(), "kid": key.kid(), "typ": "at+jwt",
            "crit": ["http://example.com/unknown"], "http://example.com/unknown": true,
        });
        self.sign_with_header(&header, claims)
    }

    /// Returns a token signed by an attacker's key that its header contains (`jwk`). The `kid` is the
    /// issuer's.
    pub fn with_embedded_jwk(&self, claims: &Value) -> String {
        let attacker = ForgeKey::generate(ForgeAlgorithm::Es256);
        let header = json!({ "alg": "ES256", "kid": self.kid(), "typ": "at+jwt", "jwk": attacker.jwk() });
        attacker.sign_compact(&encode_part(&header), &encode_part(claims))
    }

    /// Returns a token signed by an attacker's key, with the URL of that key in the header (`parameter` is
    /// `jku` or `x5u`), and the key set to serve at that URL.
    pub fn with_key_url(&self, parameter: &str, url: &str, claims: &Value) -> (String, Value) {
        let attacker = ForgeKey::generate(ForgeAlgorithm::Es256);
        let header = json!({ "alg": "ES256", "kid": attacker.kid(), "typ": "at+jwt", parameter: url });
        (
            attacker.sign_compact(&encode_part(&header), &encode_part(claims)),
            json!({ "keys": [attacker.jwk()] }),
        )
    }
}

/// Alterations of a token with a valid signature.
impl TokenForge {
    /// Flips one bit of the signature.
    pub fn wrong_signature(token: &str) -> String {
        // A bit in the middle: the last character's unused bits would change the text and not the signature.
        with_signature(token, |signature| signature[10] ^= 1)
    }

    /// Returns a token with the same header and payload (so with the same `jti`), signed by an attacker's key
    /// of the same algorithm.
    pub fn forged_twin(&self, token: &str) -> String {
        let (signing_input, _) = token.rsplit_once('.').expect("a JWS");
        let (header, payload) = signing_input.split_once('.').expect("a JWS");
        ForgeKey::generate(self.current_key().algorithm()).sign_compact(header, payload)
    }

    /// Returns the token with its other valid ES256 signature, (r, n − s): the bytes differ and still verify.
    pub fn malleate_es256(token: &str) -> String {
        with_signature(token, |signature| {
            // RFC 7518 §3.4: r and s, 32 bytes each.
            let negated = subtract(&P256_ORDER, &signature[32..]);
            signature[32..].copy_from_slice(&negated);
        })
    }

    /// Returns the token with a non-canonical spelling of its signature: a bit is set that base64url leaves
    /// unused.
    ///
    /// # Panics
    /// If the signature's length is a multiple of three, which leaves no unused bit.
    pub fn trailing_bits_variant(token: &str) -> String {
        let (rest, last) = token.split_at(token.len() - 1);
        let (_, signature) = token.rsplit_once('.').expect("a JWS");
        assert!(
            signature.len() % 4 != 0,
            "this signature's base64url has no unused bits"
        );
        let value = BASE64URL
            .iter()
            .position(|letter| last.as_bytes() == [*letter])
            .expect("base64url");
        // The lowest bit of the last character is unused both with one and with two bytes left over.
        format!("{rest}{}", char::from(BASE64URL[value ^ 1]))
    }

    /// Returns the token with `=` padding at its end, which RFC 7515 §2 forbids.
    pub fn padding_variant(token: &str) -> String {
        let (_, signature) = token.rsplit_once('.').expect("a JWS");
        format!("{token}{}", "=".repeat((4 - signature.len() % 4) % 4))
    }
}

fn with_signature(token: &str, alter: impl FnOnce(&mut [u8])) -> String {
    let (signing_input, signature) = token.rsplit_once('.').expect("a JWS");
    let mut signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    alter(&mut signature);
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Returns `minuend - subtrahend`, big-endian. The subtrahend must be smaller.
fn subtract(minuend: &[u8; 32], subtrahend: &[u8]) -> [u8; 32] {
    let mut difference = [0; 32];
    let mut borrow = false;
    for index in (0..32).rev() {
        let (once, first) = minuend[index].overflowing_sub(subtrahend[index]);
        let (twice, second) = once.overflowing_sub(u8::from(borrow));
        difference[index] = twice;
        borrow = first || second;
    }
    difference
}
