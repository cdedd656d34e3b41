//! Canonical form of a request's path. A text that two servers could read as different paths has none.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Maximum length of a path, in bytes. The gateway's own request targets have the same limit.
const MAX_PATH_BYTES: usize = 8 * 1024;

/// Characters to encode: all except `pchar` and `/` (RFC 3986 §3.3). `;` is never in a canonical path.
const ENCODE_SET: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// Reason why a path could be read in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathFault {
    /// First character other than `/`.
    #[error("the path does not begin with /")]
    NotAbsolute,
    /// Longer than 8 KiB.
    #[error("the path is longer than 8 KiB")]
    TooLong,
    /// `//`: some servers fold it into one `/`.
    #[error("the path contains an empty segment (//)")]
    EmptySegment,
    /// `.` or `..`, plain or encoded: some servers resolve it, others do not.
    #[error("the path contains a dot segment (. or ..)")]
    DotSegment,
    /// `%2F`: a separator to some servers, a letter to others.
    #[error("the path contains an encoded slash (%2F)")]
    EncodedSlash,
    /// `\` or `%5C`: a separator to some servers.
    #[error("the path contains a backslash")]
    Backslash,
    /// `;` or `%3B`: some servers cut a segment off there (`/..;/`, `;jsessionid=`).
    #[error("the path contains a semicolon")]
    Semicolon,
    /// `%` without two hexadecimal digits after it.
    #[error("the path contains a % without two hexadecimal digits after it")]
    BadEncoding,
    /// Text that can be decoded a second time (`%252e`): a chain of servers may do so.
    #[error("the path is percent-encoded twice")]
    EncodedTwice,
    /// Control character, plain or encoded. NUL is one.
    #[error("the path contains a control character")]
    Control,
    /// Decoded bytes that are not UTF-8.
    #[error("the decoded path is not UTF-8")]
    NotUtf8,
    /// Character that a path may contain in encoded form only (RFC 3986 §3.3).
    #[error("the path contains a character that must be percent-encoded")]
    Unencoded,
}

/// Path in canonical form: decoded once, with `/` only as a separator.
///
/// Two paths have the same canonical form if and only if they decode to the same text, so that no server that
/// decodes its paths can tell them apart. Case is significant, and so is a `/` at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalPath<'p>(Cow<'p, str>);

impl<'p> CanonicalPath<'p> {
    /// Reads the path of a request, without a query.
    ///
    /// # Errors
    /// [`PathFault`] when the path could be read in more than one way.
    pub fn parse(raw: &'p [u8]) -> Result<Self, PathFault> {
        if raw.len() > MAX_PATH_BYTES {
            return Err(PathFault::TooLong);
        }
        if raw.first() != Some(&b'/') {
            return Err(PathFault::NotAbsolute);
        }
        let text = percent_decode(raw, UnencodedCharset::Ascii)?;
        // Segments are checked after decoding, so that `%2e%2e` is found too.
        let mut segments = text.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            check_segment(segment, segments.peek().is_none())?;
        }
        Ok(Self(text))
    }

    /// Returns the decoded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writes the path percent-encoded, in one spelling. Reading it again gives the same path.
impl fmt::Display for CanonicalPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf8_percent_encode(&self.0, ENCODE_SET).fmt(f)
    }
}

/// Characters that may be unencoded: ASCII in a request, all of UTF-8 in a policy file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UnencodedCharset {
    Ascii,
    Utf8,
}

/// Decodes a path or a part of one, and refuses every character that could be read in more than one way.
pub(super) fn percent_decode(raw: &[u8], plain: UnencodedCharset) -> Result<Cow<'_, str>, PathFault> {
    // Before decoding: `%3b` and `;` are both refused, but a plain space is refused and `%20` is fine.
    for byte in raw {
        check_byte(*byte, plain)?;
    }
    let text = if raw.contains(&b'%') {
        Cow::Owned(String::from_utf8(percent_decode_bytes(raw)?).map_err(|_| PathFault::NotUtf8)?)
    } else {
        Cow::Borrowed(std::str::from_utf8(raw).map_err(|_| PathFault::NotUtf8)?)
    };
    // Of the decoded text: C1 controls (U+0080 to U+009F) are two bytes in UTF-8.
    if text.chars().any(char::is_control) {
        return Err(PathFault::Control);
    }
    let is_encoded =
        |three: &[u8]| matches!(three, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    // A lone `%` is fine (`/100%25`): no server can decode it a second time.
    if text.as_bytes().windows(3).any(is_encoded) {
        return Err(PathFault::EncodedTwice);
    }
    Ok(text)
}

/// Refuses a segment that some servers would remove. Only the last one may be empty.
pub(super) fn check_segment(segment: &str, is_last: bool) -> Result<(), PathFault> {
    match segment {
        "" if !is_last => Err(PathFault::EmptySegment),
        "." | ".." => Err(PathFault::DotSegment),
        _ => Ok(()),
    }
}

fn check_byte(byte: u8, plain: UnencodedCharset) -> Result<(), PathFault> {
    match byte {
        b'\\' => Err(PathFault::Backslash),
        b';' => Err(PathFault::Semicolon),
        0x00..=0x1f | 0x7f => Err(PathFault::Control),
        b' ' | b'?' | b'#' => Err(PathFault::Unencoded),
        0x80.. if plain == UnencodedCharset::Ascii => Err(PathFault::Unencoded),
        _ => Ok(()),
    }
}

fn percent_decode_bytes(raw: &[u8]) -> Result<Vec<u8>, PathFault> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        // `u8::from_str_radix` would accept a sign: "%+1".
        let mut digit = || bytes.next().and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(PathFault::BadEncoding);
        };
        // These three are refused here: once decoded, they look like their plain forms.
        match u8::try_from(high * 16 + low) {
            Ok(b'/') => return Err(PathFault::EncodedSlash),
            Ok(b'\\') => return Err(PathFault::Backslash),
            Ok(b';') => return Err(PathFault::Semicolon),
            Ok(byte) => out.push(byte),
            Err(_) => return Err(PathFault::BadEncoding),
        }
    }
    Ok(out)
}
