//! `/oauth/authorize`: the browser is sent on, whichever way the authorization server takes it.

use maxlab_auth_testkit::lying::ScriptedResponse;
use maxlab_auth_testkit::{Actor, HttpReply, Lie};
use serde_json::json;
use url::Url;

use crate::gateway::{World, verdict};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://app.example/callback?x=1";

/// A good request, with some parameters changed; an empty value takes one out.
fn query(changed: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", "test-app"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile"),
        ("state", "s t&a=te"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changed {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    let mut serializer = form_urlencoded::Serializer::new(String::new());
    format!("/oauth/authorize?{}", serializer.extend_pairs(pairs).finish())
}

async fn ask(world: &World, changed: &[(&str, &str)]) -> HttpReply {
    world.anonymous().get(&query(changed)).await
}

fn target(reply: &HttpReply) -> Url {
    assert_eq!(reply.status, 302, "{}", reply.text());
    reply.header("location").unwrap().parse().unwrap()
}

/// A world whose authorization server has no metadata, as the guide's has none.
async fn without_metadata() -> World {
    let world = World::embedded(&[]).await;
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        world.auth.on(path, Lie::status(404));
    }
    world.restarted(&[]).await
}

#[tokio::test]
async fn the_discovered_endpoint_is_where_the_browser_goes() {
    let world = World::embedded(&[]).await;
    let reply = ask(&world, &[("prompt", "login")]).await;
    let target = target(&reply);
    assert!(
        target
            .as_str()
            .starts_with(&format!("{}/oauth/authorize?", world.auth.url()))
    );
    let sent: Vec<(String, String)> = target.query_pairs().into_owned().collect();
    for (name, value) in [
        ("state", "s t&a=te"),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("prompt", "login"),
    ] {
        assert!(
            sent.contains(&(name.to_owned(), value.to_owned())),
            "{name} in {target}"
        );
    }
    assert_eq!(sent.len(), 8, "each parameter once: {target}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(
        world.auth.count_requests("/oauth/authorize"),
        0,
        "nobody is asked"
    );
}

#[tokio::test]
async fn f7_several_resources_are_passed_on() {
    let world = World::embedded(&[]).await;
    let several = "&resource=https%3A%2F%2Fa.example&resource=https%3A%2F%2Fb.example&audience=x&audience=y";
    let reply = world.anonymous().get(&format!("{}{several}", query(&[]))).await;
    let sent: Vec<(String, String)> = target(&reply).query_pairs().into_owned().collect();
    for (name, value) in [
        ("resource", "https://a.example"),
        ("resource", "https://b.example"),
        ("audience", "x"),
        ("audience", "y"),
    ] {
        assert!(
            sent.contains(&(name.to_owned(), value.to_owned())),
            "{name}={value} in {sent:?}"
        );
    }
}

#[tokio::test]
async fn the_guides_json_redirects_and_pages_are_relayed() {
    let world = without_metadata().await;
    world.auth.on(
        "/oauth/authorize",
        Lie::json(
            200,
            json!({ "authorization_url": "https://login.example/start?flow=1" }),
        ),
    );
    assert_eq!(
        target(&ask(&world, &[]).await).as_str(),
        "https://login.example/start?flow=1"
    );
    let asked = &world.auth.requests("/oauth/authorize")[0];
    assert_eq!(
        (
            asked.param("state").as_deref(),
            asked.param("redirect_uri").as_deref()
        ),
        (Some("s t&a=te"), Some(CALLBACK))
    );
    world.auth.on(
        "/oauth/authorize",
        Lie::redirect("https://login.example/elsewhere"),
    );
    assert_eq!(
        target(&ask(&world, &[]).await).as_str(),
        "https://login.example/elsewhere"
    );
    world.auth.on("/oauth/authorize", Lie::redirect("/login?next=1"));
    assert_eq!(
        target(&ask(&world, &[]).await).as_str(),
        format!("{}/login?next=1", world.auth.url())
    );
    world.auth.on(
        "/oauth/authorize",
        Lie::body(200, "text/html; charset=utf-8", "<form>"),
    );
    let page = target(&ask(&world, &[]).await);
    assert!(
        page.as_str()
            .starts_with(&format!("{}/oauth/authorize?", world.auth.url())),
        "{page}"
    );
    assert!(
        page.query_pairs()
            .any(|(name, value)| name == "state" && value == "s t&a=te")
    );
}

#[tokio::test]
async fn an_error_of_the_authorization_server_comes_through_and_nonsense_is_502() {
    let world = without_metadata().await;
    let refused = ScriptedResponse::json(
        400,
        json!({ "error": "unauthorized_client", "error_description": "no" }),
    );
    world.auth.on("/oauth/authorize", refused);
    assert_eq!(
        ask(&world, &[]).await.expect_status(400).json()["error"],
        "unauthorized_client"
    );
    // F6: an error with 200 is the error.
    let refused = Lie::json(200, json!({ "error": "access_denied" }));
    world.auth.on("/oauth/authorize", refused);
    let refusal = ask(&world, &[]).await.expect_status(400);
    assert_eq!(refusal.json()["error"], "access_denied");
    let nonsense = [
        Lie::status(500),
        Lie::json(400, json!({ "error": { "deep": 1 }, "stack": "x" })),
        Lie::json(200, json!({})),
        Lie::json(200, json!({ "authorization_url": 7 })),
        Lie::json(200, json!({ "authorization_url": "javascript:alert(1)" })),
        Lie::redirect("javascript:alert(1)"),
        Lie::redirect("data:text/html,x"),
        Lie::status(302),
        Lie::garbage(),
        Lie::huge(1 << 30),
    ];
    for lie in nonsense {
        world.auth.on("/oauth/authorize", lie.clone());
        assert_eq!(
            verdict(&ask(&world, &[]).await),
            (502, "upstream_unavailable".into()),
            "{lie:?}"
        );
    }
    let world = world.restarted(&[("UPSTREAM_TIMEOUT_SECONDS", "0.3")]).await;
    world.auth.on("/oauth/authorize", Lie::hang());
    assert_eq!(
        verdict(&ask(&world, &[]).await),
        (504, "upstream_unavailable".into())
    );
}

#[tokio::test]
async fn clients_and_redirect_uris_are_compared_exactly() {
    let rules = [
        (
            "ALLOWED_REDIRECT_URIS",
            "https://app.example/callback?x=1,com.example.app:/cb",
        ),
        ("ALLOWED_CLIENT_IDS", "test-app"),
    ];
    let world = World::embedded(&rules).await;
    target(&ask(&world, &[]).await);
    target(&ask(&world, &[("redirect_uri", "com.example.app:/cb")]).await);
    for other in [
        "https://app.example/callback",
        "https://app.example/callback?x=1&y",
        "https://app.example/callback/?x=1",
        "https://APP.example/callback?x=1",
        "http://app.example/callback?x=1",
        "https://app.example:443/callback?x=1",
        "https://app.example/callback?x=1#f",
        "https://app.example.evil.example/callback?x=1",
        "https://app.example@evil.example/callback?x=1",
        "https://app.example/./callback?x=1",
        "/callback",
        "",
    ] {
        let reply = ask(&world, &[("redirect_uri", other)]).await;
        assert_eq!(reply.status, 400, "{other}");
        assert!(
            reply.header("location").is_none(),
            "never a redirect to an address that was refused: {other}"
        );
    }
    for other in ["Test-App", "test-app ", "another", ""] {
        assert_eq!(ask(&world, &[("client_id", other)]).await.status, 400, "{other}");
    }
}

#[tokio::test]
async fn pkce_with_s256_is_required() {
    let world = World::embedded(&[]).await;
    for changed in [
        [("code_challenge", "")],
        [("code_challenge_method", "")],
        [("code_challenge_method", "plain")],
        [("code_challenge_method", "s256")],
        [("code_challenge", "too-short")],
        [("response_type", "token")],
        [("response_type", "")],
        [("redirect_uri", "javascript:alert(1)")],
        [("redirect_uri", "//evil.example/cb")],
    ] {
        let reply = ask(&world, &changed).await;
        let body = reply.clone().expect_status(400).json();
        assert_eq!(body["error"], "invalid_request", "{changed:?}");
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example%2F", query(&[]));
    world.anonymous().get(&twice).await.expect_status(400);
}
