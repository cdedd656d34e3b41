//! Tokens signed with a shared secret, for an issuer or a forger.

use aws_lc_rs::hmac::{HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maxlab_auth_jose::Algorithm;

/// Encodes bytes as base64url without padding.
pub(crate) fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes a segment. Returns `None` if it is not strict base64url.
pub(crate) fn unb64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Computes the MAC over `message`. Any algorithm other than an HMAC counts as HS256, which a
/// forger would try.
pub(crate) fn mac(secret: &[u8], algorithm: Algorithm, message: &str) -> Vec<u8> {
    let hash = match algorithm {
        Algorithm::HS384 => HMAC_SHA384,
        Algorithm::HS512 => HMAC_SHA512,
        _ => HMAC_SHA256,
    };
    sign(&Key::new(hash, secret), message.as_bytes())
        .as_ref()
        .to_vec()
}

/// Builds a token of these bytes, with a MAC under `secret` as its signature.
pub(crate) fn token(secret: &[u8], algorithm: Algorithm, header: &[u8], payload: &[u8]) -> String {
    let signing_input = format!("{}.{}", b64(header), b64(payload));
    let mac = mac(secret, algorithm, &signing_input);
    format!("{signing_input}.{}", b64(&mac))
}
