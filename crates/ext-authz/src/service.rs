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

use crate::answer::{self, Identity, IdentityNames};
use crate::frame;
use crate::plain::Plain;
use crate::proto::{CheckRequest, CheckResponse};
use crate::question;

/// Whoever decides.
pub trait Decide: Send + Sync + 'static {
    /// What a yes says of identity, if the answer is a yes and can be told without waiting. `None` decides nothing.
    fn at_once(&self, question: &Plain<'_>) -> Option<Identity>;
    /// The answer to a question of `/auth/verify`, which has what is known of the connection in its extensions.
    fn decide(&self, question: Request<()>) -> BoxFuture<'static, Response<Bytes>>;
}

/// How much a front proxy may ask at once, and how long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest question, in bytes.
    pub question_bytes: usize,
    /// Questions under way at once. Further ones wait.
    pub concurrent: usize,
    /// From a question to its answer, waiting included. Then it is 503.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Three times the longest head that Envoy takes by default, which comes with names and lengths.
            question_bytes: 256 * 1024,
            concurrent: 4096,
            patience: Duration::from_secs(15),
        }
    }
}

/// The service.
#[derive(Clone)]
pub struct ExtAuthz(Arc<Inner>);

struct Inner {
    decide: Arc<dyn Decide>,
    names: IdentityNames,
    limits: Limits,
    slots: Semaphore,
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
    /// The service before `decide`. `identity` names the headers of an answer that the application gets.
    pub fn new(
        decide: Arc<dyn Decide>,
        identity: impl IntoIterator<Item = HeaderName>,
        limits: Limits,
    ) -> Self {
        Self(Arc::new(Inner {
            decide,
            names: IdentityNames(identity.into_iter().collect()),
            limits,
            slots: Semaphore::new(limits.concurrent.clamp(1, Semaphore::MAX_PERMITS)),
        }))
    }

    /// The answer to one call.
    async fn answered(self, request: Request<Body>) -> Response<Body> {
        let limit = self.0.limits.question_bytes;
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, limit + frame::PREFIX).collect().await else {
            return Status::new(Code::OutOfRange, "the question is too long, or broke off").into_http();
        };
        let body = body.to_bytes();
        // What takes longer is by itself, since its state is moved about with every call otherwise.
        let Some(asked) = frame::only_message(&head.headers, &body) else {
            let request = Request::from_parts(head, Body::new(Full::new(body)));
            return Box::pin(self.answered_by_tonic(request)).await;
        };
        match self.passed_at_once(&asked) {
            Some(passed) => frame::response(&passed),
            None => frame::response(&Box::pin(self.check(asked, head.extensions)).await),
        }
    }

    async fn answered_by_tonic(self, request: Request<Body>) -> Response<Body> {
        let limit = self.0.limits.question_bytes;
        let mut grpc = Grpc::new(ProstCodec::default()).apply_max_message_size_config(Some(limit), None);
        grpc.unary(self, request).await
    }

    /// A yes that can be told without waiting.
    fn passed_at_once(&self, asked: &CheckRequest) -> Option<CheckResponse> {
        let question = Plain::of(asked)?;
        // Whatever fails here is decided by the routes.
        let told = AssertUnwindSafe(|| self.0.decide.at_once(&question));
        let said = std::panic::catch_unwind(told).ok()??;
        let names = question.fields.iter().map(|(name, _)| *name);
        Some(self.0.names.passed_at_once(said, self.0.names.spoofed(names)))
    }

    /// The answer to one question, whatever happens.
    async fn check(&self, asked: CheckRequest, connection: Extensions) -> CheckResponse {
        let mut request = match question::read(asked) {
            Ok(request) => request,
            Err(question::Unreadable(why)) => {
                tracing::warn!(why, "a question of ext_authz cannot be understood");
                return answer::unreadable(why);
            }
        };
        *request.extensions_mut() = connection;
        let names = request.headers().keys().map(HeaderName::as_str);
        let spoofed = self.0.names.spoofed(names);
        let decided = async {
            let _slot = self.0.slots.acquire().await.ok()?;
            Some(self.0.decide.decide(request).await)
        };
        // A panic must not end the stream: Envoy may be set to let pass what nobody answered.
        let decided = AssertUnwindSafe(timeout(self.0.limits.patience, decided)).catch_unwind();
        match decided.await {
            Ok(Ok(Some(decision))) => self.0.names.answer(decision, spoofed),
            Ok(Ok(None)) | Err(_) => answer::unavailable(),
            Ok(Err(_)) => {
                tracing::warn!("a question of ext_authz was not answered in time");
                answer::unavailable()
            }
        }
    }
}

impl UnaryService<CheckRequest> for ExtAuthz {
    type Response = CheckResponse;
    type Future = BoxFuture<'static, Result<tonic::Response<CheckResponse>, Status>>;

    fn call(&mut self, request: tonic::Request<CheckRequest>) -> Self::Future {
        let this = self.clone();
        let (_, connection, asked) = request.into_parts();
        Box::pin(async move { Ok(tonic::Response::new(this.check(asked, connection).await)) })
    }
}

impl Service<Request<Body>> for ExtAuthz {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            if request.uri().path() != "/envoy.service.auth.v3.Authorization/Check" {
                return Ok(Status::new(Code::Unimplemented, "there is no such method").into_http());
            }
            // A question that is not sent to its end is one that nobody answers.
            let patience = this.0.limits.patience * 2;
            match timeout(patience, this.answered(request)).await {
                Ok(answered) => Ok(answered),
                Err(_) => {
                    Ok(Status::new(Code::DeadlineExceeded, "the question did not come in time").into_http())
                }
            }
        })
    }
}
