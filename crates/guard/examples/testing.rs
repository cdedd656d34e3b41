//! How an application tests its guarded routes: fixed tokens in the place of a gateway.
//!
//! ```sh
//! cargo run -p maxlab-auth-guard --example testing
//! ```
//!
//! An application has this in its tests, and `test-util` in its `[dev-dependencies]`.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::{delete, get};
use maxlab_auth_guard::test_util::{FixedTokens, identity};
use maxlab_auth_guard::{
    AuthGuard, CredentialRefusal, CurrentUser, Identity, Require, RequireAdmin, RevocationReason, Unavailable,
};
use tower::ServiceExt as _;

async fn profile(CurrentUser(caller): CurrentUser) -> String {
    caller.identity().user_id.clone()
}

async fn remove(Require(admin): RequireAdmin) -> String {
    format!("removed by {}", admin.identity().user_id)
}

/// Returns the application's router. It does not know which kind of guard it has.
fn app(guard: AuthGuard) -> Router {
    Router::new()
        .route("/profile", get(profile))
        .route("/documents/{id}", delete(remove))
        .with_state(guard)
}

/// Returns a guard that knows a member, an administrator, a revoked token, and one during an outage.
fn guard() -> AuthGuard {
    let root = Identity {
        roles: vec!["admin".into()],
        ..identity("root")
    };
    AuthGuard::fixed(
        FixedTokens::default()
            .accept("alice", identity("alice"))
            .accept("root", root)
            .fail(
                "revoked",
                CredentialRefusal::TokenRevoked(RevocationReason::Logout),
            )
            .fail("outage", Unavailable::store("a test")),
    )
}

/// Sends a request and returns its status.
async fn status(method: &str, path: &str, token: &str) -> Result<StatusCode, Box<dyn std::error::Error>> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())?;
    Ok(app(guard()).oneshot(request).await?.status())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    check().await
}

/// Checks who may do what.
pub(crate) async fn check() -> Result<(), Box<dyn std::error::Error>> {
    for (method, path, token, expected) in [
        ("GET", "/profile", "alice", StatusCode::OK),
        ("GET", "/profile", "nobody", StatusCode::UNAUTHORIZED),
        ("GET", "/profile", "revoked", StatusCode::UNAUTHORIZED),
        ("GET", "/profile", "outage", StatusCode::SERVICE_UNAVAILABLE),
        ("DELETE", "/documents/1", "alice", StatusCode::FORBIDDEN),
        ("DELETE", "/documents/1", "root", StatusCode::OK),
    ] {
        let answered = status(method, path, token).await?;
        assert_eq!(answered, expected, "{method} {path} as {token}");
        println!("{method} {path} as {token}: {answered}");
    }
    Ok(())
}
