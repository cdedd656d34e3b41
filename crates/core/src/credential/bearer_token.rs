//! Bearer tokens as presented: their form, and the header field that carries them.

mod alphabets;

use std::fmt;

use zeroize::Zeroizing;

use super::hex::sha256;

/// Maximum length of an access token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Reason why a text is not a token (RFC 6750 §2.1, RFC 6749 appendix A).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedBearerToken {
    /// Empty text.
    #[error("the token is empty")]
    Empty,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than 16 KiB")]
    TooLong,
    /// A character that a token cannot have in this place.
    #[error("the token contains a character that is not allowed")]
    Characters,
}

/// Token as presented. Nothing about it is proven.
///
/// `Debug` prints the type's name only, and the text is erased from memory on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedToken(Zeroizing<String>);

impl PresentedToken {
    /// Accepts a text of the form `b64token` (RFC 6750 §2.1) with at most 16 KiB.
    ///
    /// # Errors
    /// [`MalformedBearerToken`] with the reason. Contains nothing of the text.
    pub fn parse(text: &str) -> Result<Self, MalformedBearerToken> {
        if text.is_empty() {
            return Err(MalformedBearerToken::Empty);
        }
        if text.len() > MAX_TOKEN_BYTES {
            return Err(MalformedBearerToken::TooLong);
        }
        // RFC 6750 allows `=` at the end only.
        let body = text.trim_end_matches('=');
        if body.is_empty() || !are_b64token_chars(body.as_bytes()) {
            return Err(MalformedBearerToken::Characters);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Returns the token itself. Only for verifying it and for sending it to the authorization server.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Computes the SHA-256 of the token's bytes: the identity of an opaque token.
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

/// Checks that all bytes are characters of `b64token`.
fn are_b64token_chars(bytes: &[u8]) -> bool {
    // `|` and `&` instead of `||` and `&&`: without early exits the compiler checks many bytes at a time.
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() | matches!(b, b'+' | b'-'..=b'/' | b'_' | b'~');
    bytes.iter().fold(true, |all, b| all & is_allowed(*b))
}

/// Reason why the `Authorization` fields of a request are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BearerFault {
    /// More than one field.
    #[error("There is more than one Authorization header")]
    Several,
    /// Token longer than [`MAX_TOKEN_BYTES`].
    #[error("The token is longer than 16 KiB")]
    TooLong,
    /// Scheme `Bearer`, but not in the form of RFC 6750 §2.1.
    #[error("The Authorization header is malformed")]
    Malformed,
}

/// Reads the token of `Authorization: Bearer …` (RFC 6750 §2.1) in its one accepted form: one field, and one
/// space (`docs/decisions/0007-one-strict-form-of-a-request.md`). The scheme may be in upper or lower case
/// (RFC 9110 §11.1). Returns `None` without a field, or for another scheme.
///
/// # Errors
/// [`BearerFault`] when there are several fields, or when the scheme is `Bearer` in another form.
pub fn parse_bearer<'v>(
    fields: impl IntoIterator<Item = &'v [u8]>,
) -> Result<Option<PresentedToken>, BearerFault> {
    let mut fields = fields.into_iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(BearerFault::Several);
    }
    // Bytes outside ASCII are refused before the scheme is read, so that no lenient decoder
    // changes its meaning.
    let visible = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let text = std::str::from_utf8(field)
        .ok()
        .filter(|text| text.as_bytes().iter().all(visible))
        .ok_or(BearerFault::Malformed)?;
    // The scheme is recognised leniently and accepted strictly: `Bearer,x` is a malformed Bearer,
    // not another scheme.
    let (scheme, rest) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = rest.strip_prefix(' ').ok_or(BearerFault::Malformed)?;
    match PresentedToken::parse(token) {
        Ok(token) => Ok(Some(token)),
        Err(MalformedBearerToken::TooLong) => Err(BearerFault::TooLong),
        Err(_) => Err(BearerFault::Malformed),
    }
}

impl fmt::Debug for PresentedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_form_of_rfc_6750() {
        assert_eq!(PresentedToken::parse(""), Err(MalformedBearerToken::Empty));
        assert_eq!(PresentedToken::parse("=="), Err(MalformedBearerToken::Characters));
        assert_eq!(
            PresentedToken::parse("a b"),
            Err(MalformedBearerToken::Characters)
        );
        assert_eq!(
            PresentedToken::parse("a=b"),
            Err(MalformedBearerToken::Characters)
        );
        assert_eq!(
            PresentedToken::parse(&"a".repeat(MAX_TOKEN_BYTES + 1)),
            Err(MalformedBearerToken::TooLong)
        );
        assert!(PresentedToken::parse(&"a".repeat(MAX_TOKEN_BYTES)).is_ok());
        assert!(PresentedToken::parse("a-._~+/Z0==").is_ok());
        for byte in 0..=127_u8 {
            let allowed = byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            let text = format!("a{}", char::from(byte));
            assert_eq!(PresentedToken::parse(&text).is_ok(), allowed, "{byte}");
        }
        assert!(PresentedToken::parse("é").is_err());
    }

    #[test]
    fn a_bearer_token_is_written_just_so() {
        let read = |fields: &[&str]| {
            let read = parse_bearer(fields.iter().map(|field| field.as_bytes()));
            read.map(|token| token.map(|token| token.expose().to_owned()))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Basic dTpw"]), Ok(None));
        assert_eq!(read(&["Bearer a.b.c"]), Ok(Some("a.b.c".into())));
        for f17 in ["bearer a", "BEARER a", "bEARER a"] {
            assert_eq!(read(&[f17]), Ok(Some("a".into())), "{f17}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(BearerFault::Several));
        for malformed in [
            "bearer",
            "bearer  a",
            "Bearer",
            "Bearer  a",
            "Bearer a b",
            "Bearer\ta",
            "Bearer,a",
            "Bearer a\u{e9}",
        ] {
            assert_eq!(read(&[malformed]), Err(BearerFault::Malformed), "{malformed:?}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
        assert_eq!(read(&[&long]), Err(BearerFault::TooLong));
    }
}
