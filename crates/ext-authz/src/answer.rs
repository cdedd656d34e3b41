//! The answer of `/auth/verify`, as what Envoy makes of the request: 200 lets it pass, and nothing else does.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use tonic::Code;

use crate::proto::{
    self, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpStatus, OkHttpResponse, RpcStatus,
};

/// Said where nobody could decide.
const UNAVAILABLE: &str = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"Nobody can say at the moment whether this request may pass","code":"unavailable"}"#;

/// What belongs to the door's own connection.
const CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
];

/// What a yes says of who it is: header fields for the application.
pub type Identity = Vec<(HeaderName, String)>;

/// The names of the headers that say who it is. The application gets them from here or not at all.
#[derive(Clone, Debug)]
pub(crate) struct IdentityNames(pub(crate) Arc<[HeaderName]>);

impl IdentityNames {
    /// The client's own headers that an application could take for one of these: `Remote_User` is `Remote-User` to many.
    pub(crate) fn spoofed<'n>(&self, client: impl Iterator<Item = &'n str>) -> Vec<String> {
        let looks_like = |name: &&str| {
            let mut ours = self.0.iter().map(HeaderName::as_str);
            ours.any(|ours| ours != *name && plain(ours).eq(plain(name)))
        };
        client.filter(looks_like).map(str::to_owned).collect()
    }

    /// A yes that was told at once: what it says of identity, by the same names. `spoofed` is as in [`answer`](Self::answer).
    pub(crate) fn passed_at_once(&self, said: Identity, spoofed: Vec<String>) -> CheckResponse {
        let mut ok = OkHttpResponse {
            headers_to_remove: spoofed,
            headers: Vec::with_capacity(said.len()),
            response_headers_to_add: Vec::new(),
        };
        for name in self
            .0
            .iter()
            .filter(|name| said.iter().all(|(told, _)| told != *name))
        {
            ok.headers_to_remove.push(name.to_string());
        }
        let said = said.into_iter();
        ok.headers
            .extend(said.map(|(name, value)| overwriting(name.as_str().to_owned(), value)));
        response(Code::Ok, proto::HttpResponse::Ok(ok))
    }

    /// What the decision comes to. `spoofed` are headers of the client's that never reach the application.
    pub(crate) fn answer(&self, decision: Response<Bytes>, spoofed: Vec<String>) -> CheckResponse {
        let (parts, body) = decision.into_parts();
        let answer = match parts.status {
            StatusCode::OK => self.passed(&parts.headers, spoofed),
            status if status.is_redirection() || status.is_client_error() => {
                denied(status, &parts.headers, &body)
            }
            StatusCode::SERVICE_UNAVAILABLE => denied(parts.status, &parts.headers, &body),
            // A defect, or an answer that nobody foresaw.
            _ => None,
        };
        answer.unwrap_or_else(unavailable)
    }

    fn passed(&self, said: &HeaderMap, spoofed: Vec<String>) -> Option<CheckResponse> {
        let mut ok = OkHttpResponse {
            headers_to_remove: spoofed,
            ..OkHttpResponse::default()
        };
        for name in self.0.iter() {
            match said.get(name) {
                Some(value) => ok.headers.push(option(name, value)?),
                None => ok.headers_to_remove.push(name.to_string()),
            }
        }
        // A session cookie that is renewed with the yes.
        for cookie in said.get_all(header::SET_COOKIE) {
            let mut cookie = option(&header::SET_COOKIE, cookie)?;
            cookie.append = Some(true);
            ok.response_headers_to_add.push(cookie);
        }
        Some(response(Code::Ok, proto::HttpResponse::Ok(ok)))
    }
}

/// Nobody can say: 503, never a yes.
pub(crate) fn unavailable() -> CheckResponse {
    let fields = [
        (header::CONTENT_TYPE, "application/problem+json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::RETRY_AFTER, "2"),
    ];
    refusal(StatusCode::SERVICE_UNAVAILABLE, &fields, UNAVAILABLE)
}

/// The question cannot be understood: 400.
pub(crate) fn unreadable(why: &str) -> CheckResponse {
    let fields = [
        (header::CONTENT_TYPE, "text/plain"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    refusal(StatusCode::BAD_REQUEST, &fields, why)
}

fn refusal(status: StatusCode, fields: &[(HeaderName, &'static str)], body: &str) -> CheckResponse {
    let fields = fields
        .iter()
        .filter_map(|(name, value)| option(name, &HeaderValue::from_static(value)));
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus {
            code: i32::from(status.as_u16()),
        }),
        headers: fields.collect(),
        body: body.to_owned(),
    };
    response(code(status), proto::HttpResponse::Denied(denied))
}

fn denied(status: StatusCode, said: &HeaderMap, body: &Bytes) -> Option<CheckResponse> {
    let mut headers = Vec::new();
    for (name, value) in said.iter().filter(|(name, _)| !CONNECTION.contains(name)) {
        let mut field = option(name, value)?;
        field.append = Some(said.get_all(name).iter().nth(1).is_some());
        headers.push(field);
    }
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus {
            code: i32::from(status.as_u16()),
        }),
        headers,
        body: String::from_utf8(body.to_vec()).ok()?,
    };
    Some(response(code(status), proto::HttpResponse::Denied(denied)))
}

fn response(code: Code, how: proto::HttpResponse) -> CheckResponse {
    CheckResponse {
        status: Some(RpcStatus { code: code.into() }),
        http_response: Some(how),
    }
}

/// gRPC's word for the status of a refusal. It is never `OK`.
fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        _ => Code::Unauthenticated,
    }
}

/// A field that takes the place of any other of its name. `None` if its value is no text.
fn option(name: &HeaderName, value: &HeaderValue) -> Option<HeaderValueOption> {
    let value = std::str::from_utf8(value.as_bytes()).ok()?;
    Some(overwriting(name.to_string(), value.to_owned()))
}

fn overwriting(name: String, value: String) -> HeaderValueOption {
    let header = proto::HeaderValue {
        key: name,
        value,
        raw_value: Bytes::new(),
    };
    HeaderValueOption {
        header: Some(header),
        append: Some(false),
        keep_empty_value: true,
    }
}

/// A name as a careless application compares it.
fn plain(name: &str) -> impl Iterator<Item = u8> {
    name.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { byte } else { b'-' })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> IdentityNames {
        IdentityNames(
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
            let answer = names().answer(decision(code, &[], b""), vec![]);
            let (rpc, http) = status(&answer);
            assert_eq!(rpc == 0, code == 200, "{code}");
            let passed_on = matches!(code, 300..=499 | 503);
            let expected = if passed_on { i32::from(code) } else { 503 };
            assert_eq!(http, (code != 200).then_some(expected), "{known}");
        }
    }

    #[test]
    fn every_identity_header_is_overwritten_or_removed() {
        let said = [("remote-user", ""), ("x-other", "no"), ("set-cookie", "a=1")];
        let answer = names().answer(decision(200, &said, b""), vec!["remote_user".to_owned()]);
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
        let said = [
            ("www-authenticate", "Bearer"),
            ("content-length", "2"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
        ];
        let answer = names().answer(decision(401, &said, b"{}"), vec![]);
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
        assert_eq!(status(&names().answer(faulty, vec![])).1, Some(503));
        assert_eq!(
            status(&names().answer(decision(401, &[], b"\xff"), vec![])).1,
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
        let mut found = names().spoofed(client.keys().map(HeaderName::as_str));
        found.sort();
        assert_eq!(found, ["remote.user", "remote_user", "x-auth_identity"]);
    }
}
