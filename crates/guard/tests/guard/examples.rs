//! The examples are run as they are shown.

use maxlab_auth_guard::test_util::{FixedTokens, identity};
use maxlab_auth_guard::{AuthGuard, Identity};

use crate::send;

#[path = "../../examples/gateway.rs"]
#[expect(dead_code, reason = "the example's own main does not run here")]
mod gateway;
#[path = "../../examples/local.rs"]
#[expect(dead_code, reason = "the example's own main does not run here")]
mod local;
#[path = "../../examples/testing.rs"]
#[expect(dead_code, reason = "the example's own main does not run here")]
mod testing;

fn guard() -> AuthGuard {
    let alice = Identity {
        groups: vec!["engineering".into()],
        workspaces: vec!["ws-1".into()],
        permissions: vec!["documents:write".into()],
        ..identity("alice")
    };
    let root = Identity {
        roles: vec!["administrator".into()],
        ..identity("root")
    };
    let tokens = FixedTokens::default().accept("alice", alice).accept("root", root);
    AuthGuard::fixed(tokens.accept("guest", identity("guest")))
}

#[tokio::test]
async fn testing() {
    testing::check().await.unwrap();
}

#[tokio::test]
async fn gateway() {
    let app = gateway::app(guard());
    for (method, path, token, status, text) in [
        ("GET", "/me", "guest", 200, "guest"),
        ("GET", "/plans", "alice", 200, "Plans for alice"),
        ("GET", "/plans", "root", 403, "engineering"),
        (
            "GET",
            "/workspaces/ws-1/documents",
            "alice",
            200,
            "documents of ws-1",
        ),
        ("GET", "/workspaces/ws-2/documents", "alice", 403, "ws-2"),
        (
            "POST",
            "/workspaces/ws-1/documents",
            "alice",
            200,
            "alice wrote in ws-1",
        ),
        // An administrator enters every workspace, and has no permission by that.
        (
            "POST",
            "/workspaces/ws-1/documents",
            "root",
            403,
            "documents:write",
        ),
        ("DELETE", "/documents/7", "root", 200, "root shredded 7"),
        ("DELETE", "/documents/7", "alice", 403, "Admin"),
    ] {
        let answer = send(&app, method, path, Some(token)).await;
        assert_eq!(answer.status, status, "{method} {path} {token}: {}", answer.text);
        assert!(
            answer.text.contains(text),
            "{method} {path} {token}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn local() {
    let app = local::app(&guard());
    assert_eq!(send(&app, "GET", "/me", Some("guest")).await.status, 200);
    assert_eq!(
        send(&app, "GET", "/reports", Some("root")).await.text,
        "For administrators\n"
    );
    assert_eq!(send(&app, "GET", "/reports", Some("guest")).await.status, 403);
    assert_eq!(send(&app, "GET", "/reports", None).await.status, 401);
    // Neither Redis nor the key set need answer at the start.
    let document = include_str!("guard.json");
    assert!(local::guard("redis://127.0.0.1:1", document).is_ok());
    assert!(local::guard("redis://127.0.0.1:1", "{}").is_err());
}
