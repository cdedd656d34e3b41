//! The tower layer: no request reaches the service behind it without a permit.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::credentials::RequestHead;
use crate::failure::GuardRejection;
use crate::gateway::IDENTITY_HEADERS;
use crate::guard::AuthGuard;
use crate::requirement::{Authenticated, RouteRequirement};

/// Accepts callers who meet the requirement `R`, in front of any service. Made by [`AuthGuard::layer`] and
/// [`AuthGuard::require`].
///
/// The request is passed on with the [`Caller`](crate::Caller) in its extensions. Identity headers
/// (`Remote-User`, …) that the client sent are removed, so that the service cannot take them for the
/// gateway's.
pub struct AuthLayer<R> {
    guard: AuthGuard,
    // A function type: the layer is Send and Sync whether or not `R` is.
    requirement: PhantomData<fn() -> R>,
}

impl AuthGuard {
    /// Returns a layer that accepts every valid credential.
    pub fn layer(&self) -> AuthLayer<Authenticated> {
        AuthLayer::new(self.clone())
    }

    /// Returns a layer that accepts callers who meet the requirement `R`.
    pub fn require<R: RouteRequirement>(&self) -> AuthLayer<R> {
        AuthLayer::new(self.clone())
    }
}

impl<R> AuthLayer<R> {
    fn new(guard: AuthGuard) -> Self {
        Self {
            guard,
            requirement: PhantomData,
        }
    }
}

// By hand, because a derive would demand `R: Clone`, and `R` is only a name here.
impl<R> Clone for AuthLayer<R> {
    fn clone(&self) -> Self {
        Self::new(self.guard.clone())
    }
}

impl<R> fmt::Debug for AuthLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthLayer").field(&self.guard).finish()
    }
}

impl<S, R> Layer<S> for AuthLayer<R> {
    type Service = GuardedService<S, R>;

    fn layer(&self, inner: S) -> GuardedService<S, R> {
        GuardedService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service behind an [`AuthLayer`].
#[derive(Debug)]
pub struct GuardedService<S, R> {
    inner: S,
    layer: AuthLayer<R>,
}

impl<S: Clone, R> Clone for GuardedService<S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S, R, B, A> Service<Request<B>> for GuardedService<S, R>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    R: RouteRequirement + 'static,
    B: Send + 'static,
    // The guard renders its answers as text, and the service's body type must be able to carry them.
    A: From<String>,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<A>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // `poll_ready` prepared this very service. A clone may not be ready, so the clone stays behind for
        // the next call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let guard = self.layer.guard.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match authorize_request::<R>(&guard, &mut parts).await {
                Ok(()) => inner.call(Request::from_parts(parts, body)).await,
                Err(rejection) => Ok(rejection.to_response().map(A::from)),
            }
        })
    }
}

async fn authorize_request<R: RouteRequirement>(
    guard: &AuthGuard,
    parts: &mut Parts,
) -> Result<(), GuardRejection> {
    let requirement = R::new(guard.admin());
    let query = requirement.gateway_query();
    let permit = guard
        .authorize(RequestHead::from_parts(parts), &requirement, query)
        .await;
    let permit = permit.map_err(|cause| guard.rejection(cause))?;
    // A service that also runs behind a gateway may read these headers: the client's own must not get there.
    for name in IDENTITY_HEADERS {
        parts.headers.remove(name);
    }
    // Twice: the private entry spares a later extractor the second check, the public one is for the
    // application.
    guard.remember_caller(&mut parts.extensions, permit.principal());
    parts.extensions.insert(permit.principal().clone());
    Ok(())
}
