//! Original request that a front proxy asks about. Only a trusted proxy can describe one.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use maxlab_auth_core::access::ForwardedAttribute;
use maxlab_auth_core::policy::{AmbiguousRequest, CanonicalHost, PathFault, TargetUrl};
use percent_encoding::{CONTROLS, percent_encode};

use super::super::app_state::LoginAddress;
use super::super::error::ApiError;
use super::super::navigation::is_top_level_navigation;
use super::super::peer::PeerAddr;

/// Original request. Without a trusted proxy it is the request itself, and all `X-Forwarded-*` headers are
/// ignored.
#[derive(Clone, Debug)]
pub struct OriginalRequest {
    /// Method of the original request.
    pub method: Method,
    /// `true` if a trusted proxy forwards the method; `false` if `method` is that of the request to the
    /// gateway.
    pub method_is_forwarded: bool,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// Host, with its port if it has one.
    pub host: Option<String>,
    /// Path and query. Bytes, because clients send queries that are no text.
    pub uri: Option<Vec<u8>>,
}

/// Parts of the original request that a trusted proxy forwards, for the policy and the signed identity.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::http) struct ForwardedRequest<'r> {
    pub(in crate::http) method: Option<&'r str>,
    /// `http` or `https`.
    pub(in crate::http) scheme: Option<&'r str>,
    pub(in crate::http) host: Option<&'r str>,
    /// Path and query.
    pub(in crate::http) uri: Option<&'r [u8]>,
}

impl<'r> ForwardedRequest<'r> {
    /// Splits a whole URL in the place of the URI, which ingress-nginx sends as `X-Original-URL`. Its scheme
    /// and its host count if the proxy forwards no others.
    ///
    /// # Errors
    /// The URL's host is malformed, or is another one than the forwarded host.
    pub(in crate::http) fn with_split_url(self) -> Result<Self, AmbiguousRequest> {
        let target = self.uri.unwrap_or_default();
        if target.first() == Some(&b'/') {
            return Ok(self);
        }
        let Some(url) = TargetUrl::split(target)? else {
            return Ok(self);
        };
        let named = CanonicalHost::parse(url.authority)?;
        if let Some(host) = self.host
            && CanonicalHost::parse(host)? != named
        {
            return Err(AmbiguousRequest::ConflictingHosts);
        }
        Ok(Self {
            scheme: self.scheme.or(Some(url.scheme)),
            host: self.host.or(Some(url.authority)),
            uri: match url.rest.first() {
                Some(b'/') => Some(url.rest),
                None => Some(b"/"),
                // A query without a path: the policy reads the path `/` from the whole URL.
                Some(_) => self.uri,
            },
            ..self
        })
    }
}

/// Returns the one value of the headers of an attribute. A proxy sets one of them and may pass on another from
/// its client, so two different values are refused.
fn single_value(headers: &HeaderMap, attribute: ForwardedAttribute) -> Result<Option<&[u8]>, ApiError> {
    // The name is kept for the error text.
    let mut found: Option<(&str, &[u8])> = None;
    for name in attribute.names() {
        let mut values = headers.get_all(*name).iter();
        let Some(value) = values.next().map(HeaderValue::as_bytes) else {
            continue;
        };
        if values.next().is_some() {
            return Err(ApiError::InvalidRequest(format!(
                "There is more than one {name} header"
            )));
        }
        if value.is_empty() {
            return Err(ApiError::InvalidRequest(format!("The {name} header is empty")));
        }
        match &found {
            Some((first, other)) if *other != value => {
                return Err(ApiError::InvalidRequest(format!(
                    "The {first} and {name} headers differ"
                )));
            }
            Some(_) => {}
            None => found = Some((name, value)),
        }
    }
    Ok(found.map(|(_, value)| value))
}

/// Returns the one value of the headers of an attribute that is text.
fn single_text(headers: &HeaderMap, attribute: ForwardedAttribute) -> Result<Option<&str>, ApiError> {
    let Some(value) = single_value(headers, attribute)? else {
        return Ok(None);
    };
    let is_visible = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    match std::str::from_utf8(value) {
        Ok(text) if is_visible => Ok(Some(text)),
        _ => Err(ApiError::InvalidRequest(format!(
            "The {} header is not visible ASCII",
            attribute.name()
        ))),
    }
}

/// Refuses a host that is not one name or address with a port (RFC 9110 §7.2), and a URI with a control
/// character, or with a path outside ASCII. This holds without a policy too, because redirects and applications
/// use both. The query decides nothing: other bytes in it are left to the application.
fn check_unambiguous(forwarded: &ForwardedRequest<'_>) -> Result<(), AmbiguousRequest> {
    if let Some(host) = forwarded.host {
        CanonicalHost::parse(host)?;
    }
    match forwarded.uri {
        Some(uri) if uri.iter().any(u8::is_ascii_control) => Err(PathFault::Control.into()),
        Some(uri) if !uri.iter().take_while(|byte| **byte != b'?').all(u8::is_ascii) => {
            Err(PathFault::Unencoded.into())
        }
        _ => Ok(()),
    }
}

impl OriginalRequest {
    /// Reads the headers of the front proxy, if it is a trusted one.
    ///
    /// # Errors
    /// A trusted proxy sends headers that are malformed or contradict each other.
    pub fn from_parts(parts: &Parts, trusted_proxies: &[IpNet]) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<PeerAddr>();
        if !peer.is_some_and(|peer| peer.is_trusted(trusted_proxies)) {
            // `None` and not the request's own host: a policy must not be satisfied by what a client sends
            // itself.
            return Ok(Self {
                method: parts.method.clone(),
                method_is_forwarded: false,
                scheme: None,
                host: None,
                uri: None,
            });
        }
        let headers = &parts.headers;
        let scheme = single_text(headers, ForwardedAttribute::Scheme)?.map(str::to_ascii_lowercase);
        let forwarded = ForwardedRequest {
            method: single_text(headers, ForwardedAttribute::Method)?,
            // Only used for the way back after a login, where another scheme would be dangerous.
            scheme: scheme
                .as_deref()
                .filter(|scheme| matches!(*scheme, "http" | "https")),
            host: single_text(headers, ForwardedAttribute::Host)?,
            uri: single_value(headers, ForwardedAttribute::Uri)?,
        };
        let forwarded = forwarded.with_split_url().map_err(ApiError::Ambiguous)?;
        check_unambiguous(&forwarded).map_err(ApiError::Ambiguous)?;
        let method = match forwarded.method {
            Some(name) => Method::from_bytes(name.as_bytes())
                .map_err(|_| ApiError::InvalidRequest("The forwarded method is not an HTTP method".into()))?,
            None => parts.method.clone(),
        };
        Ok(Self {
            method,
            method_is_forwarded: forwarded.method.is_some(),
            scheme: forwarded.scheme.map(str::to_owned),
            host: forwarded.host.map(str::to_owned),
            uri: forwarded.uri.map(<[u8]>::to_vec),
        })
    }

    pub(in crate::http) fn forwarded(&self) -> ForwardedRequest<'_> {
        ForwardedRequest {
            method: self.method_is_forwarded.then_some(self.method.as_str()),
            scheme: self.scheme.as_deref(),
            host: self.host.as_deref(),
            uri: self.uri.as_deref(),
        }
    }

    /// Returns `true` if a person opens a page, and would see the page of a redirect.
    pub fn is_navigation(&self, headers: &HeaderMap) -> bool {
        is_top_level_navigation(&self.method, headers)
    }

    /// Redirects the browser to the login, with the requested page if a trusted proxy forwards it.
    ///
    /// # Errors
    /// The location is not a valid header value.
    pub fn login_redirect(&self, login: &LoginAddress) -> Result<Response, ApiError> {
        let mut location = login.url.clone();
        // A URI without `/` at its beginning could continue the host: `example` and `.evil.test`.
        if let (Some(scheme), Some(host), Some(uri)) = (&self.scheme, &self.host, &self.uri)
            && uri.first() == Some(&b'/')
        {
            // A URL is ASCII; other bytes are encoded as browsers do (WHATWG URL §1.3).
            let uri = percent_encode(uri, CONTROLS);
            let page = format!("{scheme}://{host}{uri}");
            let encoded: String = form_urlencoded::byte_serialize(page.as_bytes()).collect();
            let separator = if location.contains('?') { '&' } else { '?' };
            let name = login.target_parameter();
            location = format!("{location}{separator}{name}={encoded}");
        }
        let location = HeaderValue::from_str(&location).map_err(|_| {
            ApiError::InvalidRequest("The requested page cannot be part of a redirect".into())
        })?;
        let no_store = HeaderValue::from_static("no-store");
        Ok((
            StatusCode::FOUND,
            [(header::LOCATION, location), (header::CACHE_CONTROL, no_store)],
        )
            .into_response())
    }
}
