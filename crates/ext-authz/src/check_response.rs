//! Translates the answer of `/auth/verify` into Envoy's response. Only a 200 lets the request pass.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use tonic::Code;

use crate::proto::{
    self, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpStatus, OkHttpResponse, RpcStatus,
};

/// Body of the answer if there is no decision.
const UNAVAILABLE_BODY: &str = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"The gateway cannot decide on this request at the moment; try again","code":"unavailable"}"#;

/// Headers of the connection between router and gRPC service, which are not part of an answer to the client.
const CONNECTION_HEADERS: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
];

/// Header fields in which the application gets the identity of an accepted request.
pub type IdentityHeaders = Vec<(HeaderName, String)>;

/// Names of the identity headers. The application gets them from the gateway or not at all.
#[derive(Clone, Debug)]
pub(crate) struct IdentityHeaderNames(pub(crate) Arc<[HeaderName]>);

impl IdentityHeaderNames {
    /// Returns the client's headers that an application could take for an identity header: CGI and WSGI read
    /// `Remote_User` as `Remote-User`.
    pub(crate) fn spoofed_headers<'n>(&self, client: impl Iterator<Item = &'n str>) -> Vec<String> {
        let looks_like = |name: &&str| {
            let mut ours = self.0.iter().map(HeaderName::as_str);
            // An exact match is left out: `allow` overwrites or removes it anyway.
            ours.any(|ours| ours != *name && normalized_name(ours).eq(normalized_name(name)))
        };
        client.filter(looks_like).map(str::to_owned).collect()
    }

    /// Returns the response for a yes of the fast path. `spoofed` is as in
    /// [`response_for`](Self::response_for).
    pub(crate) fn allow_on_fast_path(
        &self,
        identity: IdentityHeaders,
        spoofed: Vec<String>,
    ) -> CheckResponse {
        let mut ok = OkHttpResponse {
            headers_to_remove: spoofed,
            headers: Vec::with_capacity(identity.len()),
            response_headers_to_add: Vec::new(),
        };
        // An identity header without a value here could still arrive from the client.
        for name in self
            .0
            .iter()
            .filter(|name| identity.iter().all(|(present, _)| present != *name))
        {
            ok.headers_to_remove.push(name.to_string());
        }
        let identity = identity.into_iter();
        ok.headers
            .extend(identity.map(|(name, value)| overwrite_option(name.as_str().to_owned(), value)));
        build_response(Code::Ok, proto::HttpResponse::Ok(ok))
    }

    /// Returns the response for a decision. `spoofed` names headers of the client that must not reach the
    /// application.
    pub(crate) fn response_for(&self, decision: Response<Bytes>, spoofed: Vec<String>) -> CheckResponse {
        let (parts, body) = decision.into_parts();
        let response = match parts.status {
            StatusCode::OK => self.allow(&parts.headers, spoofed),
            status if status.is_redirection() || status.is_client_error() => {
                deny(status, &parts.headers, &body)
            }
            StatusCode::SERVICE_UNAVAILABLE => deny(parts.status, &parts.headers, &body),
            // A defect of the decider, or an answer that it is not meant to give.
            _ => None,
        };
        response.unwrap_or_else(unavailable)
    }

    /// Returns the response for a 200; `None` if a header value is not text, which protobuf's strings must
    /// be.
    fn allow(&self, answer: &HeaderMap, spoofed: Vec<String>) -> Option<CheckResponse> {
        let mut ok = OkHttpResponse {
            headers_to_remove: spoofed,
            ..OkHttpResponse::default()
        };
        for name in self.0.iter() {
            match answer.get(name) {
                Some(value) => ok.headers.push(header_option(name, value)?),
                None => ok.headers_to_remove.push(name.to_string()),
            }
        }
        // A session may get a new id with the answer: the browser must learn of its cookie.
        for cookie in answer.get_all(header::SET_COOKIE) {
            let mut cookie = header_option(&header::SET_COOKIE, cookie)?;
            // The application's own cookies stay.
            cookie.append = Some(true);
            ok.response_headers_to_add.push(cookie);
        }
        Some(build_response(Code::Ok, proto::HttpResponse::Ok(ok)))
    }
}

/// Returns the response if there is no decision: 503, never a yes.
pub(crate) fn unavailable() -> CheckResponse {
    let fields = [
        (header::CONTENT_TYPE, "application/problem+json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::RETRY_AFTER, "2"),
    ];
    deny_with(StatusCode::SERVICE_UNAVAILABLE, &fields, UNAVAILABLE_BODY)
}

/// Returns the response to an invalid check: 400.
pub(crate) fn bad_request(why: &str) -> CheckResponse {
    let fields = [
        (header::CONTENT_TYPE, "text/plain"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    deny_with(StatusCode::BAD_REQUEST, &fields, why)
}

fn deny_with(status: StatusCode, fields: &[(HeaderName, &'static str)], body: &str) -> CheckResponse {
    let fields = fields
        .iter()
        .filter_map(|(name, value)| header_option(name, &HeaderValue::from_static(value)));
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus {
            code: i32::from(status.as_u16()),
        }),
        headers: fields.collect(),
        body: body.to_owned(),
    };
    build_response(grpc_code(status), proto::HttpResponse::Denied(denied))
}

/// Returns a refusal with the decider's own answer; `None` if a header or the body is not text.
fn deny(status: StatusCode, answer: &HeaderMap, body: &Bytes) -> Option<CheckResponse> {
    let mut headers = Vec::new();
    for (name, value) in answer
        .iter()
        .filter(|(name, _)| !CONNECTION_HEADERS.contains(name))
    {
        let mut field = header_option(name, value)?;
        // Without `append`, Envoy would keep only the last of several fields with one name (`Set-Cookie`).
        field.append = Some(answer.get_all(name).iter().nth(1).is_some());
        headers.push(field);
    }
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus {
            code: i32::from(status.as_u16()),
        }),
        headers,
        body: String::from_utf8(body.to_vec()).ok()?,
    };
    Some(build_response(
        grpc_code(status),
        proto::HttpResponse::Denied(denied),
    ))
}

fn build_response(code: Code, http_response: proto::HttpResponse) -> CheckResponse {
    CheckResponse {
        status: Some(RpcStatus { code: code.into() }),
        http_response: Some(http_response),
    }
}

/// Returns the gRPC code for the HTTP status of a refusal. Never `OK`, which would let the request pass.
fn grpc_code(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        _ => Code::Unauthenticated,
    }
}

/// Returns a field that replaces existing fields of its name; `None` if its value is not UTF-8.
fn header_option(name: &HeaderName, value: &HeaderValue) -> Option<HeaderValueOption> {
    let value = std::str::from_utf8(value.as_bytes()).ok()?;
    Some(overwrite_option(name.to_string(), value.to_owned()))
}

fn overwrite_option(name: String, value: String) -> HeaderValueOption {
    let header = proto::HeaderValue {
        key: name,
        value,
        raw_value: Bytes::new(),
    };
    HeaderValueOption {
        header: Some(header),
        append: Some(false),
        // Envoy drops empty fields otherwise, and the client's own one would stay.
        keep_empty_value: true,
    }
}

/// Returns a name as a lax application compares it: every character other than a letter or digit counts as
/// `-`.
fn normalized_name(name: &str) -> impl Iterator<Item = u8> {
    name.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { byte } else { b'-' })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> IdentityHeaderNames {
        IdentityHeaderNames(
            [
                HeaderName::from_static("remote-user"),
                HeaderName::from_static("x-auth-identity"),
            ]
            .into(),
        )
    }

    fn decision(
        status: u16,
        fields: &[(&'static str, &'static str)],
        body: &'static [u8],
    ) -> Response<Bytes> {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        response.body(Bytes::from_static(body)).unwrap()
    }

    fn status(answer: &CheckResponse) -> (i32, Option<i32>) {
        let http = match &answer.http_response {
            Some(proto::HttpResponse::Denied(denied)) => denied.status.as_ref().map(|status| status.code),
            _ => None,
        };
        (answer.status.as_ref().unwrap().code, http)
    }

    #[test]
    fn nothing_but_200_is_a_yes() {
        for code in 100..=999 {
            let Ok(known) = StatusCode::from_u16(code) else {
                continue;
            };
            let answer = names().response_for(decision(code, &[], b""), vec![]);
            let (rpc, http) = status(&answer);
            assert_eq!(rpc == 0, code == 200, "{code}");
            let passed_on = matches!(code, 300..=499 | 503);
            let expected = if passed_on { i32::from(code) } else { 503 };
            assert_eq!(http, (code != 200).then_some(expected), "{known}");
        }
    }

    #[test]
    fn every_identity_header_is_overwritten_or_removed() {
        let fields = [("remote-user", ""), ("x-other", "no"), ("set-cookie", "a=1")];
        let answer = names().response_for(decision(200, &fields, b""), vec!["remote_user".to_owned()]);
        let Some(proto::HttpResponse::Ok(ok)) = answer.http_response else {
            panic!("{answer:?}")
        };
        let [user] = ok.headers.as_slice() else {
            panic!("{ok:?}")
        };
        assert_eq!((user.append, user.keep_empty_value), (Some(false), true));
        assert_eq!(user.header.as_ref().unwrap().key, "remote-user");
        assert_eq!(ok.headers_to_remove, ["remote_user", "x-auth-identity"]);
        assert_eq!(ok.response_headers_to_add.len(), 1);
    }

    #[test]
    fn a_refusal_comes_through_whole() {
        let sent = [
            ("www-authenticate", "Bearer"),
            ("content-length", "2"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
        ];
        let answer = names().response_for(decision(401, &sent, b"{}"), vec![]);
        let Some(proto::HttpResponse::Denied(denied)) = answer.http_response else {
            panic!("{answer:?}")
        };
        let fields: Vec<_> = denied
            .headers
            .iter()
            .map(|field| (field.header.as_ref().unwrap().key.as_str(), field.append.unwrap()))
            .collect();
        assert_eq!(
            fields,
            [
                ("www-authenticate", false),
                ("set-cookie", true),
                ("set-cookie", true)
            ]
        );
        assert_eq!(denied.body, "{}");
    }

    #[test]
    fn what_cannot_be_written_is_503() {
        let mut faulty = decision(200, &[], b"");
        let value = HeaderValue::from_bytes(b"\xff").unwrap();
        faulty.headers_mut().insert("remote-user", value);
        assert_eq!(status(&names().response_for(faulty, vec![])).1, Some(503));
        assert_eq!(
            status(&names().response_for(decision(401, &[], b"\xff"), vec![])).1,
            Some(503)
        );
    }

    #[test]
    fn other_spellings_of_an_identity_header_are_known() {
        let mut client = HeaderMap::new();
        for name in [
            "remote_user",
            "remote.user",
            "remote-user",
            "x-auth_identity",
            "x-remote-user",
        ] {
            client.insert(HeaderName::from_static(name), HeaderValue::from_static("root"));
        }
        let mut found = names().spoofed_headers(client.keys().map(HeaderName::as_str));
        found.sort();
        assert_eq!(found, ["remote.user", "remote_user", "x-auth_identity"]);
    }
}
