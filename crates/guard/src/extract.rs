//! The extractors: a handler that takes one as an argument does not run without it.

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts, RawPathParams};
use http::request::Parts;
use maxlab_auth_core::guard::{Admin, InWorkspace};

use crate::caller::{Caller, Permit};
use crate::credentials::RequestHead;
use crate::failure::{GuardFailure, GuardRejection};
use crate::guard::AuthGuard;
use crate::requirement::{Group, Permission, Role, RouteRequirement, Scope, workspace_query};

/// The path parameter that names a workspace.
const WORKSPACE_PARAM: &str = "workspace_id";

/// Caller of a request, with a valid credential. `Option<CurrentUser>` is `None` if the request has no
/// credential at all; a bad credential is refused there too.
#[derive(Clone, Debug)]
pub struct CurrentUser(pub Caller);

/// Caller of a request who meets the requirement `R`.
#[derive(Debug)]
pub struct Require<R>(pub Permit<R>);

/// Requires an administrator.
pub type RequireAdmin = Require<Admin>;
/// Requires a member of the group `N`.
pub type RequireGroup<N> = Require<Group<N>>;
/// Requires a token with the scope `N`.
pub type RequireScope<N> = Require<Scope<N>>;
/// Requires the role `N`.
pub type RequireRole<N> = Require<Role<N>>;
/// Requires the permission `N`.
pub type RequirePermission<N> = Require<Permission<N>>;

/// Requires a member of the workspace that the route's parameter `{workspace_id}` names, or an administrator.
#[derive(Debug)]
pub struct RequireWorkspace {
    /// The workspace's id, percent-decoded.
    pub workspace_id: String,
    /// Proof that the caller may enter the workspace.
    pub permit: Permit<InWorkspace>,
}

async fn authenticate_request(parts: &mut Parts, guard: &AuthGuard) -> Result<Caller, GuardFailure> {
    let caller = guard.authenticate(RequestHead::from_parts(parts)).await?;
    guard.remember_caller(&mut parts.extensions, &caller);
    Ok(caller)
}

impl<S: Send + Sync> FromRequestParts<S> for CurrentUser
where
    AuthGuard: FromRef<S>,
{
    type Rejection = GuardRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, GuardRejection> {
        let guard = AuthGuard::from_ref(state);
        let caller = authenticate_request(parts, &guard).await;
        caller.map(Self).map_err(|cause| guard.rejection(cause))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for CurrentUser
where
    AuthGuard: FromRef<S>,
{
    type Rejection = GuardRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, GuardRejection> {
        let guard = AuthGuard::from_ref(state);
        match authenticate_request(parts, &guard).await {
            Ok(caller) => Ok(Some(Self(caller))),
            // Only a missing credential is optional. An invalid one stays an error, or a client would never
            // notice its expiry.
            Err(GuardFailure::MissingCredential) => Ok(None),
            Err(cause) => Err(guard.rejection(cause)),
        }
    }
}

impl<S: Send + Sync, R: RouteRequirement> FromRequestParts<S> for Require<R>
where
    AuthGuard: FromRef<S>,
{
    type Rejection = GuardRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, GuardRejection> {
        let guard = AuthGuard::from_ref(state);
        let requirement = R::new(guard.admin());
        let query = requirement.gateway_query();
        let permit = guard
            .authorize(RequestHead::from_parts(parts), &requirement, query)
            .await;
        let permit = permit.map_err(|cause| guard.rejection(cause))?;
        guard.remember_caller(&mut parts.extensions, permit.principal());
        Ok(Self(permit))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequireWorkspace
where
    AuthGuard: FromRef<S>,
{
    type Rejection = GuardRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, GuardRejection> {
        let guard = AuthGuard::from_ref(state);
        // One block with one error type, so that every failure is logged and rendered by the same
        // `rejection`.
        let authorization = async {
            let workspace_id = workspace_param(parts, state).await?;
            let requirement = InWorkspace {
                workspace_id,
                admin: guard.admin().clone(),
            };
            let query = Some(workspace_query(&requirement));
            let permit = guard
                .authorize(RequestHead::from_parts(parts), &requirement, query)
                .await?;
            guard.remember_caller(&mut parts.extensions, permit.principal());
            Ok(Self {
                permit,
                workspace_id: requirement.workspace_id,
            })
        };
        authorization.await.map_err(|cause| guard.rejection(cause))
    }
}

async fn workspace_param<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, GuardFailure> {
    // `RawPathParams` and not `Path`: the other parameters of the route are the application's, of any number
    // and type.
    let params = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| {
            GuardFailure::InvalidRequest("The path is not valid UTF-8 after percent-decoding".into())
        })?;
    let workspace = params.iter().find(|(name, _)| *name == WORKSPACE_PARAM);
    workspace
        .map(|(_, id)| id.to_owned())
        .ok_or(GuardFailure::MissingPathParameter(WORKSPACE_PARAM))
}
