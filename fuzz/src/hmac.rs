//! Tokens signed with a shared secret, as an issuer or a forger makes them.

use aws_lc_rs::hmac::{HMAC_SHA256, HMAC_SHA384, HMAC_SHA512, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maxlab_auth_core::token::Algorithm;

/// Base64url without padding.
pub(crate) fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a segment; `None` where it is not base64url to the letter.
pub(crate) fn unb64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The MAC over `message`; any algorithm that is no HMAC counts as HS256, which is what a forger would try.
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

/// A token of these bytes with the MAC of `secret` at its end.
pub(crate) fn token(secret: &[u8], algorithm: Algorithm, header: &[u8], payload: &[u8]) -> String {
    let signing_input = format!("{}.{}", b64(header), b64(payload));
    let mac = mac(secret, algorithm, &signing_input);
    format!("{signing_input}.{}", b64(&mac))
}
