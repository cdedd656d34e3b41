//! A guard that asks a gateway, here one that a test has written: what is asked, and how long it may take.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::{any, get};
use maxlab_auth_guard::{AuthGuard, CurrentUser, GatewayClientSettings};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::{read, send};

/// Serves a router on a private port; returns its address.
async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn app(settings: &GatewayClientSettings) -> Router {
    let me = async |CurrentUser(caller): CurrentUser| caller.identity().user_id.clone();
    Router::new()
        .route("/me", get(me))
        .with_state(AuthGuard::via_gateway(settings).unwrap())
}

#[tokio::test]
async fn the_gateway_may_stand_below_a_path_and_gets_the_credential_alone() {
    let verify = async |headers: HeaderMap| {
        let value = |name: &str| {
            headers
                .get(name)
                .map_or("", |value| value.to_str().unwrap())
                .to_owned()
        };
        assert_eq!(value("x-forwarded-uri"), "/me", "without the query");
        assert!(!headers.contains_key("x-secret") && !headers.contains_key("cookie"));
        let token = value("authorization");
        [
            (
                "remote-user",
                token.strip_prefix("Bearer ").unwrap_or_default().to_owned(),
            ),
            ("remote-name", String::new()),
            ("remote-email", String::new()),
            ("remote-groups", String::new()),
            ("remote-roles", String::new()),
            ("x-auth-source", "local_jwt".to_owned()),
            ("x-auth-identity", String::new()),
        ]
        .map(|(name, value)| (name, value))
    };
    let verify = move |headers| async move { axum::response::AppendHeaders(verify(headers).await) };
    let gateway = serve(Router::new().route("/auth-gateway/auth/verify", any(verify))).await;
    for url in [
        format!("{gateway}/auth-gateway"),
        format!("{gateway}/auth-gateway/"),
    ] {
        let request = Request::get("/me?secret=1")
            .header("authorization", "Bearer alice")
            .header("cookie", "theme=dark")
            .header("x-secret", "1")
            .body(Body::empty())
            .unwrap();
        let app = app(&GatewayClientSettings::new(url));
        let answer = read(app.oneshot(request).await.unwrap()).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "alice"));
    }
}

#[tokio::test]
async fn a_gateway_that_is_too_slow_is_an_outage() {
    let hang = async || {
        std::future::pending::<()>().await;
        StatusCode::OK
    };
    let gateway = serve(Router::new().route("/auth/verify", any(hang))).await;
    let settings = GatewayClientSettings::new(gateway)
        .timeout(Duration::from_millis(50))
        .idle_connections(1);
    let answer = send(&app(&settings), "GET", "/me", Some("alice")).await;
    assert_eq!(answer.verdict(), (503, "upstream_unavailable".into()));
    assert!(answer.challenge.is_none() && answer.retry_after.is_some());
}
