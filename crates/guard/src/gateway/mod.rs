//! Asking a gateway: `/auth/verify` over HTTP. Only a whole and well-formed 200 is a yes.

mod identity;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_core::guard::{Denied, Quality};
use maxlab_auth_core::identity::Identity;
use maxlab_auth_core::revocation::Reason;
use maxlab_auth_core::token::parse_object;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::Rejection;
use reqwest::{Client, RequestBuilder};
use url::Url;

pub(crate) use self::identity::IDENTITY_HEADERS;

use crate::answer::{self, Answer, ask};
use crate::caller::Caller;
use crate::credentials::Head;
use crate::failure::Failure;
use crate::guard::SetupFault;
use crate::requirement::Question;

/// What a browser says of where a request comes from; the gateway judges by it whether a cookie may act.
const ORIGIN: [HeaderName; 2] = [header::ORIGIN, HeaderName::from_static("sec-fetch-site")];

/// How a gateway is asked.
///
/// It reads tokens and session cookies. A request that acts with a cookie (POST, PUT, …) passes only if the gateway learns
/// from where it comes: name the application's address in the gateway's `TRUSTED_PROXIES`, or its origin in `CORS_ORIGINS`.
#[derive(Clone, Debug)]
pub struct AskGateway {
    /// The gateway's address, for example `http://127.0.0.1:8080`. Whoever can answer there decides who gets in: use https
    /// wherever the network is not your own.
    pub url: String,
    /// An answer that takes longer is none: 2 s.
    pub timeout: Duration,
    /// How many connections are kept for the next requests: 64.
    pub idle_connections: usize,
}

impl AskGateway {
    /// The gateway at this address.
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            timeout: Duration::from_secs(2),
            idle_connections: 64,
        }
    }
}

pub(crate) struct Gateway {
    http: Client,
    verify: Url,
}

impl Gateway {
    pub(crate) fn new(settings: &AskGateway) -> Result<Self, SetupFault> {
        let base = format!("{}/", settings.url.trim_end_matches('/'));
        let base = Url::parse(&base).ok();
        let base = base.filter(|url| matches!(url.scheme(), "http" | "https"));
        Ok(Self {
            http: answer::client(settings.timeout, settings.idle_connections)?,
            verify: base
                .and_then(|base| base.join("auth/verify").ok())
                .ok_or(SetupFault::Url)?,
        })
    }

    /// Who asks, if the gateway lets them in and grants what is asked beside.
    pub(crate) async fn admit(
        &self,
        head: Head<'_>,
        question: Option<Question<'_>>,
    ) -> Result<Caller, Failure> {
        let question = question.filter(Question::can_be_asked);
        let request = self.request(head, question)?;
        let answer = ask(request).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer));
        }
        let mut identity = identity::identity(&answer.headers, SystemClock.now())?;
        if let Some(granted) = question {
            grant(&mut identity, granted);
        }
        Ok(Caller::told(identity))
    }

    /// The question. Of the request it repeats one credential, and what the gateway needs to judge a cookie and a path.
    fn request(&self, head: Head<'_>, question: Option<Question<'_>>) -> Result<RequestBuilder, Failure> {
        let mut address = self.verify.clone();
        if let Some(Question { quality, name }) = question {
            address.query_pairs_mut().append_pair(quality.as_str(), name);
        }
        // Of one that is not safe the gateway wants to know from where it comes, also where it believes no X-Forwarded-*.
        let method = if head.method.is_safe() {
            Method::GET
        } else {
            Method::POST
        };
        let mut request = self.http.request(method, address);
        if let Some(token) = head.token()? {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| AuthFault::Rejected(Rejection::Malformed))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        } else {
            let cookies = head.session_cookies().ok_or(Failure::MissingCredential)?;
            request = request.header(header::COOKIE, cookies);
        }
        for name in ORIGIN {
            for value in head.headers.get_all(&name) {
                request = request.header(&name, value);
            }
        }
        if let Some(host) = head.host() {
            request = request.header("x-forwarded-host", host);
        }
        Ok(request
            .header(header::ACCEPT, "application/json")
            .header("x-forwarded-method", head.method.as_str())
            .header("x-forwarded-uri", head.path()))
    }
}

/// The gateway's 200 says that what it was asked is so.
fn grant(identity: &mut Identity, Question { quality, name }: Question<'_>) {
    let list = match quality {
        Quality::Role => &mut identity.roles,
        Quality::Group => &mut identity.groups,
        Quality::Permission => &mut identity.permissions,
        Quality::Workspace => &mut identity.workspaces,
        Quality::Scope => &mut identity.scope,
    };
    if !list.iter().any(|mine| mine == name) {
        list.push(name.to_owned());
    }
}

/// What an answer means that is no yes. A no counts only in the gateway's own words: something between that answers 401 by
/// itself logs nobody out.
fn refusal(answer: &Answer) -> Failure {
    let problem = parse_object(&answer.body).unwrap_or_default();
    let text = |name: &str| {
        problem
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
    };
    let detail = || text("detail").to_owned();
    let fault = match (answer.status.as_u16(), text("code")) {
        (401, "missing_credential") => return Failure::MissingCredential,
        (401, "token_expired") => AuthFault::Rejected(Rejection::Expired),
        (401, "invalid_token") => AuthFault::Rejected(Rejection::Refused),
        (401, "token_revoked") => AuthFault::TokenRevoked(Reason::Other),
        (401, "session_revoked") => AuthFault::SessionRevoked(None),
        (401, "invalid_session") => AuthFault::NoSession,
        (403, "cross_site_request") => return Failure::CrossSite,
        (403, code) if !code.is_empty() => return Failure::Denied(Denied { wanting: detail() }),
        (400, code) if !code.is_empty() => return Failure::InvalidRequest(detail()),
        (503, "store_unavailable") => return Unavailable::store("the gateway says so").into(),
        (503, "upstream_unavailable") => return Unavailable::upstream("the gateway says so").into(),
        (status, code) => {
            return Unavailable::upstream(format_args!("a gateway does not answer {status} {code:?}")).into();
        }
    };
    fault.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: http::HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_no_counts_only_in_the_gateways_own_words() {
        for (status, body) in [
            (201, ""),
            (204, ""),
            (302, ""),
            (401, ""),
            (401, "<html>"),
            (401, r#"{"code":"quota"}"#),
            (401, r#"{"code":"invalid_token","code":"token_revoked"}"#),
            (403, "Forbidden"),
            (404, r#"{"code":"not_found"}"#),
            (429, r#"{"code":"invalid_token"}"#),
            (500, ""),
            (502, ""),
            (503, ""),
        ] {
            let failure = refusal(&answer(status, body));
            assert_eq!(failure.status(), 503, "{status} {body}");
        }
        let refused = refusal(&answer(401, r#"{"code":"token_revoked","detail":"x"}"#));
        assert_eq!(refused.code(), "token_revoked");
    }
}
