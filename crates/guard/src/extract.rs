//! The extractors: a handler takes them as arguments, and is not called without them.

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts, RawPathParams};
use http::request::Parts;
use maxlab_auth_core::guard::{Admin, InWorkspace};

use crate::caller::{Caller, Permit};
use crate::credentials::Head;
use crate::failure::{Failure, Rejection};
use crate::guard::AuthGuard;
use crate::requirement::{Group, Permission, Requirement, Role, Scope, of_workspace};

/// The path parameter that names a workspace.
const WORKSPACE: &str = "workspace_id";

/// Whoever asks, with a good credential. As `Option<CurrentUser>` it is `None` where a request has no credential at all; a
/// bad one is refused all the same.
#[derive(Clone, Debug)]
pub struct CurrentUser(pub Caller);

/// Whoever asks, if they meet the requirement `R`.
#[derive(Debug)]
pub struct Require<R>(pub Permit<R>);

/// One of the administrators.
pub type RequireAdmin = Require<Admin>;
/// A member of the group `N`.
pub type RequireGroup<N> = Require<Group<N>>;
/// The holder of a token with the scope `N`.
pub type RequireScope<N> = Require<Scope<N>>;
/// Somebody with the role `N`.
pub type RequireRole<N> = Require<Role<N>>;
/// Somebody with the permission `N`.
pub type RequirePermission<N> = Require<Permission<N>>;

/// A member of the workspace that the route's parameter `{workspace_id}` names, or an administrator.
#[derive(Debug)]
pub struct RequireWorkspace {
    /// The workspace.
    pub workspace_id: String,
    /// The proof that they may enter it.
    pub permit: Permit<InWorkspace>,
}

async fn current(parts: &mut Parts, guard: &AuthGuard) -> Result<Caller, Failure> {
    let caller = guard.caller(Head::of(parts)).await?;
    guard.note(&mut parts.extensions, &caller);
    Ok(caller)
}

impl<S: Send + Sync> FromRequestParts<S> for CurrentUser
where
    AuthGuard: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let guard = AuthGuard::from_ref(state);
        let caller = current(parts, &guard).await;
        caller.map(Self).map_err(|cause| guard.rejection(cause))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for CurrentUser
where
    AuthGuard: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        let guard = AuthGuard::from_ref(state);
        match current(parts, &guard).await {
            Ok(caller) => Ok(Some(Self(caller))),
            Err(Failure::MissingCredential) => Ok(None),
            Err(cause) => Err(guard.rejection(cause)),
        }
    }
}

impl<S: Send + Sync, R: Requirement> FromRequestParts<S> for Require<R>
where
    AuthGuard: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let guard = AuthGuard::from_ref(state);
        let wanted = R::new(guard.admin());
        let permit = guard.permit(Head::of(parts), &wanted, wanted.question()).await;
        let permit = permit.map_err(|cause| guard.rejection(cause))?;
        guard.note(&mut parts.extensions, permit.who());
        Ok(Self(permit))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequireWorkspace
where
    AuthGuard: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let guard = AuthGuard::from_ref(state);
        let entered = async {
            let workspace_id = workspace(parts, state).await?;
            let wanted = InWorkspace {
                workspace_id,
                admin: guard.admin().clone(),
            };
            let permit = guard
                .permit(Head::of(parts), &wanted, Some(of_workspace(&wanted)))
                .await?;
            guard.note(&mut parts.extensions, permit.who());
            Ok(Self {
                permit,
                workspace_id: wanted.workspace_id,
            })
        };
        entered.await.map_err(|cause| guard.rejection(cause))
    }
}

async fn workspace<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, Failure> {
    let named = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| Failure::InvalidRequest("The path is not UTF-8 once it is decoded".into()))?;
    let workspace = named.iter().find(|(name, _)| *name == WORKSPACE);
    workspace
        .map(|(_, id)| id.to_owned())
        .ok_or(Failure::Misrouted(WORKSPACE))
}
