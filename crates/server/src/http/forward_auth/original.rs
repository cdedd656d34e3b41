//! The request that a front proxy asks about, as far as the proxy is one that may say.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;

use super::super::error::Failure;
use super::super::gateway::Gateway;
use super::super::peer::PeerAddr;

/// The original request. Without a trusted proxy it is the request itself, and whatever `X-Forwarded-*` say is ignored.
#[derive(Clone, Debug)]
pub struct Original {
    /// Its method.
    pub method: Method,
    /// Whether a trusted proxy told of the method, or it is that of the question.
    pub method_is_told: bool,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// Its host, with its port if it has one.
    pub host: Option<String>,
    /// Its path and query.
    pub uri: Option<String>,
}

/// What a trusted proxy told of the original request, as far as a policy and a signed identity go by it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told<'r> {
    pub(super) method: Option<&'r str>,
    pub(super) host: Option<&'r str>,
    /// Path and query.
    pub(super) uri: Option<&'r str>,
}

impl FromRequestParts<Gateway> for Original {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        Self::read(parts, &gateway.trusted_proxies)
    }
}

/// The one value of those of these header fields that are there. A proxy sets one of them and may pass another on as its
/// client sent it, so two that differ say nothing.
fn single(headers: &HeaderMap, names: &[&str]) -> Result<Option<String>, Failure> {
    let mut found: Option<(&str, String)> = None;
    for name in names {
        let mut values = headers.get_all(*name).iter();
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            return Err(Failure::InvalidRequest(format!(
                "There is more than one {name} header"
            )));
        }
        let text = value.to_str().ok().filter(|text| !text.is_empty());
        let text =
            text.ok_or_else(|| Failure::InvalidRequest(format!("The {name} header cannot be read")))?;
        match &found {
            Some((first, said)) if said != text => {
                return Err(Failure::InvalidRequest(format!(
                    "The {first} and {name} headers differ"
                )));
            }
            Some(_) => {}
            None => found = Some((name, text.to_owned())),
        }
    }
    Ok(found.map(|(_, said)| said))
}

impl Original {
    /// Reads what the front proxy says, if it is one of the trusted.
    ///
    /// # Errors
    /// It is a trusted one, and what it says has more readings than one.
    pub fn read(parts: &Parts, trusted_proxies: &[IpNet]) -> Result<Self, Failure> {
        let peer = parts.extensions.get::<PeerAddr>();
        if !peer.is_some_and(|peer| peer.is_trusted(trusted_proxies)) {
            return Ok(Self {
                method: parts.method.clone(),
                method_is_told: false,
                scheme: None,
                host: None,
                uri: None,
            });
        }
        let headers = &parts.headers;
        let told = single(headers, &["x-forwarded-method", "x-original-method"])?;
        let method = match &told {
            Some(name) => Method::from_bytes(name.as_bytes())
                .map_err(|_| Failure::InvalidRequest("The forwarded method is not one".into()))?,
            None => parts.method.clone(),
        };
        Ok(Self {
            method,
            method_is_told: told.is_some(),
            scheme: single(headers, &["x-forwarded-proto"])?.filter(|s| s == "http" || s == "https"),
            host: single(headers, &["x-forwarded-host", "x-original-host"])?,
            uri: single(headers, &["x-forwarded-uri", "x-original-uri", "x-original-url"])?,
        })
    }

    pub(super) fn told(&self) -> Told<'_> {
        Told {
            method: self.method_is_told.then_some(self.method.as_str()),
            host: self.host.as_deref(),
            uri: self.uri.as_deref(),
        }
    }

    /// Whether a browser is going to a page, and would show where it is sent.
    pub fn is_navigation(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let page = match text("sec-fetch-mode") {
            Some(mode) => mode == "navigate",
            None => text("accept").is_some_and(|accept| accept.contains("text/html")),
        };
        page && matches!(self.method, Method::GET | Method::HEAD)
    }

    /// Sends the browser to log in, with the page that it wanted in `rd`, if a trusted proxy told of one.
    ///
    /// # Errors
    /// The page is not one that can be written into a URL.
    pub fn to_login(&self, login: &str) -> Result<Response, Failure> {
        let mut location = login.to_owned();
        if let (Some(scheme), Some(host), Some(uri)) = (&self.scheme, &self.host, &self.uri)
            && uri.starts_with('/')
        {
            let wanted = format!("{scheme}://{host}{uri}");
            let quoted: String = form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
            let separator = if login.contains('?') { '&' } else { '?' };
            location = format!("{login}{separator}rd={quoted}");
        }
        let location = HeaderValue::from_str(&location)
            .map_err(|_| Failure::InvalidRequest("The page cannot be written into a URL".into()))?;
        let no_store = HeaderValue::from_static("no-store");
        Ok((
            StatusCode::FOUND,
            [(header::LOCATION, location), (header::CACHE_CONTROL, no_store)],
        )
            .into_response())
    }
}
