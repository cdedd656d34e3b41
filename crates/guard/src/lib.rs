//! Guards for the handlers of any Rust application: who asks, is it still true, and may they.
//!
//! ```
//! use axum::{Json, Router, routing::get};
//! use maxlab_auth_guard::{
//!     AskGateway, AuthGuard, CurrentUser, Identity, Require, RequireScope, RequireWorkspace, names,
//! };
//!
//! names! { WriteDocuments = "documents:write"; }
//!
//! async fn me(CurrentUser(caller): CurrentUser) -> Json<Identity> {
//!     Json(caller.identity().clone())
//! }
//!
//! async fn documents(workspace: RequireWorkspace) -> String {
//!     format!("the documents of {}", workspace.workspace_id)
//! }
//!
//! async fn write(Require(permit): RequireScope<WriteDocuments>) -> String {
//!     format!("written by {}", permit.identity().user_id)
//! }
//!
//! # fn main() -> Result<(), maxlab_auth_guard::SetupFault> {
//! let guard = AuthGuard::asking(&AskGateway::at("http://127.0.0.1:8080"))?;
//! let app: Router = Router::new()
//!     .route("/me", get(me))
//!     .route("/workspaces/{workspace_id}/documents", get(documents).post(write))
//!     .with_state(guard);
//! # Ok(())
//! # }
//! ```
//!
//! A handler that takes a guard's extractor is not called without it, and a router whose state holds no [`AuthGuard`] does not
//! compile. (Where the state is the application's own, it implements `FromRef` for the guard, as axum has it.) What the
//! extractors give is a proof: a [`Permit<Admin>`](Permit) has no other maker, so whatever takes one is safe to call.
//!
//! | extractor | lets in | proof |
//! |---|---|---|
//! | [`CurrentUser`] | whoever has a good credential | [`Caller`] |
//! | [`RequireAdmin`] | administrators | `Permit<Admin>` |
//! | [`RequireGroup<N>`](RequireGroup), [`RequireRole<N>`](RequireRole) | members of a group, holders of a role | `Permit<Group<N>>`, `Permit<Role<N>>` |
//! | [`RequireScope<N>`](RequireScope), [`RequirePermission<N>`](RequirePermission) | tokens of that scope, holders of that permission | `Permit<Scope<N>>`, `Permit<Permission<N>>` |
//! | [`RequireWorkspace`] | members of the workspace `{workspace_id}` of the path, and administrators | `Permit<InWorkspace>` |
//!
//! [`names!`] makes the `N`. An application's own [`Requirement`] works in the same way. Whole routers, and services that are not
//! axum's, are guarded by a tower layer: `router.layer(guard.require::<Admin>())`.
//!
//! # Two ways
//!
//! | | [`AuthGuard::asking`] a gateway | [`AuthGuard::local`] |
//! |---|---|---|
//! | a request costs | one HTTP round trip, over connections that are kept | a look into memory; a signature check when the token is new |
//! | needs | a gateway's address | the gateways' Redis, and the issuer's key set |
//! | reads | tokens and session cookies | tokens |
//! | layers | whatever the gateway verifies with | signatures (`local_jwt`) |
//! | workspaces | by claims and by the gateway's database | by claims |
//! | a token revoked at a gateway | is refused from its answer on | the same: the revoke waits for this process |
//! | cut off from it | 503 at once | answers for the rest of the lease (5 s), then 503 |
//!
//! Verifying locally is the gateway's own engine in another process. It follows the stream of revocations into a replica
//! and holds a lease in Redis, so that a revoke is acknowledged only once this process refuses what it covers
//! (`docs/REVOCATION.md` has the protocol). A process that ends calls [`AuthGuard::release`]; one that crashes makes the next
//! revoke wait for the rest of its lease, once. It holds no journal, revokes nothing, and believes of the store what the gateways
//! marked: where Redis was flushed or restarted it answers 503 until a gateway has filled it again. What is weaker than
//! in a gateway: of two masters after a failover, a gateway tells the right one by its journal and by Sentinel's (or the
//! Cluster's) majority, and a guard by that majority alone, whose view may lag by a second. One Redis has no second master.
//!
//! # Failures
//!
//! Whatever is no yes is a [`Failure`], and one place makes an answer of it: `application/problem+json` with the gateway's own
//! `code`s, 401 with `WWW-Authenticate`, 403, or 503 with `Retry-After` where nobody knows. An error is never a yes, and an
//! outage is never a 401. An application that wants other answers gives them with [`AuthGuard::answering`], or takes a
//! `Result<CurrentUser, Rejection>` in one handler.
//!
//! Headers of the request that look like a gateway's (`Remote-User`, …) mean nothing here.

mod answer;
mod caller;
mod credentials;
mod extract;
mod failure;
mod gateway;
mod guard;
mod layer;
mod local;
mod requirement;

pub use caller::{Caller, Permit};
pub use extract::{
    CurrentUser, Require, RequireAdmin, RequireGroup, RequirePermission, RequireRole, RequireScope,
    RequireWorkspace,
};
pub use failure::{Failure, Rejection};
pub use gateway::AskGateway;
pub use guard::{AuthGuard, SetupFault};
pub use layer::{AuthLayer, Guarded};
pub use local::VerifyLocally;
pub use maxlab_auth_core::guard::{Admin, Guard, InWorkspace, Quality};
pub use maxlab_auth_core::identity::{ClaimPaths, Identity};
pub use maxlab_auth_core::token::{Algorithm, TypRule};
pub use maxlab_auth_store::RedisStore;
pub use requirement::{Anybody, Group, Named, Permission, Question, Requirement, Role, Scope};
