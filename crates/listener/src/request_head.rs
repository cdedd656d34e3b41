//! Heads of requests, read with the parser that hyper uses, so that both agree on where a request ends.

/// Most header fields of a request. One with more is left to hyper.
const MAX_HEADER_FIELDS: usize = 48;

/// Header field: its name, and its value as bytes.
pub type HeadField<'b> = httparse::Header<'b>;

/// Storage of the fields of one head. It is on the stack of its reader, because an allocation would cost more
/// than the parser.
#[expect(missing_debug_implementations, reason = "it would print credentials")]
pub struct FieldStorage<'b>([HeadField<'b>; MAX_HEADER_FIELDS]);

impl Default for FieldStorage<'_> {
    #[inline]
    fn default() -> Self {
        Self([httparse::EMPTY_HEADER; MAX_HEADER_FIELDS])
    }
}

/// Complete head of an HTTP/1 request.
#[expect(missing_debug_implementations, reason = "it would print credentials")]
pub struct RequestHead<'h, 'b> {
    /// Method, for example `GET`.
    pub method: &'b str,
    /// Target as it was sent: a path with its query, mostly.
    pub target: &'b str,
    /// `true` for HTTP/1.1, `false` for HTTP/1.0.
    pub is_http_1_1: bool,
    /// Header fields, in their order.
    pub fields: &'h [HeadField<'b>],
    /// Length of the head in bytes, with the empty line at its end.
    pub length: usize,
}

/// Outcome of parsing a head.
#[expect(missing_debug_implementations, reason = "it would print credentials")]
pub enum ParsedHead<'h, 'b> {
    /// Complete head at the beginning of the bytes.
    Complete(RequestHead<'h, 'b>),
    /// Beginning of a request head whose end has not arrived yet.
    Partial,
    /// No head of HTTP/1, or one with too many fields.
    Malformed,
}

impl<'h, 'b> RequestHead<'h, 'b> {
    /// Parses the head at the beginning of `bytes`.
    #[inline]
    pub fn parse(bytes: &'b [u8], storage: &'h mut FieldStorage<'b>) -> ParsedHead<'h, 'b> {
        let mut request = httparse::Request::new(&mut storage.0);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return ParsedHead::Partial,
            Err(_) => return ParsedHead::Malformed,
        };
        ParsedHead::Complete(Self {
            // A complete head has all three.
            method: request.method.unwrap_or_default(),
            target: request.path.unwrap_or_default(),
            is_http_1_1: request.version == Some(1),
            fields: request.headers,
            length,
        })
    }
}

/// Classification of the bytes at the beginning of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadStatus {
    /// Complete request of this length in bytes, which has no body and does not change the connection.
    Complete(usize),
    /// Beginning of a request head whose end has not arrived yet.
    Partial,
    /// Malformed bytes, or a request that has a body or changes the connection.
    Unsupported,
}

/// Classifies bytes, for handing single requests to hyper.
pub(crate) fn classify_head(bytes: &[u8]) -> HeadStatus {
    let mut storage = FieldStorage::default();
    let head = match RequestHead::parse(bytes, &mut storage) {
        ParsedHead::Complete(head) => head,
        ParsedHead::Partial => return HeadStatus::Partial,
        ParsedHead::Malformed => return HeadStatus::Unsupported,
    };
    // By the first byte, because the parser skips line breaks before a request. Such a request is left to
    // hyper.
    let is_plain = bytes.first().is_some_and(u8::is_ascii_uppercase)
        && matches!(head.method, "GET" | "HEAD")
        && head.is_http_1_1
        && !head.fields.iter().any(|field| is_framing_header(field.name));
    if is_plain {
        HeadStatus::Complete(head.length)
    } else {
        HeadStatus::Unsupported
    }
}

/// Returns `true` for a field that influences where a request ends, or what follows it on the connection.
#[inline]
pub fn is_framing_header(name: &str) -> bool {
    const FRAMING: [&str; 7] = [
        "content-length",
        "transfer-encoding",
        "upgrade",
        "expect",
        "te",
        "trailer",
        "http2-settings",
    ];
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

#[cfg(test)]
mod tests;
