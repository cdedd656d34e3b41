//! Where and how the authorization server is asked: paths of its metadata, addresses, client authentication, proxies.

use maxlab_auth_testkit::lying::{ReceivedRequest, ScriptedResponse};
use maxlab_auth_testkit::{Actor, Browser, Lie};
use serde_json::json;

use crate::gateway::World;
use crate::issuer::Code;

const INTROSPECT: &str = "/oauth/introspect";
const SECRET: &str = "a-secret-of-the-gateway";

#[tokio::test]
async fn f11_metadata_of_a_base_with_a_path_may_be_in_front_of_it() {
    let world = World::embedded(&[("VERIFY_LAYERS", "oauth_userinfo")]).await;
    let base = format!("{}/tenant-a", world.auth.url());
    let metadata = json!({ "issuer": base, "userinfo_endpoint": format!("{base}/me") });
    world
        .auth
        .on("/tenant-a/me", Lie::json(200, json!({ "sub": "user-1" })));
    let in_front = [
        "/.well-known/oauth-authorization-server/tenant-a",
        "/.well-known/openid-configuration/tenant-a",
    ];
    let mut world = world;
    for path in in_front {
        world.auth.on(path, Lie::json(200, metadata.clone()));
        world = world.restarted(&[("EXTERNAL_AUTH_URL", &base)]).await;
        assert_eq!(world.me("opaque-1").await.status, 200, "{path}");
        world.auth.on(path, Lie::status(404));
    }
    // Metadata of another tenant are not used.
    let other = json!({ "issuer": format!("{base}-2"), "userinfo_endpoint": format!("{base}/me") });
    world.auth.on(in_front[0], Lie::json(200, other));
    let world = world.restarted(&[]).await;
    assert_eq!(
        world.me("opaque-1").await.status,
        401,
        "the guide's path does not exist"
    );
    world.auth.on(
        "/tenant-a/oauth/userinfo",
        Lie::json(200, json!({ "sub": "user-1" })),
    );
    assert_eq!(
        world.me("opaque-2").await.status,
        200,
        "the guide's path is the fallback"
    );
}

#[tokio::test]
async fn f20_each_endpoint_has_a_setting_that_wins_over_the_metadata() {
    let client = [("OAUTH_CLIENT_ID", "gateway"), ("OAUTH_CLIENT_SECRET", SECRET)];
    let world = World::try_embedded(
        &[
            ("VERIFY_LAYERS", "oauth_userinfo,introspection"),
            ("VERIFY_CACHE_SECONDS", "0"),
            client[0],
            client[1],
        ],
        |auth| {
            for name in [
                "authorization",
                "token",
                "userinfo",
                "revocation",
                "introspection",
            ] {
                auth.publish(&format!("{name}_endpoint"), format!("http://127.0.0.1:1/{name}"));
            }
        },
    )
    .await
    .unwrap();
    let token = world.opaque_token("user-1");
    assert_eq!(world.me(&token).await.status, 503);
    assert_eq!(
        world
            .exchange(&Browser::new(&world.gateway.url), &Code::of("user-1"))
            .await
            .status,
        502
    );

    let at = |path: &str| format!("{}{path}", world.auth.url());
    let (token_url, userinfo_url) = (at("/oauth/token"), at("/oauth/userinfo"));
    let (revocation_url, introspection_url) = (at("/oauth/revoke"), at(INTROSPECT));
    let world = world
        .restarted(&[
            ("AUTHORIZATION_URL", "https://login.example/authorize?tenant=1"),
            ("TOKEN_URL", &token_url),
            ("USERINFO_URL", &userinfo_url),
            ("REVOCATION_URL", &revocation_url),
            ("INTROSPECTION_URL", &introspection_url),
        ])
        .await;
    assert_eq!(world.me(&token).await.status, 200);
    let login = world.log_in("user-1").await;
    world.revoke(&login.access).await.expect_status(200);
    world.auth.wait_for_requests("/oauth/revoke", 1).await;
    world.auth.on("/oauth/userinfo", Lie::status(404));
    assert_eq!(world.me(&token).await.status, 200);
    assert!(world.auth.count_requests(INTROSPECT) > 0);
    let query = "response_type=code&client_id=test-app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let sent_on = world.anonymous().get(&format!("/oauth/authorize?{query}")).await;
    let target = sent_on.expect_status(302).header("location").unwrap().to_owned();
    assert!(
        target.starts_with("https://login.example/authorize?tenant=1&response_type=code"),
        "{target}"
    );
}

/// How a request authenticates: by the header, by the form, and which client the form names.
fn authentication(request: &ReceivedRequest) -> (bool, bool, Option<String>) {
    (
        request
            .header("authorization")
            .is_some_and(|value| value.starts_with("Basic ")),
        request.form("client_secret").as_deref() == Some(SECRET),
        request.form("client_id"),
    )
}

/// Asks for an introspection and a revocation, and returns how each authenticated.
async fn authentications(
    settings: &[(&str, &str)],
    methods: serde_json::Value,
) -> [(bool, bool, Option<String>); 2] {
    let mut all = vec![
        ("VERIFY_LAYERS", "introspection"),
        ("OAUTH_CLIENT_ID", "gateway"),
        ("OAUTH_CLIENT_SECRET", SECRET),
    ];
    all.extend(settings);
    let world = World::try_embedded(&all, |auth| {
        auth.publish("token_endpoint_auth_methods_supported", json!(null));
        for endpoint in ["introspection", "revocation"] {
            let name = format!("{endpoint}_endpoint_auth_methods_supported");
            auth.publish(&name, methods.clone());
        }
    })
    .await
    .unwrap();
    let token = world.opaque_token("user-1");
    assert_eq!(world.me(&token).await.status, 200);
    world.revoke(&token).await.expect_status(200);
    world.auth.wait_for_requests("/oauth/revoke", 1).await;
    [INTROSPECT, "/oauth/revoke"].map(|path| authentication(&world.auth.requests(path)[0]))
}

#[tokio::test]
async fn f8_a_client_authenticates_as_advertised_or_as_set() {
    let id = || Some("gateway".to_owned());
    let method = |name: &'static str| ("OAUTH_CLIENT_AUTHENTICATION", name);
    for (settings, methods, expected) in [
        (vec![], json!(["client_secret_post"]), (false, true, id())),
        (
            vec![],
            json!(["private_key_jwt", "client_secret_post"]),
            (false, true, id()),
        ),
        (
            vec![],
            json!(["client_secret_post", "client_secret_basic"]),
            (true, false, None),
        ),
        (vec![], json!(null), (true, false, None)),
        (
            vec![method("client_secret_post")],
            json!(null),
            (false, true, id()),
        ),
        (
            vec![method("client_secret_basic_with_id")],
            json!(null),
            (true, false, id()),
        ),
        (
            vec![method("client_secret_basic")],
            json!(["client_secret_post"]),
            (true, false, None),
        ),
    ] {
        let [introspection, revocation] = authentications(&settings, methods.clone()).await;
        assert_eq!(introspection, expected, "{settings:?} {methods}");
        assert_eq!(revocation, expected, "{settings:?} {methods}");
    }
}

#[tokio::test]
async fn f8_a_client_that_revokes_is_passed_on_as_advertised() {
    let world = World::try_embedded(&[], |auth| {
        auth.publish(
            "revocation_endpoint_auth_methods_supported",
            json!(["client_secret_post"]),
        );
    })
    .await
    .unwrap();
    let token = world.opaque_token("user-1");
    let anonymous = world.anonymous();
    let revoked = anonymous.send(reqwest::Method::POST, "/oauth/revoke", |request| {
        request
            .basic_auth("gateway", Some(SECRET))
            .form(&[("token", token.as_str())])
    });
    revoked.await.expect_status(200);
    world.auth.wait_for_requests("/oauth/revoke", 1).await;
    let seen = authentication(&world.auth.requests("/oauth/revoke")[0]);
    assert_eq!(seen, (false, true, Some("gateway".to_owned())));
}

/// A gateway that can reach its authorization server through a proxy only, and a token of a person.
async fn world_behind_a_proxy() -> (World, String) {
    let world = World::embedded(&[("VERIFY_CACHE_SECONDS", "0")]).await;
    let token = world.opaque_token("user-1");
    let (proxy, issuer) = (world.auth.url(), world.auth.url());
    // No such host exists: only a proxy can reach it.
    let world = world
        .restarted(&[
            ("EXTERNAL_AUTH_URL", "http://as.invalid"),
            ("JWT_ISSUER", &issuer),
            ("HTTP_PROXY", &proxy),
        ])
        .await;
    (world, token)
}

#[tokio::test]
async fn f29_a_proxy_is_asked_except_for_the_hosts_of_no_proxy() {
    let (world, token) = world_behind_a_proxy().await;
    assert_eq!(world.me(&token).await.status, 200);
    let asked = world.auth.requests("/oauth/userinfo");
    assert_eq!(asked[0].header("host"), Some("as.invalid"));
    let world = world.restarted(&[("NO_PROXY", "other.example, .invalid")]).await;
    assert_eq!(world.me(&token).await.status, 503);
    // This machine is never behind a proxy.
    let direct = world.auth.url();
    let world = world
        .restarted(&[
            ("EXTERNAL_AUTH_URL", &direct),
            ("HTTP_PROXY", "http://127.0.0.1:1"),
            ("NO_PROXY", ""),
        ])
        .await;
    assert_eq!(world.me(&token).await.status, 200);
}

#[tokio::test]
async fn f29_an_answer_of_the_proxy_itself_is_no_verdict() {
    let (world, token) = world_behind_a_proxy().await;
    let refusal = ScriptedResponse::status(407).header("proxy-authenticate", "Basic");
    world.auth.on("*", refusal);
    assert_eq!(world.me(&token).await.status, 503);
}
