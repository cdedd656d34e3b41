//! `X-Auth-IdentityHeaders`: the gateway's own word on who it is, for the application behind.

use maxlab_auth_jose::{Algorithm, CompactJws, KeySet};
use maxlab_auth_testkit::{Actor, HttpReply};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::gateway::{World, verdict};
use crate::policy::{forwarded, world_with};

const ON: [(&str, &str); 2] = [("IDENTITY_TOKEN", "on"), ("TRUSTED_PROXIES", "127.0.0.1")];

async fn asked(world: &World, token: &str, method: &str, host: &str) -> HttpReply {
    world
        .bearer(token)
        .send(Method::GET, "/auth/verify", forwarded(method, host, "/"))
        .await
        .expect_status(200)
}

/// The one header, as text.
fn identity(reply: &HttpReply) -> String {
    assert_eq!(
        reply.headers.get_all("x-auth-identity").iter().count(),
        1,
        "it is sent, once"
    );
    reply.header("x-auth-identity").unwrap().to_owned()
}

/// What an application reads in it, after checking it with the keys that this gateway publishes.
async fn claims(world: &World, token: &str) -> Value {
    let published = world
        .anonymous()
        .get("/.well-known/jwks.json")
        .await
        .expect_status(200);
    assert_eq!(published.header("cache-control"), Some("public, max-age=300"));
    let keys = KeySet::from_jwks(&published.body).unwrap();
    let jws = CompactJws::parse(token).unwrap();
    let claims = jws.verify(&keys, &[Algorithm::ES256]).unwrap();
    assert_eq!(claims.token_type(), Some("identity+jwt"));
    Value::Object(claims.as_map().clone())
}

#[tokio::test]
async fn it_says_who_it_is_for_this_host_and_method_and_is_made_once() {
    let world = World::embedded(&ON).await;
    let token = world.opaque_token("unused");
    world.auth.accept_token(
        &token,
        json!({ "sub": "u", "email": "u@example.test", "roles": ["editor"], "groups": ["a,b"] }),
    );
    let reply = asked(&world, &token, "POST", "App.example.:8443").await;
    let first = identity(&reply);
    let said = claims(&world, &first).await;
    for (name, value) in [
        ("iss", json!("maxlab-auth")),
        ("sub", json!("u")),
        ("aud", json!("app.example")),
        ("htm", json!("POST")),
        ("email", json!("u@example.test")),
        ("roles", json!(["editor"])),
        ("groups", json!(["a,b"])),
        ("auth_source", json!("oauth_userinfo")),
    ] {
        assert_eq!(said[name], value, "{name}");
    }
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 60);
    assert_eq!(
        identity(&asked(&world, &token, "POST", "app.example").await),
        first,
        "it is made once"
    );
    let other = identity(&asked(&world, &token, "GET", "app.example").await);
    assert_eq!(claims(&world, &other).await["htm"], "GET");
    let other = identity(&asked(&world, &token, "POST", "b.example").await);
    assert_eq!(claims(&world, &other).await["aud"], "b.example");
    // An access token it is not, here or anywhere.
    assert_eq!(world.verdict(&first).await.0, 401);
}

#[tokio::test]
async fn the_key_survives_a_restart_and_can_be_shared() {
    let world = World::embedded(&ON).await;
    let token = world.opaque_token("u");
    let before = identity(&asked(&world, &token, "GET", "a.example").await);
    let world = world.restarted(&[]).await;
    assert_eq!(claims(&world, &before).await["sub"], "u");

    let key = maxlab_auth_core::identity_token::SigningKeys::generate().unwrap();
    let key = secrecy::ExposeSecret::expose_secret(&key).to_owned();
    let mut settings = ON.to_vec();
    settings.push(("IDENTITY_SIGNING_KEY", &key));
    settings.push(("IDENTITY_ISSUER", "https://gateway.example"));
    settings.push(("IDENTITY_TOKEN_SECONDS", "10"));
    let (one, other) = (World::embedded(&settings).await, World::embedded(&settings).await);
    let token = one.opaque_token("u");
    let said = claims(&other, &identity(&asked(&one, &token, "GET", "a.example").await)).await;
    assert_eq!(said["iss"], "https://gateway.example");
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 10);
}

#[tokio::test]
async fn it_is_sent_empty_where_there_is_nobody_or_nothing_to_bind_it_to() {
    let policy = "[[rule]]\npath = \"/open\"\naccess = \"public\"\n";
    let (world, _, _folder) = world_with(policy, &[("IDENTITY_TOKEN", "on")]).await;
    let open = forwarded("GET", "a.example", "/open");
    let reply = world
        .anonymous()
        .send(Method::GET, "/auth/verify", open)
        .await
        .expect_status(200);
    assert_eq!(identity(&reply), "");

    let mut untrusted = ON;
    untrusted[1] = ("TRUSTED_PROXIES", "192.0.2.1");
    let world = World::embedded(&untrusted).await;
    let token = world.opaque_token("u");
    let reply = asked(&world, &token, "GET", "a.example").await;
    assert_eq!(
        (identity(&reply), reply.header("remote-user")),
        (String::new(), Some("u"))
    );

    let world = World::embedded(&[]).await;
    let token = world.opaque_token("u");
    assert!(
        asked(&world, &token, "GET", "a.example")
            .await
            .header("x-auth-identity")
            .is_none()
    );
    let reply = world.anonymous().get("/.well-known/jwks.json").await;
    assert_eq!(verdict(&reply), (404, "not_found".into()));
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_never_what_the_gateway_says() {
    let policy = "[[rule]]\npath = \"/open\"\naccess = \"public\"\n";
    let (world, _, _folder) = world_with(policy, &[("IDENTITY_TOKEN", "on")]).await;
    let token = world.opaque_token("u");
    let spoofed = [
        "remote-user",
        "Remote-User",
        "REMOTE-USER",
        "Remote_User",
        "remote_user",
        "remote-name",
        "remote-email",
        "remote-groups",
        "Remote_Groups",
        "remote-roles",
        "x-auth-source",
        "X-Auth-Identity",
        "X_Auth_Identity",
        "x-forwarded-user",
        "x-remote-user",
    ];
    for name in spoofed {
        for (target, who) in [("/open", ""), ("/", "u")] {
            let with = |request: RequestBuilder| {
                let request = forwarded("GET", "a.example", target)(request);
                // Twice, and named as one that a proxy takes away (RFC 9110 §7.6.1).
                request
                    .header(name, "admin")
                    .header(name, "root")
                    .header("connection", name)
            };
            let reply = if who.is_empty() {
                world.anonymous().send(Method::GET, "/auth/verify", with).await
            } else {
                world.bearer(&token).send(Method::GET, "/auth/verify", with).await
            };
            let reply = reply.expect_status(200);
            assert_eq!(reply.header("remote-user"), Some(who), "{name} {target}");
            assert_eq!(identity(&reply).is_empty(), who.is_empty(), "{name} {target}");
            for value in reply.headers.values() {
                let text = String::from_utf8_lossy(value.as_bytes());
                assert!(
                    !text.contains("admin") && !text.contains("root"),
                    "{name} {target}: {text}"
                );
            }
        }
    }
}
