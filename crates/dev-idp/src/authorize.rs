//! The authorization endpoint: the request, the login, and the way back to the client (RFC 6749 §4.1, RFC 7636, RFC 9207).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::config;
use crate::error::DevIdpError;
use crate::grants::CodeGrant;
use crate::idp::DevServer;
use crate::pages;
use crate::params::{self, RequestParams};
use crate::people::Person;
use crate::pkce::PkceChallenge;
use crate::random;
use crate::scope::ScopeSet;

/// An authorization request that may be answered at its redirect URI.
struct AuthorizationRequest {
    client_id: String,
    redirect_uri: String,
    state: Option<String>,
    scope: ScopeSet,
    nonce: Option<String>,
    challenge: PkceChallenge,
}

/// Reason for refusing a request, and where it is reported (RFC 6749 §4.1.2.1).
enum AuthorizationRequestFault {
    /// Shown on a page in the browser, because the client or the redirect URI cannot be trusted.
    Shown(&'static str),
    /// Sent to the client at its redirect URI.
    Returned {
        redirect_uri: String,
        state: Option<String>,
        error: &'static str,
        description: &'static str,
    },
}

/// GET: the login page, or for a program that asks for JSON the address of that page (the gateway guide's form).
pub(crate) async fn show(
    State(idp): State<Arc<DevServer>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let params = RequestParams::from_urlencoded(query.unwrap_or_default().as_bytes());
    match AuthorizationRequest::parse(&params, &idp) {
        Err(fault) => fault.into_response(&idp, wants_json(&headers)),
        Ok(_) if wants_json(&headers) => {
            let page = idp.config.address("/oauth/authorize");
            Json(json!({ "authorization_url": format!("{page}?{}", params.to_query()) })).into_response()
        }
        Ok(request) => login_page(&idp, &request, &params, StatusCode::OK, None),
    }
}

/// POST: the login form. The request's parameters are in the query or in the form itself.
pub(crate) async fn log_in(
    State(idp): State<Arc<DevServer>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, crate::oauth_error::OAuthError> {
    if headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
    {
        return Ok(pages::fault(
            StatusCode::FORBIDDEN,
            "The login form was sent from another site.",
        ));
    }
    if params::content_type(&headers).as_deref() != Some("application/x-www-form-urlencoded") {
        return Ok(pages::fault(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The login is a form (application/x-www-form-urlencoded).",
        ));
    }
    let mut params = RequestParams::from_urlencoded(query.unwrap_or_default().as_bytes());
    params.merge(RequestParams::from_urlencoded(&body));
    let (login, password) = (params.take("login"), params.take("password"));
    let request = match AuthorizationRequest::parse(&params, &idp) {
        Ok(request) => request,
        Err(fault) => return Ok(fault.into_response(&idp, wants_json(&headers))),
    };
    let Some(login) = login else {
        // OpenID Connect Core §3.1.2.1: the request itself may come by POST.
        return Ok(login_page(&idp, &request, &params, StatusCode::OK, None));
    };
    let same = |person: &&Person| person.login == login && Some(&person.password) == password.as_ref();
    match idp.config.people.iter().find(same) {
        Some(person) => Ok(issue_code(&idp, request, person)?),
        None => Ok(login_page(
            &idp,
            &request,
            &params,
            StatusCode::FORBIDDEN,
            Some(&login),
        )),
    }
}

fn login_page(
    idp: &DevServer,
    request: &AuthorizationRequest,
    params: &RequestParams,
    status: StatusCode,
    refused_login: Option<&str>,
) -> Response {
    pages::login(
        status,
        &pages::LoginPage {
            people: &idp.config.people,
            client_id: &request.client_id,
            redirect_uri: &request.redirect_uri,
            scope: &request.scope.to_string(),
            action: &format!("/oauth/authorize?{}", params.to_query()),
            login: refused_login.or(params.value("login_hint")).unwrap_or_default(),
            refused: refused_login.is_some(),
        },
    )
}

fn issue_code(
    idp: &DevServer,
    request: AuthorizationRequest,
    person: &Person,
) -> Result<Response, DevIdpError> {
    let now = idp.now();
    let code = URL_SAFE_NO_PAD.encode(random::bytes()?);
    let grant = CodeGrant {
        sid: random::uuid()?,
        client_id: request.client_id,
        redirect_uri: request.redirect_uri.clone(),
        challenge: request.challenge,
        sub: person.sub.clone(),
        scope: request.scope,
        nonce: request.nonce,
        auth_time: now,
        expires_at: now.saturating_add(config::signed(idp.config.code_seconds)),
    };
    idp.grants.issue_code(&code, grant, now);
    tracing::info!(sub = %person.sub, "logged in");
    Ok(redirect(
        idp,
        &request.redirect_uri,
        &[("code", Some(&code)), ("state", request.state.as_deref())],
    ))
}

impl AuthorizationRequest {
    fn parse(params: &RequestParams, idp: &DevServer) -> Result<Self, AuthorizationRequestFault> {
        let client_id = params.value("client_id").ok_or(AuthorizationRequestFault::Shown(
            "client_id is missing, or sent twice.",
        ))?;
        let client = idp
            .config
            .clients
            .iter()
            .find(|client| client.id == client_id)
            .ok_or(AuthorizationRequestFault::Shown(
                "No client is registered under this client_id.",
            ))?;
        let redirect_uri = params
            .value("redirect_uri")
            .ok_or(AuthorizationRequestFault::Shown(
                "redirect_uri is missing, or sent twice.",
            ))?;
        if !client
            .redirect_uris
            .iter()
            .chain(&idp.config.redirect_uris)
            .any(|known| known == redirect_uri)
        {
            return Err(AuthorizationRequestFault::Shown(
                "This redirect_uri is not registered for the client. It is compared exactly.",
            ));
        }
        let state = params.value("state");
        let returned = |(error, description)| AuthorizationRequestFault::Returned {
            redirect_uri: redirect_uri.to_owned(),
            state: state.map(str::to_owned),
            error,
            description,
        };
        let challenge = acceptable(params).map_err(returned)?;
        let scope = granted_scope(params, idp).map_err(returned)?;
        Ok(Self {
            client_id: client_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            state: state.map(str::to_owned),
            scope,
            nonce: params.value("nonce").map(str::to_owned),
            challenge,
        })
    }
}

/// Checks what does not depend on the client, and returns the PKCE challenge; or the error code and its description.
fn acceptable(params: &RequestParams) -> Result<PkceChallenge, (&'static str, &'static str)> {
    if params.any_repeated() {
        return Err(("invalid_request", "a parameter is sent more than once"));
    }
    if params.value("request").is_some() {
        return Err(("request_not_supported", "request objects are not supported"));
    }
    if params.value("request_uri").is_some() {
        return Err(("request_uri_not_supported", "request objects are not supported"));
    }
    match params.value("response_type") {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "response_type must be code")),
        None => return Err(("invalid_request", "response_type is missing")),
    }
    if params.value("response_mode").is_some_and(|mode| mode != "query") {
        return Err(("invalid_request", "response_mode must be query"));
    }
    if params
        .value("prompt")
        .is_some_and(|prompt| prompt.split(' ').any(|word| word == "none"))
    {
        return Err(("login_required", "every request needs a login here"));
    }
    let challenge = params.value("code_challenge").ok_or((
        "invalid_request",
        "code_challenge is missing: PKCE with S256 is required",
    ))?;
    // RFC 7636 §4.3: an absent method means plain.
    if params.value("code_challenge_method") != Some("S256") {
        return Err(("invalid_request", "code_challenge_method must be S256"));
    }
    PkceChallenge::parse(challenge).ok_or(("invalid_request", "code_challenge is not a base64url SHA-256"))
}

/// The asked scopes that exist; with no `scope` the usual ones.
fn granted_scope(params: &RequestParams, idp: &DevServer) -> Result<ScopeSet, (&'static str, &'static str)> {
    let asked = ScopeSet::parse(params.value("scope").unwrap_or("openid profile email"));
    let scope = asked.retain(|name| idp.config.scopes.iter().any(|known| known == name));
    match scope.is_empty() {
        true => Err(("invalid_scope", "none of the requested scopes exists here")),
        false => Ok(scope),
    }
}

impl AuthorizationRequestFault {
    fn into_response(self, idp: &DevServer, json: bool) -> Response {
        match self {
            Self::Shown(text) if json => {
                crate::oauth_error::OAuthError::invalid_request(text).into_response()
            }
            Self::Shown(text) => pages::fault(StatusCode::BAD_REQUEST, text),
            Self::Returned {
                redirect_uri,
                state,
                error,
                description,
            } => {
                let answer = [
                    ("error", Some(error)),
                    ("error_description", Some(description)),
                    ("state", state.as_deref()),
                ];
                redirect(idp, &redirect_uri, &answer)
            }
        }
    }
}

/// 302 to the redirect URI, its own query kept, with the answer and `iss` (RFC 9207) added.
fn redirect(idp: &DevServer, redirect_uri: &str, answer: &[(&str, Option<&str>)]) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in answer {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.append_pair("iss", &idp.config.issuer);
    let separator = if redirect_uri.contains('?') { '&' } else { '?' };
    match HeaderValue::try_from(format!("{redirect_uri}{separator}{}", query.finish())) {
        Ok(location) => {
            let no_store = HeaderValue::from_static("no-store");
            (
                StatusCode::FOUND,
                [(header::LOCATION, location), (header::CACHE_CONTROL, no_store)],
            )
                .into_response()
        }
        Err(_) => pages::fault(
            StatusCode::BAD_REQUEST,
            "The redirect URI cannot be sent as a header.",
        ),
    }
}

/// Returns `true` for a program: a caller that accepts JSON and no HTML.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}
