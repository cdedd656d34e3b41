//! Fast path of `/auth/verify`: answers below HTTP and without waiting, for a token or a session cookie whose
//! verdict is cached, for a token that can be checked synchronously, and for requests that the policy makes
//! public (decisions 14, 16 and 38).
//!
//! It answers 200 or declines. Access is decided where the router decides it ([`maxlab_auth_core::access`]).
//! Every refusal, and every request that is not in the plain form, is left to the router. The router would
//! give the same status and the same headers (`tests/guide/at_once.rs`).

mod envoy;
mod metrics;
mod response;
mod verify_request;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use maxlab_auth_core::access::{
    AccessDecision, AccessOutcome, AccessRequest, CredentialState, IoStep, LoginPrompt,
};
use maxlab_auth_core::guard::RequirementSet;
use maxlab_auth_core::policy::PolicyRequest;
use maxlab_auth_core::verdict::ActiveCredential;
use maxlab_auth_listener::{FastResponder, FieldStorage, ParsedHead, ReceiveInfo, RequestHead};

use self::metrics::FastPathMetrics;
use self::response::AllowResponse;
use self::verify_request::{PlainCredential, VerifyRequest};
use crate::http::app_state::SharedState;
use crate::http::forward_auth::query_requirements;
use crate::http::layers::{LayerConfig, observe, security_headers};
use crate::http::request_id::RequestId;

const VERIFY_ROUTE: &str = "/auth/verify";
const VERIFY_REQUEST_PREFIX: &[u8] = b"GET /auth/verify";
/// Number of different queries whose requirements are cached.
const MAX_CACHED_QUERIES: usize = 256;

/// Fast path of one gateway.
#[derive(Debug)]
pub struct FastPath {
    gateway: SharedState,
    /// Status line, and the headers that every answer has.
    response_prefix: Vec<u8>,
    /// Identity headers of an anonymous request.
    anonymous_headers: Vec<u8>,
    /// Cache of parsed queries. Its keys come from clients, so it is bounded by `MAX_CACHED_QUERIES`.
    requirements_by_query: RwLock<HashMap<Box<str>, Arc<RequirementSet>>>,
    metrics: FastPathMetrics,
}

/// Caller that is allowed to pass.
enum AllowedCaller {
    /// Holder of an active token or session.
    Authenticated(ActiveCredential),
    /// Caller of a public path without a credential.
    Anonymous,
}

impl AllowedCaller {
    fn active(&self) -> Option<&ActiveCredential> {
        match self {
            Self::Authenticated(active) => Some(active),
            Self::Anonymous => None,
        }
    }
}

impl FastPath {
    /// Creates the fast path of this gateway. Headers that every answer has are rendered once.
    pub fn new(gateway: &SharedState, config: &LayerConfig) -> Self {
        let mut headers = HeaderMap::from_iter([
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::CONTENT_LENGTH, HeaderValue::from_static("0")),
        ]);
        security_headers::insert_security_headers(&mut headers, config.secure);
        let mut response_prefix = b"HTTP/1.1 200 OK\r\n".to_vec();
        response::write_fields(&headers, &mut response_prefix);
        let mut anonymous_headers = Vec::new();
        let style = gateway.forward_auth.header_style;
        response::write_fields(&style.anonymous_headers(), &mut anonymous_headers);
        Self {
            gateway: Arc::clone(gateway),
            response_prefix,
            anonymous_headers,
            requirements_by_query: RwLock::default(),
            metrics: FastPathMetrics::new(),
        }
    }

    /// Returns the requirements of a query, from the cache if possible. `None` leaves the request to the
    /// router.
    fn requirements_for(&self, query: &str) -> Option<Arc<RequirementSet>> {
        let cached = self
            .requirements_by_query
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(query)
            .cloned();
        if cached.is_some() {
            return cached;
        }
        let requirements = query_requirements(&self.gateway, query).ok()?;
        let requirements = Arc::new(requirements);
        let mut queries = self
            .requirements_by_query
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Full: nothing is evicted. Proxies use a few fixed queries, and only a client can invent more.
        if queries.len() < MAX_CACHED_QUERIES {
            queries.insert(query.into(), Arc::clone(&requirements));
        }
        Some(requirements)
    }

    /// Returns the caller if the request may pass and that can be decided without waiting. `None` for every
    /// other request: the router decides about it and gives the reason of a refusal.
    fn try_check_access(
        &self,
        verify: &VerifyRequest<'_>,
        original: Option<&PolicyRequest<'_>>,
        now: Timestamp,
    ) -> Option<AllowedCaller> {
        let requirements = match verify.query {
            "" => None,
            query => Some(self.requirements_for(query)?),
        };
        let policy = self.gateway.forward_auth.current_policy();
        let request = AccessRequest {
            policy: policy.as_deref(),
            original: Ok(original),
            requirements: requirements.as_deref(),
            credential: match verify.credential {
                Some(_) => CredentialState::Presented,
                None => CredentialState::Absent,
            },
            has_workspace_store: self.gateway.has_workspace_store(),
            names_workspaces: self.gateway.forward_auth.header_style.workspaces,
            // Not sent: a refusal is the router's.
            login_prompt: LoginPrompt::Challenge,
        };
        let outcome = match request.decide() {
            // Workspaces of the database are read on every request, which takes a wait.
            AccessOutcome::NeedsIo(IoStep::Authenticate(pending)) if !pending.needs_workspaces() => {
                let engine = &self.gateway.engine;
                let active = match verify.credential.as_ref()? {
                    PlainCredential::Token(token) => engine.try_authenticate(token, now)?,
                    PlainCredential::Session(id) => engine.try_authenticate_cookie(id, now)?,
                };
                pending.resume(Ok(active))
            }
            outcome => outcome,
        };
        match outcome {
            AccessOutcome::Decided(AccessDecision::Allow(active)) => {
                Some(AllowedCaller::Authenticated(active))
            }
            AccessOutcome::Decided(AccessDecision::AllowPublic(_)) => Some(AllowedCaller::Anonymous),
            AccessOutcome::Decided(AccessDecision::Refuse(_)) | AccessOutcome::NeedsIo(_) => None,
        }
    }

    /// Returns the allowed caller and its signed identity. `None` leaves the request to the router.
    fn decide(
        &self,
        verify: &VerifyRequest<'_>,
        now: Timestamp,
    ) -> Option<(AllowedCaller, Option<HeaderValue>)> {
        let config = &self.gateway.forward_auth;
        let original = config.policy_request(verify.forwarded).ok()?;
        let caller = self.try_check_access(verify, original.as_ref(), now)?;
        // Requests here are GET, so without a forwarded method the original one is GET too.
        let method = verify.forwarded.method.unwrap_or("GET");
        let signed = config
            .sign_identity(caller.active(), original.as_ref(), method, now)
            .ok()?;
        Some((caller, signed))
    }

    /// Runs `write` in a request span and writes the access-log line, if the access log or DEBUG is enabled.
    /// Otherwise it only runs `write`, because the log costs more than the answer (decision 14).
    fn with_access_log(
        &self,
        id: &RequestId,
        received_at: Instant,
        client: impl FnOnce() -> IpAddr,
        write: impl FnOnce(),
    ) {
        if observe::is_access_log_enabled() || tracing::enabled!(tracing::Level::DEBUG) {
            let span = tracing::error_span!("request", request_id = %id);
            span.in_scope(|| {
                write();
                observe::log_access(
                    "GET",
                    VERIFY_ROUTE,
                    Some(StatusCode::OK),
                    received_at.elapsed(),
                    client(),
                );
            });
        } else {
            write();
        }
    }
}

impl FastResponder for FastPath {
    fn try_respond(&self, bytes: &[u8], from: ReceiveInfo, out: &mut Vec<u8>) -> Option<usize> {
        // Cheap, before the parser: other routes are the router's.
        if !bytes.starts_with(VERIFY_REQUEST_PREFIX) {
            return None;
        }
        let ReceiveInfo { peer, received_at } = from;
        let mut storage = FieldStorage::default();
        let ParsedHead::Complete(request) = RequestHead::parse(bytes, &mut storage) else {
            return None;
        };
        let trusted_proxies = &self.gateway.trusted_proxies;
        let trusted = peer.is_trusted(trusted_proxies);
        let verify = VerifyRequest::parse(&request, self.gateway.cookies.cookie_name(), trusted)?;
        // One time for the whole answer: expiry, signature and `Date` agree.
        let now = self.gateway.engine.now();
        let (caller, signed_identity) = self.decide(&verify, now)?;
        let answer = AllowResponse {
            active: caller.active(),
            signed_identity,
            request_id: &verify.effective_request_id(),
        };
        self.with_access_log(
            answer.request_id,
            received_at,
            || verify_request::client_ip(&request, peer, trusted_proxies),
            || {
                self.write_response(&answer, now, out);
            },
        );
        self.metrics.record(answer.active, received_at);
        Some(request.length)
    }

    fn may_match(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(VERIFY_REQUEST_PREFIX)
    }
}
