//! Shape of a presented token: a JWS, an opaque token, or a malformed JWS.
//!
//! A token that a lenient parser could take for a JWS, but that is not exactly one, is malformed and never
//! opaque. Otherwise a revoked token would come back in another spelling, with another identity
//! (`docs/decisions/0002-the-name-of-a-token.md`).

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::fault::MalformedToken;
use super::jws::{CompactJws, split_segments};

/// Shape of a presented token. Proves nothing about it.
#[derive(Debug)]
pub enum TokenShape<'a> {
    /// Well-formed JWT in JWS compact form, not verified yet.
    Jws(CompactJws<'a>),
    /// Text without a meaning for us, such as a random access token or a JWE. Only its issuer can judge it.
    Opaque,
    /// Almost a JWS, and refused. No layer may be asked about it.
    Malformed(MalformedToken),
}

/// Distinguishes a JWS, an opaque token and a malformed JWS.
///
/// A text of three segments is meant as a JWS if the first one, read as leniently as any decoder in use, is a
/// JSON object with `alg`. It must then be well-formed in every bit. Everything else is opaque, also a JWE
/// with its five segments.
#[must_use]
pub fn shape_of(token: &str) -> TokenShape<'_> {
    // The strict parser comes first, because its success makes the lenient one unnecessary: this
    // is the hot path.
    let fault = match CompactJws::parse(token) {
        Ok(jws) => return TokenShape::Jws(jws),
        Err(fault) => fault,
    };
    match split_segments(token) {
        Some([header, _, _]) if could_be_header(&decode_lenient(header)) => TokenShape::Malformed(fault),
        _ => TokenShape::Opaque,
    }
}

/// Decodes like the most lenient decoders: either alphabet, without other characters and padding,
/// unused bits ignored.
fn decode_lenient(segment: &str) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let mut symbols: Vec<u8> = segment
        .bytes()
        .filter_map(|byte| match byte {
            b'+' => Some(b'-'),
            b'/' => Some(b'_'),
            b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => Some(byte),
            _ => None,
        })
        .collect();
    // One symbol alone is six bits, less than a byte. Lenient decoders drop it.
    if symbols.len() % 4 == 1 {
        symbols.pop();
    }
    LENIENT.decode(symbols).unwrap_or_default()
}

/// Returns `true` if a lenient parser could take the bytes for a JOSE header: an object with `alg`, or broken
/// text that begins like one.
fn could_be_header(bytes: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => value.get("alg").is_some(),
        // Comments, single quotes, bytes after the object: some parsers accept these, so the text
        // counts as a header.
        Err(_) => {
            bytes.trim_ascii_start().starts_with(b"{") && bytes.windows(3).any(|window| window == b"alg")
        }
    }
}
