//! `/oauth/token` as a proxy: both bodies, every client authentication, and nothing lost on the way.

use maxlab_auth_testkit::{Actor, HttpReply, Lie};
use reqwest::Method;
use serde_json::json;

use crate::gateway::{COOKIE, World};
use crate::issuer::Code;

async fn ask(world: &World, code: &Code) -> HttpReply {
    world
        .exchange(&maxlab_auth_testkit::Browser::new(&world.gateway.url), code)
        .await
}

#[tokio::test]
async fn a_form_and_the_guides_json_are_the_same_request() {
    let world = World::embedded(&[]).await;
    let fields = |code: &Code| {
        json!({ "grant_type": "authorization_code", "code": code.text(), "redirect_uri": "https://app.example/cb?x=1&y=ü",
            "client_id": "test-app", "code_verifier": "v".repeat(43), "refresh_token": null })
    };
    let json_reply = world
        .anonymous()
        .post_json("/oauth/token", &fields(&Code::of("user-1")))
        .await
        .expect_status(200);
    let form = fields(&Code::of("user-1"));
    let pairs: Vec<_> = form
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect();
    let form_reply = world
        .anonymous()
        .post_form("/oauth/token", &pairs)
        .await
        .expect_status(200);
    for reply in [json_reply, form_reply] {
        assert!(reply.json()["access_token"].is_string() && reply.header("x-session-id").is_some());
        assert_eq!(
            (reply.header("cache-control"), reply.header("pragma")),
            (Some("no-store"), Some("no-cache"))
        );
    }
    for request in world.auth.requests("/oauth/token") {
        assert_eq!(
            request.header("content-type"),
            Some("application/x-www-form-urlencoded")
        );
        assert_eq!(
            request.form("redirect_uri").as_deref(),
            Some("https://app.example/cb?x=1&y=ü")
        );
        assert_eq!(request.form("code_verifier"), Some("v".repeat(43)));
        assert_eq!(
            (
                request.form("client_id").as_deref(),
                request.form("refresh_token")
            ),
            (Some("test-app"), None)
        );
    }
}

#[tokio::test]
async fn every_client_authentication_is_passed_on_as_it_came() {
    let world = World::embedded(&[
        ("OAUTH_CLIENT_ID", "gateway"),
        ("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway"),
    ])
    .await;
    let anonymous = world.anonymous();
    let form = |extra: &[(&str, &str)]| {
        let mut form = vec![
            ("grant_type".to_owned(), "authorization_code".to_owned()),
            ("code".to_owned(), Code::of("u").text()),
        ];
        form.extend(
            extra
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        form
    };
    let basic = anonymous.send(Method::POST, "/oauth/token", |r| {
        r.basic_auth("app one", Some("p:w")).form(&form(&[]))
    });
    basic.await.expect_status(200);
    let post = anonymous.send(Method::POST, "/oauth/token", |r| {
        r.form(&form(&[("client_id", "app"), ("client_secret", "s3")]))
    });
    post.await.expect_status(200);
    let none = anonymous.send(Method::POST, "/oauth/token", |r| {
        r.form(&form(&[("client_id", "public-app")]))
    });
    none.await.expect_status(200);
    let bearer = world.bearer(&world.opaque_token("u"));
    let with_token = bearer.send(Method::POST, "/oauth/token", |r| {
        r.form(&form(&[("client_id", "public-app")]))
    });
    with_token.await.expect_status(200);
    let seen = world.auth.requests("/oauth/token");
    assert_eq!(seen[0].header("authorization"), Some("Basic YXBwIG9uZTpwOnc="));
    assert_eq!(
        (seen[0].form("client_id"), seen[0].form("client_secret")),
        (None, None)
    );
    assert_eq!(
        (
            seen[1].header("authorization"),
            seen[1].form("client_secret").as_deref()
        ),
        (None, Some("s3"))
    );
    for request in &seen[2..] {
        // Neither somebody's bearer token nor the gateway's own secret goes along.
        assert_eq!(
            (request.header("authorization"), request.form("client_secret")),
            (None, None)
        );
        assert_eq!(request.form("client_id").as_deref(), Some("public-app"));
    }
}

#[tokio::test]
async fn the_id_token_and_unknown_fields_are_kept() {
    let world = World::embedded(&[]).await;
    let code = Code::of("user-1")
        .answer("id_token", "eyJ.id.token")
        .answer("x_nested", json!({ "a": [1, null] }))
        .answer("scope", json!(null));
    let reply = ask(&world, &code).await.expect_status(200);
    let body = reply.json();
    assert_eq!(
        (body["id_token"].as_str(), &body["x_nested"]),
        (Some("eyJ.id.token"), &json!({ "a": [1, null] }))
    );
    assert_eq!(
        (body["token_type"].as_str(), body["expires_in"].as_u64()),
        (Some("Bearer"), Some(300))
    );
}

#[tokio::test]
async fn f7_several_resources_and_audiences_are_passed_on() {
    let world = World::embedded(&[]).await;
    let granted = json!({ "access_token": "machine", "token_type": "Bearer" });
    world.auth.on("/oauth/token", Lie::json(200, granted));
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", "https://a.example"),
        ("audience", "one"),
        ("resource", "https://b.example"),
        ("audience", "two"),
    ];
    let anonymous = world.anonymous();
    anonymous
        .post_form("/oauth/token", &form)
        .await
        .expect_status(200);
    let body = json!({ "grant_type": "client_credentials", "resource": ["https://a.example", "https://b.example"],
        "audience": ["one", "two"] });
    anonymous
        .post_json("/oauth/token", &body)
        .await
        .expect_status(200);
    for request in world.auth.requests("/oauth/token") {
        let sent: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
        for (name, value) in &form {
            let pair = ((*name).to_owned(), (*value).to_owned());
            assert!(sent.contains(&pair), "{name}={value} in {sent:?}");
        }
        assert_eq!(sent.len(), form.len(), "{sent:?}");
    }
    let twice = [
        ("grant_type", "client_credentials"),
        ("scope", "a"),
        ("scope", "b"),
    ];
    anonymous
        .post_form("/oauth/token", &twice)
        .await
        .expect_status(400);
}

#[tokio::test]
async fn what_is_no_token_request_is_a_400_that_says_why() {
    let world = World::embedded(&[]).await;
    let anonymous = world.anonymous();
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("code", "c")], "grant_type"),
        (&[("grant_type", "authorization_code")], "code"),
        (&[("grant_type", "refresh_token")], "refresh_token"),
        (
            &[("grant_type", "refresh_token"), ("refresh_token", "a b")],
            "refresh_token",
        ),
    ];
    for (form, wanting) in cases {
        let body = anonymous
            .post_form("/oauth/token", form)
            .await
            .expect_status(400)
            .json();
        assert_eq!(body["error"], "invalid_request");
        assert!(
            body["error_description"].as_str().unwrap().contains(wanting),
            "{body}"
        );
        assert!(body["detail"].is_string());
    }
    let twice = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "a"),
        ("refresh_token", "b"),
    ];
    anonymous
        .post_form("/oauth/token", &twice)
        .await
        .expect_status(400);
    assert_eq!(world.auth.count_requests("/oauth/token"), 0);
}

#[tokio::test]
async fn another_grant_is_passed_on_and_begins_no_session() {
    let world = World::embedded(&[]).await;
    world.auth.on(
        "/oauth/token",
        Lie::json(200, json!({ "access_token": "machine", "token_type": "Bearer" })),
    );
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "x"),
        ("client_id", "m"),
        ("client_secret", "s"),
    ];
    let reply = world
        .anonymous()
        .post_form("/oauth/token", &form)
        .await
        .expect_status(200);
    assert_eq!(reply.json()["access_token"], "machine");
    assert!(reply.header("set-cookie").is_none());
    assert_eq!(
        world.auth.requests("/oauth/token")[0].form("scope").as_deref(),
        Some("x")
    );
}

#[tokio::test]
async fn a_login_sets_one_cookie_and_names_the_session() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    assert_eq!(login.reply.headers.get_all("set-cookie").iter().count(), 1);
    assert!(login.browser.cookie(COOKIE).unwrap().http_only);
    login.is_of("user-1").await;
}
