//! The guard itself: what an application makes once and keeps in its state.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use maxlab_auth_core::guard::{Admin, Guard};
use maxlab_auth_core::unavailable::Unavailable;

use crate::caller::{Caller, Permit};
use crate::credentials::Head;
use crate::failure::{Failure, Rejection, Show};
use crate::gateway::{AskGateway, Gateway};
use crate::layer::AuthLayer;
use crate::local::{Local, VerifyLocally};
use crate::requirement::{Anybody, Question, Requirement};

/// Why there is no guard.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupFault {
    /// An address is none.
    #[error("the address of the gateway or of the key set is not an http or https URL")]
    Url,
    /// Settings contradict each other; says how.
    #[error("{0}")]
    Settings(&'static str),
    /// There is no Tokio runtime to follow the revocations in.
    #[error("a guard that verifies locally is made within a Tokio runtime")]
    NoRuntime,
    /// The machine lacks something: random numbers, or certificates for TLS.
    #[error(transparent)]
    Machine(#[from] Unavailable),
}

/// Decides who gets in. Cheap to clone; the state of a router holds one.
#[derive(Clone)]
pub struct AuthGuard {
    way: Arc<Way>,
    rules: Arc<Rules>,
}

enum Way {
    Local(Box<Local>),
    Gateway(Gateway),
}

#[derive(Clone)]
struct Rules {
    admin: Admin,
    show: Option<Show>,
}

/// What a guard found out about a request, for those who ask about the same request after it.
#[derive(Clone)]
struct Seen {
    by: Arc<Way>,
    caller: Caller,
}

impl fmt::Debug for AuthGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match *self.way {
            Way::Local(_) => "verifying locally",
            Way::Gateway(_) => "asking a gateway",
        };
        write!(f, "AuthGuard({way})")
    }
}

impl AuthGuard {
    /// A guard that verifies tokens in this process. It is told of revocations from now on, holds a lease, and answers from
    /// memory; until it has one it asks Redis on each request.
    ///
    /// # Errors
    /// The settings make no guard; Redis and the key set need not answer yet.
    pub fn local(settings: VerifyLocally) -> Result<Self, SetupFault> {
        Ok(Self::of(Way::Local(Box::new(Local::start(settings)?))))
    }

    /// A guard that asks a gateway on each request.
    ///
    /// # Errors
    /// The settings make no guard; the gateway need not answer yet.
    pub fn asking(settings: &AskGateway) -> Result<Self, SetupFault> {
        Ok(Self::of(Way::Gateway(Gateway::new(settings)?)))
    }

    fn of(way: Way) -> Self {
        let roles = ["admin", "administrator"].map(str::to_owned).to_vec();
        Self {
            way: Arc::new(way),
            rules: Arc::new(Rules {
                admin: Admin { roles },
                show: None,
            }),
        }
    }

    /// Other roles make an administrator than `admin` and `administrator` (`ADMIN_ROLES`).
    #[must_use]
    pub fn admin_roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        Arc::make_mut(&mut self.rules).admin.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// The application answers failures in its own way. [`Failure::response`] is what it replaces.
    #[must_use]
    pub fn answering(mut self, show: impl Fn(&Failure) -> Response<String> + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.rules).show = Some(Arc::new(show));
        self
    }

    /// A layer that lets in whoever has a good credential.
    pub fn layer(&self) -> AuthLayer<Anybody> {
        AuthLayer::new(self.clone())
    }

    /// A layer that lets in whoever meets a requirement.
    pub fn require<R: Requirement>(&self) -> AuthLayer<R> {
        AuthLayer::new(self.clone())
    }

    /// How long this process may still answer from memory; `None` where a gateway is asked. Zero means that each request
    /// asks Redis: for a moment after the start, and while Redis cannot be reached.
    pub fn lease_left(&self) -> Option<Duration> {
        match &*self.way {
            Way::Local(local) => Some(local.revocations().status().lease_left),
            Way::Gateway(_) => None,
        }
    }

    /// Gives the lease back, so that no revocation waits for a process that is gone: the last thing before the end. What is
    /// asked afterwards is answered by Redis.
    pub async fn release(&self) {
        if let Way::Local(local) = &*self.way {
            local.release().await;
        }
    }

    pub(crate) fn admin(&self) -> &Admin {
        &self.rules.admin
    }

    pub(crate) fn rejection(&self, cause: Failure) -> Rejection {
        Rejection::new(cause, self.rules.show.clone())
    }

    /// Who asks. It is found out once for a request, whoever wants to know it.
    pub(crate) async fn caller(&self, head: Head<'_>) -> Result<Caller, Failure> {
        let seen = head.extensions.get::<Seen>();
        match seen.filter(|seen| Arc::ptr_eq(&seen.by, &self.way)) {
            Some(seen) => Ok(seen.caller.clone()),
            None => self.admit(head, None).await,
        }
    }

    /// The permit of whoever asks.
    pub(crate) async fn permit<G: Guard>(
        &self,
        head: Head<'_>,
        guard: &G,
        question: Option<Question<'_>>,
    ) -> Result<Permit<G>, Failure> {
        let caller = match (&*self.way, question) {
            (Way::Gateway(_), Some(question)) => self.admit(head, Some(question)).await?,
            _ => self.caller(head).await?,
        };
        Ok(Permit::check(caller, guard)?)
    }

    async fn admit(&self, head: Head<'_>, question: Option<Question<'_>>) -> Result<Caller, Failure> {
        match &*self.way {
            Way::Gateway(gateway) => gateway.admit(head, question).await,
            Way::Local(local) => {
                let token = head.token()?.ok_or(Failure::MissingCredential)?;
                Ok(local.admit(&token).await?)
            }
        }
    }

    /// Remembers who asks, for as long as the request lasts.
    pub(crate) fn note(&self, extensions: &mut http::Extensions, caller: &Caller) {
        extensions.insert(Seen {
            by: Arc::clone(&self.way),
            caller: caller.clone(),
        });
    }
}
