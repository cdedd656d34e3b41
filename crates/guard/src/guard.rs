//! The guard: an application makes one at startup and keeps it in its router's state.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use maxlab_auth_core::guard::{Admin, Requirement};

use crate::caller::{Caller, Permit};
use crate::credentials::RequestHead;
use crate::failure::{FailureRenderer, GuardFailure, GuardRejection};
use crate::gateway::{GatewayClient, GatewayClientSettings};
use crate::local::{LocalVerifier, LocalVerifierSettings, default_admin_roles};
use crate::requirement::GatewayQuery;
use crate::setup_fault::SetupFault;
#[cfg(feature = "test-util")]
use crate::test_util::FixedTokens;

/// Authenticates and authorizes requests. Cheap to clone; the state of a router holds one.
#[derive(Clone)]
pub struct AuthGuard {
    mode: Arc<GuardMode>,
    options: Arc<GuardOptions>,
}

enum GuardMode {
    // Boxed, because the local engine is many times larger than an HTTP client.
    Local(Box<LocalVerifier>),
    Gateway(GatewayClient),
    #[cfg(feature = "test-util")]
    Fixed(FixedTokens),
}

#[derive(Clone)]
struct GuardOptions {
    admin: Admin,
    renderer: Option<FailureRenderer>,
}

/// Caller of the current request, cached in its extensions for later extractors and layers.
#[derive(Clone)]
struct RequestCaller {
    // Identifies the guard: an application may have two, and one must not trust what the other accepted.
    mode: Arc<GuardMode>,
    caller: Caller,
}

impl fmt::Debug for AuthGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match *self.mode {
            GuardMode::Local(_) => "local",
            GuardMode::Gateway(_) => "via gateway",
            #[cfg(feature = "test-util")]
            GuardMode::Fixed(_) => "fixed tokens, for tests only",
        };
        write!(f, "AuthGuard({mode})")
    }
}

impl AuthGuard {
    /// Returns a guard that verifies tokens in this process. It follows the revocations from now on, holds a
    /// lease, and answers from memory. Until it has a lease it asks Redis on each request.
    ///
    /// # Errors
    /// [`SetupFault`] if the settings are invalid or no Tokio runtime is running. Redis and the key set need
    /// not answer yet.
    pub fn local(settings: LocalVerifierSettings) -> Result<Self, SetupFault> {
        let roles = settings.admin_roles.clone();
        let verifier = LocalVerifier::start(settings)?;
        Ok(Self::with_mode(GuardMode::Local(Box::new(verifier))).admin_roles(roles))
    }

    /// Returns a guard that asks a gateway on each request.
    ///
    /// # Errors
    /// [`SetupFault`] if the settings are invalid. The gateway need not answer yet.
    pub fn via_gateway(settings: &GatewayClientSettings) -> Result<Self, SetupFault> {
        Ok(Self::with_mode(GuardMode::Gateway(GatewayClient::new(settings)?)))
    }

    /// Returns a guard for an application's tests. It accepts fixed tokens, checks no signature and no
    /// revocation, and needs no network.
    ///
    /// An [`Identity`](crate::Identity) alone is accepted under the token
    /// [`TOKEN`](crate::test_util::TOKEN). [`FixedTokens`] gives several people tokens, and makes others
    /// fail. A warning in the log says that such a guard was made.
    #[cfg(feature = "test-util")]
    pub fn fixed(tokens: impl Into<FixedTokens>) -> Self {
        tracing::warn!("guard with fixed tokens made, anyone who knows one is let in: for tests only");
        Self::with_mode(GuardMode::Fixed(tokens.into()))
    }

    fn with_mode(mode: GuardMode) -> Self {
        Self {
            mode: Arc::new(mode),
            options: Arc::new(GuardOptions {
                admin: Admin {
                    roles: default_admin_roles(),
                },
                renderer: None,
            }),
        }
    }

    /// Replaces the administrators' roles `admin` and `administrator` (the gateway's `ADMIN_ROLES`).
    #[must_use]
    pub fn admin_roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        // Copies the configuration if the guard was cloned before: earlier clones keep their roles.
        Arc::make_mut(&mut self.options).admin.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Lets the application render failures itself, in place of [`GuardFailure::to_response`].
    #[must_use]
    pub fn with_failure_response(
        mut self,
        render: impl Fn(&GuardFailure) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.options).renderer = Some(Arc::new(render));
        self
    }

    /// Time for which this process may still answer from memory; `None` if the guard asks a gateway. Zero
    /// means that each request asks Redis: for a moment after the start, and while Redis cannot be reached.
    pub fn lease_left(&self) -> Option<Duration> {
        match &*self.mode {
            GuardMode::Local(local) => Some(local.revocations().status().lease_left),
            GuardMode::Gateway(_) => None,
            #[cfg(feature = "test-util")]
            GuardMode::Fixed(_) => None,
        }
    }

    /// Gives the lease back, so that no revocation waits for a process that has ended. Call it last, after
    /// the server has drained: requests that arrive later are checked in Redis, one by one.
    #[tracing::instrument(skip_all)]
    pub async fn release(&self) {
        if let GuardMode::Local(local) = &*self.mode {
            local.release().await;
        }
    }

    pub(crate) fn admin(&self) -> &Admin {
        &self.options.admin
    }

    pub(crate) fn rejection(&self, cause: GuardFailure) -> GuardRejection {
        GuardRejection::new(cause, self.options.renderer.clone())
    }

    /// Returns the caller of a request. Several extractors on one request share one authentication.
    pub(crate) async fn authenticate(&self, head: RequestHead<'_>) -> Result<Caller, GuardFailure> {
        let cached = head.extensions.get::<RequestCaller>();
        match cached.filter(|cached| Arc::ptr_eq(&cached.mode, &self.mode)) {
            Some(cached) => Ok(cached.caller.clone()),
            None => self.admit(head, None).await,
        }
    }

    /// Returns the caller's permit for a requirement.
    pub(crate) async fn authorize<G: Requirement>(
        &self,
        head: RequestHead<'_>,
        requirement: &G,
        query: Option<GatewayQuery<'_>>,
    ) -> Result<Permit<G>, GuardFailure> {
        let caller = match (&*self.mode, query) {
            // A cached caller is of no use here: only a new answer of the gateway can grant what its headers
            // do not list.
            (GuardMode::Gateway(_), Some(query)) => self.admit(head, Some(query)).await?,
            _ => self.authenticate(head).await?,
        };
        Ok(Permit::check(caller, requirement)?)
    }

    async fn admit(
        &self,
        head: RequestHead<'_>,
        query: Option<GatewayQuery<'_>>,
    ) -> Result<Caller, GuardFailure> {
        match &*self.mode {
            GuardMode::Gateway(gateway) => gateway.admit(head, query).await,
            GuardMode::Local(local) => {
                // Tokens only: this process has no key that opens a session cookie.
                local.admit(head.bearer_token()).await
            }
            #[cfg(feature = "test-util")]
            GuardMode::Fixed(tokens) => {
                let token = head
                    .bearer_token()
                    .map_err(GuardFailure::of_credential)?
                    .ok_or(GuardFailure::MissingCredential)?;
                tokens.admit(token.expose())
            }
        }
    }

    /// Caches the caller in the request's extensions, for the duration of the request.
    pub(crate) fn remember_caller(&self, extensions: &mut http::Extensions, caller: &Caller) {
        extensions.insert(RequestCaller {
            mode: Arc::clone(&self.mode),
            caller: caller.clone(),
        });
    }
}
