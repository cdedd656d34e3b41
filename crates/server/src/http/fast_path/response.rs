//! Bytes of an answer of the fast path: a complete HTTP/1.1 response without a body.

use std::cell::RefCell;
use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use maxlab_auth_core::verdict::{ActiveCredential, Entitlements};

use super::FastPath;
use crate::http::assurance;
use crate::http::forward_auth::X_AUTH_IDENTITY;
use crate::http::request_id::RequestId;

/// Contents of an answer that allows.
pub(super) struct AllowResponse<'a> {
    /// `None` for an anonymous request to a public path.
    pub(super) active: Option<&'a ActiveCredential>,
    /// `None` if signing is not enabled.
    pub(super) signed_identity: Option<HeaderValue>,
    pub(super) request_id: &'a RequestId,
}

/// Rendered identity headers that all verdicts with the same shared claims have in common.
struct RenderedHeaders(Box<[u8]>);

impl FastPath {
    /// Appends the answer to `out`.
    pub(super) fn write_response(&self, answer: &AllowResponse<'_>, now: Timestamp, out: &mut Vec<u8>) {
        let AllowResponse {
            active,
            signed_identity,
            request_id,
        } = answer;
        out.extend_from_slice(&self.response_prefix);
        match active {
            Some(active) => {
                let style = &self.gateway.forward_auth.header_style;
                style.write_personal_headers(&active.subject_claims(), out);
                let render = |source, entitlements: Entitlements<'_>| {
                    RenderedHeaders(style.render_shared_headers(source, entitlements))
                };
                match active.get_or_derive(render) {
                    Some(RenderedHeaders(shared)) => out.extend_from_slice(shared),
                    // The verdict is not cached, so its shared headers are rendered for this answer only.
                    None => {
                        out.extend_from_slice(&render(active.source(), active.entitlements()).0);
                    }
                }
            }
            None => out.extend_from_slice(&self.anonymous_headers),
        }
        if let Some(signed_identity) = signed_identity {
            write_field(&X_AUTH_IDENTITY, signed_identity, out);
        }
        // `report` builds texts, which production does not need.
        if let Some(active) = active
            && (self.gateway.shows_assurance || tracing::enabled!(tracing::Level::DEBUG))
        {
            let mut extra = HeaderMap::new();
            assurance::report(&self.gateway, active, &mut extra);
            write_fields(&extra, out);
        }
        out.extend_from_slice(b"x-request-id: ");
        out.extend_from_slice(request_id.0.as_bytes());
        out.extend_from_slice(b"\r\ndate: ");
        write_date(now, out);
        out.extend_from_slice(b"\r\n\r\n");
    }
}

pub(super) fn write_fields(headers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in headers {
        write_field(name, value, out);
    }
}

fn write_field(name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    // A `HeaderValue` holds no line break, so a value cannot add a header.
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

thread_local! {
    /// Last second that was formatted, and its text (RFC 9110 §5.6.7). Formatting costs more than the copy of
    /// the text.
    static DATE: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

fn write_date(now: Timestamp, out: &mut Vec<u8>) {
    DATE.with_borrow_mut(|(second, text)| {
        if *second != now.as_second() {
            *second = now.as_second();
            *text = httpdate::fmt_http_date(SystemTime::from(now));
        }
        out.extend_from_slice(text.as_bytes());
    });
}
