//! The tower layer: nothing reaches the service behind it without a permit.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::credentials::Head;
use crate::failure::Rejection;
use crate::gateway::IDENTITY_HEADERS;
use crate::guard::AuthGuard;
use crate::requirement::Requirement;

/// Lets in whoever meets the requirement `R`, whatever the service behind it is; [`AuthGuard::layer`] and
/// [`AuthGuard::require`] make one.
///
/// The request goes on with the [`Caller`](crate::Caller) in its extensions, and without any identity header (`Remote-User`
/// and its like) that the client sent: what is behind the layer cannot take them for the gateway's.
pub struct AuthLayer<R> {
    guard: AuthGuard,
    requirement: PhantomData<fn() -> R>,
}

impl<R> AuthLayer<R> {
    pub(crate) fn new(guard: AuthGuard) -> Self {
        Self {
            guard,
            requirement: PhantomData,
        }
    }
}

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
    type Service = Guarded<S, R>;

    fn layer(&self, inner: S) -> Guarded<S, R> {
        Guarded {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service behind an [`AuthLayer`].
#[derive(Debug)]
pub struct Guarded<S, R> {
    inner: S,
    layer: AuthLayer<R>,
}

impl<S: Clone, R> Clone for Guarded<S, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S, R, B, A> Service<Request<B>> for Guarded<S, R>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    R: Requirement + 'static,
    B: Send + 'static,
    A: From<String>,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<A>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready is used; the clone need not be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let guard = self.layer.guard.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match admit::<R>(&guard, &mut parts).await {
                Ok(()) => inner.call(Request::from_parts(parts, body)).await,
                Err(rejection) => Ok(rejection.response().map(A::from)),
            }
        })
    }
}

async fn admit<R: Requirement>(guard: &AuthGuard, parts: &mut Parts) -> Result<(), Rejection> {
    let wanted = R::new(guard.admin());
    let permit = guard.permit(Head::of(parts), &wanted, wanted.question()).await;
    let permit = permit.map_err(|cause| guard.rejection(cause))?;
    for name in IDENTITY_HEADERS {
        parts.headers.remove(name);
    }
    guard.note(&mut parts.extensions, permit.who());
    parts.extensions.insert(permit.who().clone());
    Ok(())
}
