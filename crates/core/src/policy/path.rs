//! The one form of a request's path. Whatever two servers could read as two different paths has none.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest path, in bytes; the gateway's own request targets are no longer.
const LONGEST: usize = 8 * 1024;

/// What stands for itself in a path (`pchar` and `/`, RFC 3986 §3.3), less the `;` that is refused.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC
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

/// Why a path has no one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathFault {
    /// It does not begin with `/`.
    #[error("the path does not begin with /")]
    NotAbsolute,
    /// It is longer than 8 KiB.
    #[error("the path is longer than 8 KiB")]
    TooLong,
    /// `//`: some servers fold it into one `/`.
    #[error("the path holds an empty segment (//)")]
    EmptySegment,
    /// `.` or `..`, plain or encoded: some servers resolve it, others do not.
    #[error("the path holds a dot segment (. or ..)")]
    DotSegment,
    /// `%2F`: a separator to some servers, a letter to others.
    #[error("the path holds an encoded slash (%2F)")]
    EncodedSlash,
    /// `\` or `%5C`: a separator to some servers.
    #[error("the path holds a backslash")]
    Backslash,
    /// `;` or `%3B`: some servers cut a segment off there (`/..;/`, `;jsessionid=`).
    #[error("the path holds a semicolon")]
    Semicolon,
    /// `%` without two hexadecimal digits after it.
    #[error("the path holds a % that encodes nothing")]
    BadEncoding,
    /// Once decoded it can be decoded again (`%252e`): a chain of servers may do so.
    #[error("the path is percent-encoded twice")]
    EncodedTwice,
    /// A control character, plain or encoded; NUL is one.
    #[error("the path holds a control character")]
    Control,
    /// What it encodes is not UTF-8.
    #[error("the path is not UTF-8 once it is decoded")]
    NotUtf8,
    /// A character that a path holds in its encoded form only (RFC 3986 §3.3).
    #[error("the path holds a character that must be percent-encoded")]
    Unencoded,
}

/// A path in its canonical form: decoded once, with `/` as separator only.
///
/// Two paths have the same canonical form if and only if they are the same text once decoded, so that no server which
/// decodes its paths can tell them apart. The letters' case counts, and so does a `/` at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalPath<'p>(Cow<'p, str>);

impl<'p> CanonicalPath<'p> {
    /// Reads a path as it stands in a request, without a query.
    ///
    /// # Errors
    /// It can be read in more ways than one.
    pub fn parse(raw: &'p [u8]) -> Result<Self, PathFault> {
        if raw.len() > LONGEST {
            return Err(PathFault::TooLong);
        }
        if raw.first() != Some(&b'/') {
            return Err(PathFault::NotAbsolute);
        }
        let text = decoded(raw, Plain::Ascii)?;
        let mut segments = text.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            refuse_segment(segment, segments.peek().is_none())?;
        }
        Ok(Self(text))
    }

    /// The decoded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Percent-encoded, in one spelling; reading it again gives the same path.
impl fmt::Display for CanonicalPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        utf8_percent_encode(&self.0, QUOTED).fmt(f)
    }
}

/// Whether text outside ASCII may stand unencoded: in a policy file, never in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Ascii,
    Utf8,
}

/// Decodes a path or a piece of one, and refuses every character that has no one reading.
pub(super) fn decoded(raw: &[u8], plain: Plain) -> Result<Cow<'_, str>, PathFault> {
    for byte in raw {
        refuse_byte(*byte, plain)?;
    }
    let text = if raw.contains(&b'%') {
        Cow::Owned(String::from_utf8(decoded_bytes(raw)?).map_err(|_| PathFault::NotUtf8)?)
    } else {
        Cow::Borrowed(std::str::from_utf8(raw).map_err(|_| PathFault::NotUtf8)?)
    };
    if text.chars().any(char::is_control) {
        return Err(PathFault::Control);
    }
    let again =
        |three: &[u8]| matches!(three, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if text.as_bytes().windows(3).any(again) {
        return Err(PathFault::EncodedTwice);
    }
    Ok(text)
}

/// Refuses a segment that some servers would take away. Only the last one may be empty.
pub(super) fn refuse_segment(segment: &str, is_last: bool) -> Result<(), PathFault> {
    match segment {
        "" if !is_last => Err(PathFault::EmptySegment),
        "." | ".." => Err(PathFault::DotSegment),
        _ => Ok(()),
    }
}

fn refuse_byte(byte: u8, plain: Plain) -> Result<(), PathFault> {
    match byte {
        b'\\' => Err(PathFault::Backslash),
        b';' => Err(PathFault::Semicolon),
        0x00..=0x1f | 0x7f => Err(PathFault::Control),
        b' ' | b'?' | b'#' => Err(PathFault::Unencoded),
        0x80.. if plain == Plain::Ascii => Err(PathFault::Unencoded),
        _ => Ok(()),
    }
}

fn decoded_bytes(raw: &[u8]) -> Result<Vec<u8>, PathFault> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(PathFault::BadEncoding);
        };
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
