//! Identity headers. All of them are always sent, empty if there is no value, so that they replace any copies
//! of the client.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use maxlab_auth_core::access::{PERSONAL_HEADERS, SHARED_HEADERS, WORKSPACES_HEADER};
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::verdict::{ActiveCredential, Entitlements, SubjectClaims};

use super::remote_user::RemoteUserForms;
use crate::config::HeaderEncoding;

/// Names of the identity headers that are always sent, in the order of the values.
const HEADER_NAMES: [HeaderName; 6] = [
    HeaderName::from_static(PERSONAL_HEADERS[0]),
    HeaderName::from_static(PERSONAL_HEADERS[1]),
    HeaderName::from_static(PERSONAL_HEADERS[2]),
    HeaderName::from_static(SHARED_HEADERS[0]),
    HeaderName::from_static(SHARED_HEADERS[1]),
    HeaderName::from_static(SHARED_HEADERS[2]),
];
const WORKSPACES: HeaderName = HeaderName::from_static(WORKSPACES_HEADER);

/// Which identity headers are sent, and how.
#[derive(Clone, Debug, Default)]
pub struct HeaderStyle {
    /// Encoding of the values (`IDENTITY_HEADER_ENCODING`).
    pub encoding: HeaderEncoding,
    /// `true` if `Remote-Workspaces` is sent (`IDENTITY_WORKSPACES`).
    pub workspaces: bool,
    /// Forms of `Remote-User` for people of further issuers.
    pub remote_user: Arc<RemoteUserForms>,
}

impl HeaderStyle {
    /// Returns the identity headers of a credential.
    pub(in crate::http) fn identity_headers(&self, active: &ActiveCredential) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in self.names().zip(self.values(active)) {
            // Encoded values are valid, so this does not fail. If it did, the header would be empty and never
            // absent.
            let value = HeaderValue::from_bytes(&value).unwrap_or(HeaderValue::from_static(""));
            headers.insert(name, value);
        }
        headers
    }

    /// Returns the identity headers as text, for Envoy; all are empty without a credential.
    pub(in crate::http) fn identity_pairs(
        &self,
        active: Option<&ActiveCredential>,
    ) -> Vec<(HeaderName, String)> {
        let Some(active) = active else {
            return self.names().map(|name| (name, String::new())).collect();
        };
        // `encode` writes UTF-8 only, so the conversion does not fail.
        let texts = self
            .values(active)
            .map(|value| String::from_utf8(value).unwrap_or_default());
        self.names().zip(texts).collect()
    }

    /// Writes the headers of one user as they are sent.
    pub(in crate::http) fn write_personal_headers(&self, subject: &SubjectClaims<'_>, out: &mut Vec<u8>) {
        for (name, value) in PERSONAL_HEADERS.into_iter().zip(self.personal_values(subject)) {
            write_header_name(name, out);
            self.encode(&value, false, out);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Renders the shared headers as they are sent. The fast path does it once for each set of shared claims.
    pub(in crate::http) fn render_shared_headers(
        &self,
        source: VerificationSource,
        entitlements: Entitlements<'_>,
    ) -> Box<[u8]> {
        let mut out = Vec::new();
        let names = SHARED_HEADERS.into_iter().chain([WORKSPACES_HEADER]);
        for (name, value) in names.zip(self.shared_values(source, entitlements)) {
            write_header_name(name, &mut out);
            out.extend_from_slice(&value);
            out.extend_from_slice(b"\r\n");
        }
        out.into()
    }

    /// Returns all identity headers with empty values, for an anonymous request.
    pub(in crate::http) fn anonymous_headers(&self) -> HeaderMap {
        self.names()
            .map(|name| (name, HeaderValue::from_static("")))
            .collect()
    }

    fn names(&self) -> impl Iterator<Item = HeaderName> {
        HEADER_NAMES
            .into_iter()
            .chain(self.workspaces.then_some(WORKSPACES))
    }

    fn values(&self, active: &ActiveCredential) -> impl Iterator<Item = Vec<u8>> {
        let personal = self
            .personal_values(&active.subject_claims())
            .map(|value| self.encode_scalar(&value));
        let shared = self.shared_values(active.source(), active.entitlements());
        personal.into_iter().chain(shared)
    }

    fn personal_values<'s>(&self, subject: &SubjectClaims<'s>) -> [Cow<'s, str>; PERSONAL_HEADERS.len()] {
        let texts = [subject.name, subject.email].map(|text| Cow::Borrowed(text.unwrap_or_default()));
        let [name, email] = texts;
        // Issuer and id in one text: an application must not take the same id at two issuers for one person (I12).
        [self.remote_user.value(subject), name, email]
    }

    /// Returns the values that many users share. The workspaces come last, if they are sent.
    fn shared_values(
        &self,
        source: VerificationSource,
        entitlements: Entitlements<'_>,
    ) -> impl Iterator<Item = Vec<u8>> {
        let always = [
            self.encode_list(entitlements.groups),
            self.encode_list(entitlements.roles),
            source.as_str().into(),
        ];
        let workspaces = self.workspaces.then(|| self.encode_list(entitlements.workspaces));
        always.into_iter().chain(workspaces)
    }

    /// Encodes a list, joined with commas. A comma inside an element is encoded, so that one role never reads
    /// as two.
    fn encode_list(&self, elements: &[String]) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.encode(element, true, &mut out);
        }
        out
    }

    /// Encodes one value. Two different values never have the same encoding.
    fn encode_scalar(&self, value: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(value.len());
        self.encode(value, false, &mut out);
        out
    }

    /// Encodes a text in UTF-8, or in ASCII with everything else percent-encoded.
    fn encode(&self, text: &str, in_list: bool, out: &mut Vec<u8>) {
        encode(text, in_list, self.encoding == HeaderEncoding::Percent, out);
    }
}

fn write_header_name(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
}

/// Percent-encodes `%`, control characters, white space at either end (which HTTP removes), and commas in a
/// list; with `ascii`, everything outside ASCII too.
fn encode(text: &str, in_list: bool, ascii: bool, out: &mut Vec<u8>) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%' && !(in_list && byte == b',');
    // Nearly every value is plain ASCII and is copied.
    if text.bytes().all(plain) && !text.starts_with(' ') && !text.ends_with(' ') {
        return out.extend_from_slice(text.as_bytes());
    }
    for (at, c) in text.char_indices() {
        let (head, tail) = (text.get(..at), text.get(at + c.len_utf8()..));
        let blank = |part: Option<&str>| part.is_some_and(|part| part.trim().is_empty());
        // All kinds of white space and not only ASCII: an application's `strip()` removes them too.
        let is_at_edge = c.is_whitespace() && (blank(head) || blank(tail));
        let mut bytes = [0; 4];
        let bytes = c.encode_utf8(&mut bytes).as_bytes();
        let must_encode = c.is_control() || c == '%' || (in_list && c == ',') || (ascii && !c.is_ascii());
        if must_encode || is_at_edge {
            for byte in bytes {
                out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        } else {
            out.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn one_element_never_reads_as_two_and_no_value_as_another() {
        let list = |elements: &[&str]| {
            text(
                HeaderStyle::default()
                    .encode_list(&elements.iter().map(|each| (*each).into()).collect::<Vec<_>>()),
            )
        };
        assert_eq!(list(&["a,b", "c"]), "a%2Cb,c");
        assert_eq!(list(&["a%2Cb"]), "a%252Cb");
        assert_eq!(list(&["", "a"]), ",a");
        let scalar = |value| text(HeaderStyle::default().encode_scalar(value));
        assert_eq!(scalar("bob "), "bob%20");
        assert_eq!(scalar(" bob"), "%20bob");
        assert_eq!(scalar("b o b"), "b o b");
        assert_eq!(scalar("a,b"), "a,b");
        assert_eq!(scalar("100%"), "100%25");
        assert_eq!(scalar("김"), "김");
    }

    #[test]
    fn n11_percent_encoding_leaves_ascii_only_and_decodes_to_the_same_text() {
        let style = HeaderStyle {
            encoding: HeaderEncoding::Percent,
            ..HeaderStyle::default()
        };
        assert_eq!(text(style.encode_scalar("김철수")), "%EA%B9%80%EC%B2%A0%EC%88%98");
        assert_eq!(text(style.encode_scalar("Kim, 100%")), "Kim, 100%25");
        assert_eq!(
            text(style.encode_list(&["연구".into(), "a,b".into()])),
            "%EC%97%B0%EA%B5%AC,a%2Cb"
        );
        for value in ["김 철수", " é%20\u{85}", "plain"] {
            for style in [style.clone(), HeaderStyle::default()] {
                let encoded = text(style.encode_scalar(value));
                let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8();
                assert_eq!(decoded.unwrap(), value, "{encoded}");
            }
        }
    }

    #[test]
    fn a_control_character_never_leaves() {
        let scalar = |value| text(HeaderStyle::default().encode_scalar(value));
        assert_eq!(scalar("x\r\nRemote-User: admin"), "x%0D%0ARemote-User: admin");
        assert_eq!(scalar("\u{0}\u{7f}\u{85}"), "%00%7F%C2%85");
        assert!(HeaderValue::from_bytes(scalar("\u{0}\r\n\t 김\u{9f}").as_bytes()).is_ok());
    }
}
