//! The guard for an application's tests: real requirements and answers, fixed tokens.

use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use axum::{Extension, Router};
use maxlab_auth_guard::test_util::{FixedTokens, TOKEN, identity};
use maxlab_auth_guard::{
    AuthFault, AuthGuard, Caller, CredentialRefusal, CurrentUser, Identity, RequireWorkspace,
    RevocationReason, Unavailable,
};
use tower::ServiceExt as _;

use crate::{read, send};

fn app(guard: AuthGuard) -> Router {
    let behind_layer =
        |Extension(caller): Extension<Caller>| async move { caller.identity().user_id.clone() };
    let layered = Router::new()
        .route("/layer", get(behind_layer))
        .layer(guard.layer());
    Router::new()
        .route(
            "/me",
            get(async |CurrentUser(caller): CurrentUser| {
                assert!(caller.active_credential().is_none(), "nothing was verified");
                caller.identity().user_id.clone()
            }),
        )
        .route(
            "/workspaces/{workspace_id}",
            get(async |_: RequireWorkspace| "in"),
        )
        .with_state(guard)
        .merge(layered)
}

#[tokio::test]
async fn an_identity_alone_has_the_one_token() {
    let app = app(AuthGuard::fixed(identity("alice")));
    for path in ["/me", "/layer"] {
        assert_eq!(send(&app, "GET", path, Some(TOKEN)).await.text, "alice");
        let unknown = send(&app, "GET", path, Some("another")).await;
        assert_eq!(unknown.verdict(), (401, "invalid_token".into()));
        assert!(unknown.challenge.unwrap().contains("invalid_token"));
        assert_eq!(
            send(&app, "GET", path, None).await.verdict(),
            (401, "missing_credential".into())
        );
    }
}

#[tokio::test]
async fn failures_are_answered_as_in_production() {
    let app = app(AuthGuard::fixed(
        FixedTokens::from(identity("alice"))
            .fail(
                "revoked",
                CredentialRefusal::TokenRevoked(RevocationReason::Logout),
            )
            .fail("outage", AuthFault::Unavailable(Unavailable::store("canary"))),
    ));
    let revoked = send(&app, "GET", "/me", Some("revoked")).await;
    assert_eq!(revoked.verdict(), (401, "token_revoked".into()));
    // An outage is never a 401, also where a test hands it in as a fault of the credential.
    let outage = send(&app, "GET", "/me", Some("outage")).await;
    assert_eq!(outage.verdict(), (503, "store_unavailable".into()));
    assert!(outage.challenge.is_none() && outage.retry_after.is_some());
    assert!(!outage.text.contains("canary"), "{}", outage.text);
}

#[tokio::test]
async fn requirements_read_the_identity() {
    let member = Identity {
        workspaces: vec!["ws-1".into()],
        ..identity("alice")
    };
    let owner = Identity {
        roles: vec!["owner".into()],
        ..identity("root")
    };
    let tokens = FixedTokens::default()
        .accept("alice", member)
        .accept("root", owner);
    let app = app(AuthGuard::fixed(tokens).admin_roles(["owner"]));
    for (path, token, status) in [
        ("/workspaces/ws-1", "alice", 200),
        ("/workspaces/ws-2", "alice", 403),
        ("/workspaces/ws-2", "root", 200),
    ] {
        assert_eq!(
            send(&app, "GET", path, Some(token)).await.status,
            status,
            "{path} {token}"
        );
    }
}

#[tokio::test]
async fn a_request_is_read_as_strictly_as_in_production() {
    let app = app(AuthGuard::fixed(identity("alice")));
    let bearer = format!("Bearer {TOKEN}");
    let twice = Request::get("/me")
        .header("authorization", &bearer)
        .header("authorization", &bearer);
    let malformed = Request::get("/me").header("authorization", format!("Bearer  {TOKEN}"));
    let cookie = Request::get("/me").header("cookie", format!("maxlab_session={TOKEN}"));
    for (request, status) in [(twice, 400), (malformed, 401), (cookie, 401)] {
        let request = request.body(Body::empty()).unwrap();
        let answer = read(app.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

#[test]
fn it_says_what_it_is_and_shows_no_token() {
    let tokens = FixedTokens::default().accept("canary", identity("alice"));
    assert!(!format!("{tokens:?}").contains("canary"));
    let guard = AuthGuard::fixed(tokens);
    assert_eq!(format!("{guard:?}"), "AuthGuard(fixed tokens, for tests only)");
    assert!(guard.lease_left().is_none());
}
