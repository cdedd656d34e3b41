#![doc = include_str!("../README.md")]

mod caller;
mod credentials;
mod extract;
mod failure;
mod gateway;
mod guard;
mod http_client;
mod layer;
mod local;
mod requirement;
mod setup_fault;
#[cfg(feature = "test-util")]
pub mod test_util;

pub use caller::{Caller, Permit};
pub use extract::{
    CurrentUser, Require, RequireAdmin, RequireGroup, RequirePermission, RequireRole, RequireScope,
    RequireWorkspace,
};
pub use failure::{GuardFailure, GuardRejection};
pub use gateway::GatewayClientSettings;
pub use guard::AuthGuard;
pub use layer::{AuthLayer, GuardedService};
pub use local::LocalVerifierSettings;
// An application names this crate alone. So everything that the items above take or return, and every cause
// inside a failure, is exported here too.
pub use maxlab_auth_core::engine::{AuthFault, CredentialRefusal};
pub use maxlab_auth_core::guard::{
    AccessDenied, Admin, AuthenticatedPrincipal, IdentityAttribute, InWorkspace, Requirement,
};
pub use maxlab_auth_core::identity::{
    ClaimPaths, Identity, Issuer, Subject, UnverifiedEmailPolicy, VerificationSource,
};
pub use maxlab_auth_core::revocation::RevocationReason;
pub use maxlab_auth_core::unavailable::{GatewayComponent, Unavailable, UnavailableReason};
pub use maxlab_auth_core::verdict::{ActiveCredential, Entitlements};
pub use maxlab_auth_core::verify::TokenRejection;
pub use maxlab_auth_jose::{Algorithm, TypRule};
pub use maxlab_auth_store::{RedisNodes, RedisStore};
pub use requirement::{
    Authenticated, ClaimName, GatewayQuery, Group, Permission, Role, RouteRequirement, Scope,
};
pub use setup_fault::SetupFault;
