//! Members of a JWK (RFC 7517 §4, RFC 7518 §6). What servers send besides the specified form is read if it
//! cannot mean another key.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::skip_reason::SkipReason;

/// base64url with or without its padding (RFC 7518 §2 leaves the padding out).
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a member that is a text. `null` counts as absent.
pub(super) fn text_member<'j>(
    jwk: &'j Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'j str>, SkipReason> {
    match jwk.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(SkipReason::Member(name)),
    }
}

/// Reads bytes in base64url, also with padding, line ends or the characters of standard base64.
pub(super) fn base64_member(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, SkipReason> {
    let encoded = text_member(jwk, name)?.ok_or(SkipReason::Member(name))?;
    // A key has no second identity that depends on its spelling, unlike a token.
    let base64url: String = encoded
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    BASE64URL.decode(base64url).map_err(|_| SkipReason::Member(name))
}

/// Reads a Base64urlUInt (RFC 7518 §2). Leading zeros, which some servers send, do not change the number
/// and are dropped.
pub(super) fn uint_member(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, SkipReason> {
    let bytes = base64_member(jwk, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

/// Reads a coordinate of a point, with the full `size` of its curve (RFC 7518 §6.2.1.2). Some servers drop or
/// add zeros at its beginning, which do not change the number.
pub(super) fn coordinate_member(
    jwk: &Map<String, Value>,
    name: &'static str,
    size: usize,
) -> Result<Vec<u8>, SkipReason> {
    let number = uint_member(jwk, name)?;
    let zeros = size.checked_sub(number.len()).ok_or(SkipReason::Material)?;
    Ok([vec![0; zeros], number].concat())
}
