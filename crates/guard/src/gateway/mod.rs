//! Client of a gateway: asks `/auth/verify` over HTTP. Only a complete and well-formed 200 is a yes.

mod identity;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use maxlab_auth_core::engine::CredentialRefusal;
use maxlab_auth_core::error_code::ErrorCode;
use maxlab_auth_core::guard::{AccessDenied, IdentityAttribute};
use maxlab_auth_core::identity::Identity;
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::TokenRejection;
use maxlab_auth_jose::parse_object;
use reqwest::{Client, RequestBuilder};
use url::Url;

pub(crate) use self::identity::IDENTITY_HEADERS;

use crate::caller::Caller;
use crate::credentials::RequestHead;
use crate::failure::GuardFailure;
use crate::http_client::{self, BufferedResponse, send_buffered};
use crate::requirement::GatewayQuery;
use crate::setup_fault::SetupFault;

/// Headers in which a browser names the origin of a request. The gateway needs them to accept a cookie
/// (docs/decisions/0007).
const ORIGIN_HEADERS: [HeaderName; 2] = [header::ORIGIN, HeaderName::from_static("sec-fetch-site")];

/// Settings of a guard that asks a gateway.
///
/// The gateway reads tokens and session cookies. It accepts a cookie on a request that changes state (POST,
/// PUT, …) only if it can check the request's origin. For that, add the application's address to the
/// gateway's `TRUSTED_PROXIES`, or its origin to `CORS_ORIGINS`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayClientSettings {
    /// Address of the gateway, for example `http://127.0.0.1:8080`. A server that can answer there decides
    /// who gets in: use https on any network that is not your own.
    pub url: String,
    /// Time limit of one question; the default is 2 s. After it the answer is 503.
    pub timeout: Duration,
    /// Number of idle connections that are kept for later requests; the default is 64.
    pub idle_connections: usize,
}

impl GatewayClientSettings {
    /// Returns the default settings for the gateway at this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            timeout: Duration::from_secs(2),
            idle_connections: 64,
        }
    }

    /// Sets the time limit of one question.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the number of idle connections.
    #[must_use]
    pub fn idle_connections(mut self, idle_connections: usize) -> Self {
        self.idle_connections = idle_connections;
        self
    }
}

/// Client of one gateway, with its pool of connections.
pub(crate) struct GatewayClient {
    http: Client,
    verify_url: Url,
}

impl GatewayClient {
    pub(crate) fn new(settings: &GatewayClientSettings) -> Result<Self, SetupFault> {
        // With one slash at the end, `join` appends to the path; without it, it would replace the last
        // segment.
        let base = format!("{}/", settings.url.trim_end_matches('/'));
        let base = Url::parse(&base).ok();
        let base = base.filter(|url| matches!(url.scheme(), "http" | "https"));
        Ok(Self {
            http: http_client::build_client(settings.timeout, settings.idle_connections)?,
            verify_url: base
                .and_then(|base| base.join("auth/verify").ok())
                .ok_or(SetupFault::Url)?,
        })
    }

    /// Asks the gateway, and returns the caller if it accepts the credential and grants the query.
    #[tracing::instrument(level = "debug", skip_all, fields(method = %head.method))]
    pub(crate) async fn admit(
        &self,
        head: RequestHead<'_>,
        query: Option<GatewayQuery<'_>>,
    ) -> Result<Caller, GuardFailure> {
        // A name that no query can express is dropped here. The permit then fails on the identity, which does
        // not contain it.
        let query = query.filter(GatewayQuery::is_expressible);
        let request = self.verify_request(head, query)?;
        let answer = send_buffered(request).await?;
        // Exactly 200: a 204 or a redirect comes from something other than a gateway.
        if answer.status != StatusCode::OK {
            return Err(failure_from_response(&answer));
        }
        let mut identity = identity::identity_from_headers(&answer.headers, SystemClock.now())?;
        if let Some(granted) = query {
            add_granted(&mut identity, granted);
        }
        Ok(Caller::from_gateway(identity))
    }

    /// Makes the request to the gateway. It repeats one credential, and what the gateway needs to check a
    /// cookie and a path.
    fn verify_request(
        &self,
        head: RequestHead<'_>,
        query: Option<GatewayQuery<'_>>,
    ) -> Result<RequestBuilder, GuardFailure> {
        let mut address = self.verify_url.clone();
        if let Some(GatewayQuery { attribute, name }) = query {
            address.query_pairs_mut().append_pair(attribute.as_str(), name);
        }
        // The gateway checks the origin of an unsafe method. If it does not trust our X-Forwarded-Method, it
        // sees this one.
        let method = if head.method.is_safe() {
            Method::GET
        } else {
            Method::POST
        };
        let mut request = self.http.request(method, address);
        if let Some(token) = head.bearer_token().map_err(GuardFailure::of_credential)? {
            // The token decides even if a cookie is there too: a good cookie does not make up for a bad
            // token.
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| CredentialRefusal::Rejected(TokenRejection::Malformed))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        } else {
            let cookies = head.session_cookies().ok_or(GuardFailure::MissingCredential)?;
            request = request.header(header::COOKIE, cookies);
        }
        for name in ORIGIN_HEADERS {
            for value in head.headers.get_all(&name) {
                request = request.header(&name, value);
            }
        }
        if let Some(host) = head.host() {
            request = request.header("x-forwarded-host", host);
        }
        // JSON, so that a refusal has a `code`: for HTML the gateway may answer with a redirect to the login
        // page.
        Ok(request
            .header(header::ACCEPT, "application/json")
            .header("x-forwarded-method", head.method.as_str())
            .header("x-forwarded-uri", head.original_path()))
    }
}

/// Adds the queried name to the identity: the gateway's 200 grants it.
fn add_granted(identity: &mut Identity, GatewayQuery { attribute, name }: GatewayQuery<'_>) {
    let list = match attribute {
        IdentityAttribute::Role => &mut identity.roles,
        IdentityAttribute::Group => &mut identity.groups,
        IdentityAttribute::Permission => &mut identity.permissions,
        IdentityAttribute::Workspace => &mut identity.workspaces,
        IdentityAttribute::Scope => &mut identity.scope,
    };
    // Roles and groups may be listed already, from the headers.
    if !list.iter().any(|known| known == name) {
        list.push(name.to_owned());
    }
}

/// Returns the failure that an answer other than 200 means. A no counts only with one of the gateway's own
/// codes: a proxy in between that answers 401 by itself must not log a user out.
fn failure_from_response(answer: &BufferedResponse) -> GuardFailure {
    // Strictly parsed: an object with a repeated key is malformed, so its code does not count.
    let problem = parse_object(&answer.body).unwrap_or_default();
    let text = |name: &str| {
        problem
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
    };
    let detail = || text("detail").to_owned();
    let (status, code) = (answer.status.as_u16(), text("code"));
    let known = |known: &ErrorCode| known.status() == status && known.as_str() == code;
    let refusal = match (ErrorCode::ALL.into_iter().find(known), status) {
        (Some(ErrorCode::MissingCredential), _) => return GuardFailure::MissingCredential,
        (Some(ErrorCode::TokenExpired), _) => CredentialRefusal::Rejected(TokenRejection::Expired),
        (Some(ErrorCode::InvalidToken), _) => CredentialRefusal::Rejected(TokenRejection::Refused),
        // The answer has no reason of the revocation; no text of the guard shows one.
        (Some(ErrorCode::TokenRevoked), _) => CredentialRefusal::TokenRevoked(RevocationReason::Other),
        (Some(ErrorCode::SessionRevoked), _) => CredentialRefusal::SessionRevoked(None),
        (Some(ErrorCode::InvalidSession), _) => CredentialRefusal::NoSession,
        (Some(ErrorCode::CrossSiteRequest), _) => return GuardFailure::CrossSite,
        (Some(ErrorCode::StoreUnavailable), _) => {
            return Unavailable::store("reported by the gateway").into();
        }
        (Some(ErrorCode::UpstreamUnavailable), _) => {
            return Unavailable::upstream("reported by the gateway").into();
        }
        // Any other code: the gateway may get new reasons for a refusal, and each of them is a no.
        (_, 403) if !code.is_empty() => return GuardFailure::Denied(AccessDenied { message: detail() }),
        (_, 400) if !code.is_empty() => return GuardFailure::InvalidRequest(detail()),
        // Undecided, also for 429, 500 and for every other 503: the credential itself was not judged.
        _ => {
            return Unavailable::upstream(format_args!(
                "unexpected answer of the gateway: {status} {code:?}"
            ))
            .into();
        }
    };
    refusal.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> BufferedResponse {
        BufferedResponse {
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
            let failure = failure_from_response(&answer(status, body));
            assert_eq!(failure.status(), 503, "{status} {body}");
        }
        let refused = failure_from_response(&answer(401, r#"{"code":"token_revoked","detail":"x"}"#));
        assert_eq!(refused.code(), "token_revoked");
    }
}
