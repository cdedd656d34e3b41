//! The gRPC method `envoy.service.auth.v3.Authorization/Check`.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Extensions, HeaderName, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use crate::check_request;
use crate::check_response::{self, IdentityHeaderNames, IdentityHeaders};
use crate::fast_path::FastPathRequest;
use crate::frame;
use crate::proto::{CheckRequest, CheckResponse};
use crate::unary;

/// Decides whether a request may pass.
pub trait CheckDecider: Send + Sync + 'static {
    /// Returns the identity headers if the answer is a yes and can be given without waiting. `None` decides
    /// nothing: call [`decide`](Self::decide) then.
    fn try_decide(&self, check: &FastPathRequest<'_>) -> Option<IdentityHeaders>;
    /// Answers a request to `/auth/verify`. Its extensions are those of the gRPC connection.
    fn decide(&self, request: Request<()>) -> BoxFuture<'static, Response<Bytes>>;
}

/// Limits of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckLimits {
    /// Longest check, in bytes.
    pub max_request_bytes: usize,
    /// Number of checks in progress. Further ones wait.
    pub max_concurrent: usize,
    /// Time from a check to its answer, waiting included. After it the answer is 503.
    pub response_timeout: Duration,
}

impl Default for CheckLimits {
    fn default() -> Self {
        Self {
            // More than four times the longest head that Envoy accepts by default (60 KiB): a check encodes
            // it with lengths, and with the context extensions.
            max_request_bytes: 256 * 1024,
            max_concurrent: 4096,
            response_timeout: Duration::from_secs(15),
        }
    }
}

/// The gRPC service. Cheap to clone.
#[derive(Clone)]
pub struct ExtAuthz(Arc<ExtAuthzInner>);

struct ExtAuthzInner {
    decider: Arc<dyn CheckDecider>,
    identity_names: IdentityHeaderNames,
    limits: CheckLimits,
    permits: Semaphore,
}

impl std::fmt::Debug for ExtAuthz {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExtAuthz")
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

impl NamedService for ExtAuthz {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl ExtAuthz {
    /// Makes the service. `identity_names` lists the headers of an answer that the application gets.
    pub fn new(
        decider: Arc<dyn CheckDecider>,
        identity_names: impl IntoIterator<Item = HeaderName>,
        limits: CheckLimits,
    ) -> Self {
        Self(Arc::new(ExtAuthzInner {
            decider,
            identity_names: IdentityHeaderNames(identity_names.into_iter().collect()),
            limits,
            // Clamped: a semaphore panics above its maximum, and with 0 no check would ever be answered.
            permits: Semaphore::new(limits.max_concurrent.clamp(1, Semaphore::MAX_PERMITS)),
        }))
    }

    /// Answers one call.
    async fn handle(self, request: Request<Body>) -> Response<Body> {
        let limit = self.0.limits.max_request_bytes;
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, limit + frame::PREFIX_BYTES).collect().await else {
            return Status::new(Code::OutOfRange, "the check is too long or incomplete").into_http();
        };
        let body = body.to_bytes();
        // tonic would answer the first message and drop the rest.
        if unary::has_trailing_data(&body) {
            return unary::too_many_messages().into_http();
        }
        // The slow paths are boxed: otherwise their state would be part of this future, and be moved with
        // every call.
        let Some(check) = frame::decode_single_message(&head.headers, &body) else {
            let request = Request::from_parts(head, Body::new(Full::new(body)));
            return Box::pin(self.handle_with_tonic(request)).await;
        };
        match self.try_fast_path(&check) {
            Some(passed) => frame::encode_response(&passed),
            None => frame::encode_response(&Box::pin(self.check(check, head.extensions)).await),
        }
    }

    /// Answers a call in a form that [`frame`] does not read: compressed, or with another content type.
    async fn handle_with_tonic(self, request: Request<Body>) -> Response<Body> {
        let limit = self.0.limits.max_request_bytes;
        let mut grpc = Grpc::new(ProstCodec::default()).apply_max_message_size_config(Some(limit), None);
        grpc.unary(self, request).await
    }

    /// Returns a yes that can be given without waiting.
    fn try_fast_path(&self, check: &CheckRequest) -> Option<CheckResponse> {
        let simple = FastPathRequest::from_check(check)?;
        // A panic decides nothing: the routes are asked then, and answer as usual.
        let decision = AssertUnwindSafe(|| self.0.decider.try_decide(&simple));
        let identity = std::panic::catch_unwind(decision).ok()??;
        let client_names = simple.fields.iter().map(|(name, _)| *name);
        let names = &self.0.identity_names;
        Some(names.allow_on_fast_path(identity, names.spoofed_headers(client_names)))
    }

    /// Answers one check through the routes. Never fails: every fault is a refusal.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn check(&self, check: CheckRequest, connection: Extensions) -> CheckResponse {
        let mut request = match check_request::to_verify_request(check) {
            Ok(request) => request,
            Err(check_request::InvalidCheckRequest(why)) => {
                tracing::warn!(why, "ext_authz check refused: not a valid request");
                return check_response::bad_request(why);
            }
        };
        // The routes find the peer's address there, as on an HTTP connection.
        *request.extensions_mut() = connection;
        let names = request.headers().keys().map(HeaderName::as_str);
        let spoofed = self.0.identity_names.spoofed_headers(names);
        let decision = async {
            // Held until the answer is there. `acquire` fails only on a closed semaphore, and this one is
            // never closed.
            let _permit = self.0.permits.acquire().await.ok()?;
            Some(self.0.decider.decide(request).await)
        };
        // A panic must not break the call: with `failure_mode_allow`, Envoy lets unanswered requests pass.
        let decision = AssertUnwindSafe(timeout(self.0.limits.response_timeout, decision)).catch_unwind();
        match decision.await {
            Ok(Ok(Some(decision))) => self.0.identity_names.response_for(decision, spoofed),
            Ok(Ok(None)) | Err(_) => check_response::unavailable(),
            Ok(Err(_)) => {
                tracing::warn!("ext_authz check timed out, answered 503");
                check_response::unavailable()
            }
        }
    }
}

impl UnaryService<CheckRequest> for ExtAuthz {
    type Response = CheckResponse;
    type Future = BoxFuture<'static, Result<tonic::Response<CheckResponse>, Status>>;

    fn call(&mut self, request: tonic::Request<CheckRequest>) -> Self::Future {
        let this = self.clone();
        let (_, connection, check) = request.into_parts();
        Box::pin(async move { Ok(tonic::Response::new(this.check(check, connection).await)) })
    }
}

impl Service<Request<Body>> for ExtAuthz {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    // Always ready: `check` waits for its permit, so that waiting counts towards the time limit.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            if request.uri().path() != "/envoy.service.auth.v3.Authorization/Check" {
                return Ok(
                    Status::new(Code::Unimplemented, "this service has only the method Check").into_http(),
                );
            }
            if !unary::is_grpc(request.headers()) {
                return Ok(unary::unsupported_media_type());
            }
            // Also bounds the time for receiving the message, which is not part of the check's own limit.
            let total_timeout = this.0.limits.response_timeout * 2;
            match timeout(total_timeout, this.handle(request)).await {
                Ok(response) => Ok(response),
                Err(_) => {
                    Ok(Status::new(Code::DeadlineExceeded, "the check was not sent in time").into_http())
                }
            }
        })
    }
}
