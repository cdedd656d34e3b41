//! `GET /oauth/authorize`: checks an authorization request, and redirects the browser to the authorization
//! server.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::token_endpoint::AuthServerRefusal;
use maxlab_auth_core::verify::UpstreamBudget as _;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::super::app_state::{LoginRules, SharedState};
use super::super::body::RequestParameters;
use super::super::docs::failures::RelayFailures;
use super::super::error::{ApiError, OAuthApiError};
use super::super::error_page::{error_page, is_page_load};
use super::super::log_once::printable;
use super::super::rate_limit::CallerBudget;
use super::super::request_id::RequestId;
use super::authorization_request::{self, AuthorizationFault};
use super::{redirect, relay_error};
use crate::upstream::{AuthServerEndpoint, UpstreamError};

/// Longest query that is passed on, in bytes.
const MAX_QUERY_LEN: usize = 8 * 1024;

/// Redirects the browser to the login of the authorization server (RFC 6749 §4.1.1).
///
/// A fault of the request goes back to the client, if its redirect URI is listed in `ALLOWED_REDIRECT_URIS` and
/// its client is not refused (RFC 6749 §4.1.2.1). Every other failure is a page for a browser, and JSON for a
/// program.
#[utoipa::path(
    get, path = "/oauth/authorize", tag = "OAuth", operation_id = "authorize",
    summary = "Begin a login",
    description = "Checks the request and redirects the browser to the authorization server. Client and redirect URI are \
        compared exactly with `ALLOWED_CLIENT_IDS` and `ALLOWED_REDIRECT_URIS`, if set. PKCE with S256 is required.\n\nAny \
        other parameter is passed on. Only `resource` (RFC 8707) and `audience` may occur more than once. The query is at most 8 KiB long.\n\nA fault of another \
        parameter goes back to the client with `error` and `state` (RFC 6749 §4.1.2.1), if `ALLOWED_REDIRECT_URIS` lists the \
        redirect URI. Other failures are a page for a browser that opens this URL.",
    params(
        ("response_type" = String, Query, description = "Only `code` (RFC 6749 §4.1.1).", pattern = "^code$", example = "code"),
        ("client_id" = String, Query, description = "Client.", min_length = 1, example = "maxlab-dev"),
        ("redirect_uri" = String, Query, description = "Address to which the browser returns: an absolute URL without a fragment.",
            format = "uri", example = "http://localhost:3000/callback"),
        ("code_challenge" = String, Query, description = "SHA-256 of the verifier, in base64url (RFC 7636 §4.2).",
            pattern = "^[A-Za-z0-9_-]{43}$", example = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method" = String, Query, description = "Only `S256`.", pattern = "^S256$", example = "S256"),
        ("state" = Option<String>, Query, description = "Returned with the code, to be compared.", example = "af0ifjsldkj"),
        ("scope" = Option<String>, Query, description = "Requested scope.", example = "openid profile offline_access"),
    ),
    responses((status = 302, description = "To the authorization server, or back to the client with `error`.",
        headers(("Location" = String), ("Cache-Control" = String))), RelayFailures),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn authorize(
    State(gateway): State<SharedState>,
    budget: CallerBudget,
    request_id: Option<Extension<RequestId>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let id = request_id.as_ref().map(|Extension(id)| id);
    let is_page = is_page_load(&headers);
    let answer = match begin_login(&gateway, &budget, &query.unwrap_or_default()).await {
        Ok(response) => return response,
        Err(AuthorizeFailure::Api(error)) => Err(error),
        // An answer that is no refusal is a failure of the gateway's request.
        Err(AuthorizeFailure::Refused(refusal)) => relay_error(&refusal).map(|answer| (answer, refusal)),
    };
    match answer {
        Ok((answer, refusal)) if is_page => as_page(answer, &refusal, id),
        Ok((answer, _)) => answer,
        Err(error) if is_page => error.into_page(id),
        Err(error) => OAuthApiError(error).into_response(),
    }
}

/// Reason why no login begins.
enum AuthorizeFailure {
    /// Failure of the gateway.
    Api(ApiError),
    /// The authorization server refuses.
    Refused(AuthServerRefusal),
}

impl<F: Into<ApiError>> From<F> for AuthorizeFailure {
    fn from(failure: F) -> Self {
        Self::Api(failure.into())
    }
}

async fn begin_login(
    gateway: &SharedState,
    budget: &CallerBudget,
    query: &str,
) -> Result<Response, AuthorizeFailure> {
    budget.try_spend()?;
    if query.len() > MAX_QUERY_LEN {
        return Err(ApiError::InvalidRequest("The query is longer than 8 KiB".into()).into());
    }
    let parameters = match authorization_request::parse(query, &gateway.login_rules) {
        Ok(parameters) => parameters,
        Err(AuthorizationFault::ToClient(address)) => return Ok(redirect(&address)?),
        Err(AuthorizationFault::ToUser(why)) => return Err(ApiError::InvalidRequest(why).into()),
        Err(AuthorizationFault::Unlisted { name, value, setting }) => {
            log_unlisted(&gateway.login_rules, name, &value, setting);
            let value = printable(&value);
            let why = format!(
                "This {name} is not allowed: {value:?} is not in {setting}, which is compared exactly"
            );
            return Err(ApiError::InvalidRequest(why).into());
        }
    };
    let named = gateway
        .auth_server
        .named_address(AuthServerEndpoint::Authorize)
        .await;
    // A configured or published endpoint needs no request from here: the browser goes there itself.
    if let Some(address) = named {
        return Ok(redirect(with_parameters(address, &parameters).as_str())?);
    }
    request_authorization(gateway, &parameters).await
}

/// Logs a client or a redirect URI that is not listed, once.
fn log_unlisted(rules: &LoginRules, name: &str, value: &str, setting: &str) {
    if let Some(value) = rules.unlisted.first(value) {
        tracing::info!(%value, "a login with this {name} was refused, because {setting} does not list it");
    }
}

/// Replaces the body of a relayed refusal by a page.
fn as_page(answer: Response, refusal: &AuthServerRefusal, id: Option<&RequestId>) -> Response {
    let text = |name| {
        let body = refusal.body.as_ref();
        body.and_then(|body| body.get(name)).and_then(Value::as_str)
    };
    let code = text("error").unwrap_or("invalid_request");
    let detail = text("error_description").unwrap_or("The authorization server refused the request");
    let page = error_page("Login refused", detail, code, id);
    let (mut parts, _) = answer.into_parts();
    // Those of the page count.
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts.status, parts.headers, page).into_response()
}

/// Asks a server without metadata for the address of the login. It answers with JSON, a redirect, or the
/// login page (`docs/GUIDE.md`, "Authorize").
#[tracing::instrument(level = "debug", skip_all)]
async fn request_authorization(
    gateway: &SharedState,
    parameters: &RequestParameters,
) -> Result<Response, AuthorizeFailure> {
    let unreadable = |why| ApiError::Upstream(UpstreamError::Unreadable(why));
    let address = gateway.auth_server.address(AuthServerEndpoint::Authorize).await;
    let address = with_parameters(
        address.ok_or_else(|| unreadable("no authorization endpoint is known"))?,
        parameters,
    );
    let request = gateway.auth_server.request_to(Method::GET, address.clone());
    let answer = gateway
        .auth_server
        .send(AuthServerEndpoint::Authorize, request)
        .await?;
    if answer.status.is_redirection() {
        let location = answer
            .location()
            .ok_or_else(|| unreadable("the redirect has no Location"))?;
        // `Location` may be relative (RFC 9110 §10.2.2). The browser would resolve it against this gateway.
        let target = address
            .join(location)
            .map_err(|_| unreadable("the Location of the redirect is not a URL"))?;
        return Ok(redirect(as_web_url(&target).ok_or_else(|| {
            unreadable("the Location of the redirect is not an http(s) URL")
        })?)?);
    }
    if answer.status.is_success() && answer.is_html() {
        // The login page itself. It is not relayed, because its cookies and scripts belong to the server's
        // origin.
        return Ok(redirect(address.as_str())?);
    }
    if answer.status.is_success() {
        let body = answer.json_object()?;
        let target = body.get("authorization_url").and_then(|url| url.as_str());
        let target = target.and_then(|url| Url::parse(url).ok());
        // Some servers refuse with 200, as at the token endpoint.
        if target.is_none() && body.get("error").is_some_and(Value::is_string) {
            return Err(AuthorizeFailure::Refused(answer.refusal_despite_success()));
        }
        let target = target.ok_or_else(|| unreadable("there is no authorization_url in the body"))?;
        return Ok(redirect(as_web_url(&target).ok_or_else(|| {
            unreadable("the authorization_url is not an http(s) URL")
        })?)?);
    }
    Err(AuthorizeFailure::Refused(AuthServerRefusal::from(&answer)))
}

fn as_web_url(url: &Url) -> Option<&str> {
    matches!(url.scheme(), "http" | "https").then_some(url.as_str())
}

fn with_parameters(mut address: Url, parameters: &RequestParameters) -> Url {
    // Appended: a published endpoint may have a query of its own, which must be kept (RFC 6749 §3.1).
    address.query_pairs_mut().extend_pairs(parameters.pairs());
    address
}
