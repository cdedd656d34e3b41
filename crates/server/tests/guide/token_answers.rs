//! What `/oauth/token` makes of each answer of the authorization server: passed on, 502, 504, or held back.

use std::time::Duration;

use maxlab_auth_testkit::lying::ScriptedResponse;
use maxlab_auth_testkit::{Actor, HttpReply, Lie};
use serde_json::json;

use crate::gateway::{World, eventually, verdict};
use crate::issuer::Code;

async fn ask(world: &World, code: &Code) -> HttpReply {
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
        let answer = ScriptedResponse::json(status, body)
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
async fn f3_expires_in_of_any_form_loses_no_tokens() {
    let world = World::embedded(&[]).await;
    for lifetime in [
        json!("3599"),
        json!(3599.0),
        json!(-1),
        json!("soon"),
        json!(null),
        json!([]),
    ] {
        let code = Code::of("user-1").answer("expires_in", lifetime.clone());
        let login = world.log_in_with(&code).await;
        login.is_of("user-1").await;
        let renewed = world.refresh(&login.refresh).await;
        assert_eq!(renewed.status, 200, "{lifetime}: {}", renewed.text());
    }
}

#[tokio::test]
async fn f4_tokens_of_all_characters_are_relayed_and_come_back() {
    let world = World::embedded(&[]).await;
    let (access, refresh) = ("opaque!*$|(\u{7e})", "refresh!*$|#1");
    world.auth.accept_token(access, json!({ "sub": "user-1" }));
    world.issuer.plant(refresh, Code::of("user-1"));
    let code = Code::of("user-1")
        .opaque()
        .answer("access_token", access)
        .answer("refresh_token", refresh);
    let login = world.log_in_with(&code).await;
    assert_eq!((login.access.as_str(), login.refresh.as_str()), (access, refresh));
    login.is_of("user-1").await;
    // In `Authorization` the form of RFC 6750 stays the rule.
    assert_eq!(world.me(access).await.status, 401);

    let validated = world
        .anonymous()
        .post_form("/oauth/token/validate", &[("refresh_token", refresh)])
        .await;
    assert_eq!(validated.expect_status(200).json()["valid"], true);
    world.refresh(refresh).await.expect_status(200);
    world.revoke(access).await.expect_status(200);
    eventually("the authorization server learns of the revocation", async || {
        let told = world.auth.requests("/oauth/revoke");
        told.iter()
            .any(|request| request.form("token").as_deref() == Some(access))
    })
    .await;

    // A revoked one stays revoked, whatever its characters are.
    let refresh = "refresh!*$|#2";
    world.issuer.plant(refresh, Code::of("user-1"));
    world
        .log_in_with(&Code::of("user-1").answer("refresh_token", refresh))
        .await;
    world.revoke(refresh).await.expect_status(200);
    let refused = world.refresh(refresh).await.expect_status(400);
    assert_eq!(refused.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn f4_a_token_that_is_too_long_for_the_gateway_is_relayed_without_a_session() {
    let world = World::embedded(&[]).await;
    let long = "a".repeat(20_000);
    let code = Code::of("user-1").answer("access_token", long.clone());
    let reply = ask(&world, &code).await.expect_status(200);
    assert_eq!(reply.json()["access_token"], long);
    assert!(reply.header("set-cookie").is_none());
}

#[tokio::test]
async fn f5_an_empty_member_is_an_absent_one() {
    let world = World::embedded(&[]).await;
    for nothing in [json!(""), json!(null), json!(7), json!({})] {
        let code = Code::of("user-1")
            .answer("refresh_token", nothing.clone())
            .answer("id_token", json!(null));
        let login = world.log_in_with(&code).await;
        login.is_of("user-1").await;
        let body = login.reply.json();
        assert!(body.get("refresh_token").is_none(), "{nothing}: {body}");
        assert!(body.get("id_token").is_none(), "{nothing}: {body}");
    }
}

#[tokio::test]
async fn f6_an_error_with_200_is_the_error() {
    let world = World::embedded(&[]).await;
    let refusal = json!({ "error": "bad_verification_code", "error_description": "expired", "error_uri": "https://e.example" });
    let form = "error=bad_verification_code&error_description=expired&error_uri=https%3A%2F%2Fe.example";
    for lie in [
        Lie::json(200, refusal.clone()),
        Lie::body(200, "application/x-www-form-urlencoded; charset=utf-8", form),
    ] {
        world.auth.on("/oauth/token", lie);
        let body = ask(&world, &Code::of("user-1")).await.expect_status(400).json();
        for name in ["error", "error_description", "error_uri"] {
            assert_eq!(body[name], refusal[name], "{body}");
        }
        assert_eq!(body["detail"], "expired");
        let refused = world.refresh("some-refresh-token").await.expect_status(400);
        assert_eq!(refused.json()["error"], "bad_verification_code");
    }
}

#[tokio::test]
async fn f6_tokens_in_a_form_are_tokens() {
    let world = World::embedded(&[]).await;
    world.auth.accept_token("opaque-1", json!({ "sub": "user-1" }));
    let form = "access_token=opaque-1&refresh_token=r-1&token_type=bearer&expires_in=28800&scope=";
    for kind in ["application/x-www-form-urlencoded", "text/plain; charset=utf-8"] {
        world.auth.on("/oauth/token", Lie::body(200, kind, form));
        let login = world.log_in("user-1").await;
        assert_eq!(
            (login.access.as_str(), login.refresh.as_str()),
            ("opaque-1", "r-1")
        );
        login.is_of("user-1").await;
    }
    for unreadable in ["access_token=a&access_token=b", "not a token", ""] {
        let lie = Lie::body(200, "text/plain", unreadable);
        world.auth.on("/oauth/token", lie);
        assert_eq!(ask(&world, &Code::of("user-1")).await.status, 502, "{unreadable}");
    }
}

#[tokio::test]
async fn f21_a_byte_order_mark_before_an_answer_changes_nothing() {
    let world = World::embedded(&[]).await;
    world.auth.accept_token("opaque-1", json!({ "sub": "user-1" }));
    let body = "\u{feff}{\"access_token\":\"opaque-1\",\"token_type\":\"Bearer\"}";
    world
        .auth
        .on("/oauth/token", Lie::body(200, "application/json", body));
    world.log_in("user-1").await.is_of("user-1").await;
    let refusal = Lie::body(400, "application/json", "\u{feff}{\"error\":\"invalid_grant\"}");
    world.auth.on("/oauth/token", refusal);
    let body = ask(&world, &Code::of("user-1")).await.expect_status(400).json();
    assert_eq!(body["error"], "invalid_grant");
}

#[tokio::test]
async fn f26_what_is_no_oauth_error_is_not_relayed() {
    let world = World::embedded(&[]).await;
    for lie in [
        Lie::json(400, json!({ "error": { "deep": "canary" }, "stack": "canary" })),
        Lie::json(422, json!({ "detail": [{ "loc": "canary" }] })),
        Lie::json(404, json!({ "message": "canary" })),
        Lie::json(400, json!({ "error": "", "stack": "canary" })),
        Lie::json(400, json!({ "error": 7, "stack": "canary" })),
        Lie::body(403, "text/html", "<html>canary"),
        Lie::body(400, "application/json", "[\"canary\"]"),
        Lie::status(401),
    ] {
        world.auth.on("/oauth/token", lie.clone());
        let reply = ask(&world, &Code::of("user-1")).await;
        assert_eq!(verdict(&reply), (502, "upstream_unavailable".into()), "{lie:?}");
        assert!(!reply.text().contains("canary"), "{lie:?}");
        assert!(reply.header("retry-after").is_some(), "{lie:?}");
    }
}

#[tokio::test]
async fn an_answer_that_gives_nothing_has_its_refresh_token_revoked() {
    let world = World::embedded(&[]).await;
    let answer = json!({ "access_token": 7, "refresh_token": "left-alive" });
    world.auth.on("/oauth/token", Lie::json(200, answer));
    assert_eq!(ask(&world, &Code::of("user-1")).await.status, 502);
    world.auth.wait_for_requests("/oauth/revoke", 1).await;
    let told = &world.auth.requests("/oauth/revoke")[0];
    assert_eq!(told.form("token").as_deref(), Some("left-alive"));
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
    world.auth.wait_for_requests("/oauth/revoke", 2).await;
}
