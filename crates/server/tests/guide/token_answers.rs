//! What `/oauth/token` makes of each answer of the authorization server: passed on, 502, 504, or held back.

use std::time::Duration;

use maxlab_auth_testkit::lying::Response;
use maxlab_auth_testkit::{Lie, Reply};
use serde_json::json;

use crate::gateway::{World, verdict};
use crate::issuer::Code;

async fn ask(world: &World, code: &Code) -> Reply {
    world
        .exchange(&maxlab_auth_testkit::Browser::new(&world.gateway.url), code)
        .await
}

#[tokio::test]
async fn an_oauth_error_comes_through_with_its_status_and_body() {
    let world = World::embedded(&[]).await;
    for (status, error) in [
        (400, "invalid_grant"),
        (401, "invalid_client"),
        (403, "access_denied"),
        (429, "slow_down"),
        (422, "odd"),
    ] {
        let body = json!({ "error": error, "error_description": "because", "error_uri": "https://e.example", "x": 1 });
        let answer = Response::json(status, body)
            .header("www-authenticate", "Basic realm=\"as\"")
            .header("retry-after", "7");
        world.auth.on("/oauth/token", answer);
        let reply = ask(&world, &Code::of("user-1")).await.expect_status(status);
        let said = reply.json();
        assert_eq!(
            (said["error"].as_str(), said["error_description"].as_str()),
            (Some(error), Some("because"))
        );
        assert_eq!(
            (said["error_uri"].as_str(), said["x"].as_u64()),
            (Some("https://e.example"), Some(1))
        );
        assert_eq!(said["detail"], "because", "for the guide's clients");
        assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"as\""));
        assert_eq!(
            (reply.header("retry-after"), reply.header("cache-control")),
            (Some("7"), Some("no-store"))
        );
        assert!(reply.header("set-cookie").is_none() && reply.header("x-session-id").is_none());
    }
}

#[tokio::test]
async fn a_broken_answer_is_502_and_a_late_one_504() {
    let world = World::embedded(&[("UPSTREAM_TIMEOUT_SECONDS", "0.5")]).await;
    let tokens = json!({ "access_token": "a", "token_type": "Bearer" });
    let lies = [
        ("500", Lie::status(500), 502),
        (
            "503",
            Lie::json(503, json!({ "error": "temporarily_unavailable" })),
            502,
        ),
        ("redirect", Lie::redirect("http://127.0.0.1:1/stolen"), 502),
        ("garbage", Lie::garbage(), 502),
        ("closed", Lie::close(), 502),
        ("half a body", Lie::half_body(200, tokens.clone()), 502),
        ("no JSON", Lie::body(200, "text/html", "<html>"), 502),
        (
            "doubled field",
            Lie::body(
                200,
                "application/json",
                r#"{"access_token":"a","access_token":"b"}"#,
            ),
            502,
        ),
        (
            "no access token",
            Lie::json(200, json!({ "token_type": "Bearer" })),
            502,
        ),
        (
            "mistyped token",
            Lie::json(200, json!({ "access_token": 7 })),
            502,
        ),
        (
            "token with a line break",
            Lie::json(200, json!({ "access_token": "a\r\nx" })),
            502,
        ),
        (
            "mistyped lifetime",
            Lie::json(200, json!({ "access_token": "a", "expires_in": "soon" })),
            502,
        ),
        ("1 GB", Lie::huge(1 << 30), 502),
        ("hang", Lie::hang(), 504),
        (
            "drip",
            Lie::slow_drip(200, tokens.clone(), Duration::from_millis(50)),
            504,
        ),
        (
            "late",
            Lie::delay(Duration::from_secs(2), Lie::json(200, tokens)),
            504,
        ),
    ];
    for (what, lie, status) in lies {
        world.auth.on("/oauth/token", lie);
        let reply = ask(&world, &Code::of("user-1")).await;
        assert_eq!(
            verdict(&reply),
            (status, "upstream_unavailable".into()),
            "{what}: {}",
            reply.text()
        );
        let body = reply.json();
        assert!(
            body["error"].is_string() && body["detail"].as_str().unwrap().starts_with("OAuth server"),
            "{what}"
        );
        assert!(reply.header("set-cookie").is_none(), "{what}");
    }
    assert!(
        world.auth.body_bytes_sent() < 32 << 20,
        "a body without end is not read to its end"
    );
    world.auth.stop().await;
    assert_eq!(
        verdict(&ask(&world, &Code::of("user-1")).await),
        (502, "upstream_unavailable".into())
    );
}

#[tokio::test]
async fn a_login_without_an_identity_gives_the_tokens_but_no_session() {
    let world = World::embedded(&[]).await;
    for endpoint in ["/oauth/userinfo", "/api/v1/auth/me"] {
        world.auth.on(endpoint, Lie::status(401));
    }
    let reply = ask(&world, &Code::of("user-1").opaque()).await.expect_status(200);
    assert!(reply.json()["access_token"].is_string());
    assert!(reply.header("set-cookie").is_none() && reply.header("x-session-id").is_none());
}

#[tokio::test]
async fn a_login_that_nobody_can_judge_gives_nothing_out_and_revokes_upstream() {
    let world = World::embedded(&[]).await;
    for endpoint in ["/oauth/userinfo", "/api/v1/auth/me"] {
        world.auth.on(endpoint, Lie::status(500));
    }
    let reply = ask(&world, &Code::of("user-1").opaque()).await;
    assert_eq!(verdict(&reply), (503, "upstream_unavailable".into()));
    assert!(!reply.text().contains("access_token"));
    world.auth.asked("/oauth/revoke", 2).await;
}
