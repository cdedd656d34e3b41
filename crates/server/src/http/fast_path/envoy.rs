//! Fast path for Envoy's ext_authz over gRPC.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use maxlab_auth_ext_authz::{FastPathRequest, IdentityHeaders};

use super::FastPath;
use super::verify_request::{self, VerifyRequest};
use crate::http::forward_auth::{ForwardedRequest, X_AUTH_IDENTITY};

impl FastPath {
    /// Returns the identity headers of an allowed request, if it can be decided without waiting. `None`
    /// leaves it to the router.
    pub(in crate::http) fn identity_for_envoy(&self, check: &FastPathRequest<'_>) -> Option<IdentityHeaders> {
        let received_at = Instant::now();
        let verify = parse_check_request(check, self.gateway.cookies.cookie_name())?;
        let now = self.gateway.engine.now();
        let (caller, signed_identity) = self.decide(&verify, now)?;
        let active = caller.active();
        let mut identity = self.gateway.forward_auth.header_style.identity_pairs(active);
        if let Some(value) = signed_identity {
            identity.push((X_AUTH_IDENTITY, value.to_str().unwrap_or_default().to_owned()));
        }
        let client = || check.client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        // Nothing to write: the gRPC service encodes the answer. The call is only for the access log.
        self.with_access_log(&verify.effective_request_id(), received_at, client, || ());
        self.metrics.record(active, received_at);
        Some(identity)
    }
}

/// Converts a check of Envoy. `None` if anything about it is not in the plain form.
fn parse_check_request<'q>(check: &'q FastPathRequest<'_>, cookie: &str) -> Option<VerifyRequest<'q>> {
    let (mut token, mut session, mut request_id) = (None, None, None);
    // Envoy sends header names in lower case.
    for &(name, value) in &check.fields {
        match name {
            "authorization" => verify_request::set_once(&mut token, value)?,
            "cookie" => verify_request::read_cookies(value, cookie, &mut session)?,
            "x-request-id" => verify_request::set_once(&mut request_id, value)?,
            _ => {}
        }
    }
    // An absent field of a protobuf message is an empty string.
    let present = |text: &'q str| (!text.is_empty()).then_some(text);
    present(check.host)
        .is_none_or(verify_request::is_common_host)
        .then_some(())?;
    check
        .method
        .bytes()
        .all(|byte| byte.is_ascii_uppercase())
        .then_some(())?;
    Some(VerifyRequest {
        credential: verify_request::plain_credential(token, session, present(check.method))?,
        query: verify_request::plain_query(&check.query)?,
        request_id,
        // No trust check: only proxies can call this port.
        forwarded: ForwardedRequest {
            method: present(check.method),
            scheme: None,
            host: present(check.host),
            uri: present(check.target).map(str::as_bytes),
        }
        .with_split_url()
        .ok()?,
    })
}
