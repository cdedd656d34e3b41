//! What the userinfo endpoint may answer beside plain OpenID Connect: signed answers, integers, errors in odd places.

use maxlab_auth_testkit::lying::ScriptedResponse;
use maxlab_auth_testkit::{Lie, TokenForge};
use serde_json::{Value, json};

use crate::gateway::World;

const USERINFO: &str = "/oauth/userinfo";

/// Settings under which only the userinfo endpoint decides, each time anew.
const ONLY_USERINFO: [(&str, &str); 2] = [("VERIFY_LAYERS", "oauth_userinfo"), ("VERIFY_CACHE_SECONDS", "0")];

fn signed(jwt: String) -> Lie {
    Lie::body(200, "application/jwt; charset=UTF-8", jwt)
}

/// A signed userinfo answer of the authorization server for this client.
fn userinfo_jwt(world: &World, client: impl Into<Value>) -> maxlab_auth_testkit::forge::TokenBuilder {
    let builder = world.auth.forge().access_token("user-1").typ("JWT");
    builder.without("client_id").without("jti").claim("aud", client)
}

#[tokio::test]
async fn f9_signed_userinfo_is_verified_by_the_issuers_keys() {
    let world = World::embedded(&[
        ONLY_USERINFO[0],
        ONLY_USERINFO[1],
        ("OAUTH_CLIENT_ID", "gateway"),
        ("ALLOWED_CLIENT_IDS", "spa"),
    ])
    .await;
    let answer = |client: Value| userinfo_jwt(&world, client);
    let good = answer(json!("gateway"));
    let unsigned = world.auth.forge().unsigned(&good.claims())[0].clone();
    let stranger = TokenForge::es256(&world.auth.url()).access_token("user-1");
    for (what, jwt, status) in [
        ("good", good.sign(), 200),
        ("one of several", answer(json!(["x", "gateway"])).sign(), 200),
        ("an allowed client", answer(json!("spa")).sign(), 200),
        ("without exp", good.clone().without("exp").sign(), 200),
        ("another client", answer(json!("another")).sign(), 401),
        ("no client", good.clone().without("aud").sign(), 401),
        ("nobody", good.clone().without("sub").sign(), 401),
        (
            "another issuer",
            good.clone().claim("iss", "https://other.example").sign(),
            503,
        ),
        ("no issuer", good.clone().without("iss").sign(), 503),
        ("expired", good.clone().expires_in(-60).sign(), 503),
        (
            "a wrong signature",
            TokenForge::wrong_signature(&good.sign()),
            503,
        ),
        ("a stranger's key", stranger.claim("aud", "gateway").sign(), 503),
        ("unsigned", unsigned, 503),
        ("no JWT", "{\"sub\":\"user-1\"}".to_owned(), 503),
        ("encrypted", "a.b.c.d.e".to_owned(), 503),
    ] {
        world.auth.on(USERINFO, signed(jwt));
        let reply = world.me("opaque-1").await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        if status == 200 {
            assert_eq!(reply.json()["user_id"], "user-1", "{what}");
        }
    }
}

#[tokio::test]
async fn f9_the_client_of_a_signed_token_is_the_audience() {
    let world = World::embedded(&[ONLY_USERINFO[0], ONLY_USERINFO[1], ("OAUTH_CLIENT_ID", "gateway")]).await;
    // Issued to `test-app`.
    let token = world.stray_token("user-1");
    for (client, status) in [("test-app", 200), ("gateway", 503)] {
        world
            .auth
            .on(USERINFO, signed(userinfo_jwt(&world, client).sign()));
        assert_eq!(world.me(&token).await.status, status, "{client}");
    }
    // Where no client is known, the issuer's signature decides.
    let world = World::embedded(&ONLY_USERINFO).await;
    world
        .auth
        .on(USERINFO, signed(userinfo_jwt(&world, "anyone").sign()));
    assert_eq!(world.me("opaque-1").await.status, 200);
}

#[tokio::test]
async fn f10_a_token_without_the_scope_for_userinfo_is_left_to_other_layers() {
    let world = World::embedded(&[("VERIFY_LAYERS", "oauth_userinfo,local_jwt"), ONLY_USERINFO[1]]).await;
    let service = world.stray_token("service-1");
    let refusal = |status, challenge: &str| {
        ScriptedResponse::json(status, json!({ "detail": "no" })).header("www-authenticate", challenge)
    };
    for answer in [
        refusal(
            403,
            "Bearer realm=\"as\", error=\"insufficient_scope\", scope=\"openid\"",
        ),
        refusal(401, "Bearer error=insufficient_scope"),
        ScriptedResponse::json(403, json!({ "error": "insufficient_scope" })),
    ] {
        world.auth.on(USERINFO, answer.clone());
        assert_eq!(world.me(&service).await.status, 200, "{answer:?}");
        assert_eq!(
            world.me("opaque-1").await.status,
            401,
            "no other layer accepts it"
        );
    }
    for answer in [
        refusal(
            403,
            "Bearer error=\"invalid_token\", error_description=\"insufficient_scope\"",
        ),
        refusal(403, "Bearer"),
        ScriptedResponse::status(403),
        ScriptedResponse::json(400, json!({ "error": "invalid_token" })),
    ] {
        world.auth.on(USERINFO, answer.clone());
        assert_eq!(world.me(&service).await.status, 401, "{answer:?}");
    }
}

#[tokio::test]
async fn f6_an_error_with_200_describes_nobody() {
    let world = World::embedded(&ONLY_USERINFO).await;
    for (error, status) in [
        ("invalid_token", 401),
        ("server_error", 503),
        ("ratelimited", 503),
    ] {
        world
            .auth
            .on(USERINFO, Lie::json(200, json!({ "ok": false, "error": error })));
        assert_eq!(world.me("opaque-1").await.status, status, "{error}");
    }
    // A user with a claim of that name is a user.
    world.auth.on(
        USERINFO,
        Lie::json(200, json!({ "sub": "user-1", "error": "none" })),
    );
    assert_eq!(world.me("opaque-1").await.status, 200);
}

#[tokio::test]
async fn f16_an_integer_is_a_user_id() {
    let world = World::embedded(&ONLY_USERINFO).await;
    world.auth.on(USERINFO, Lie::json(200, json!({ "sub": 583_231 })));
    let signed_token = world.stray_token("583231");
    for token in ["opaque-1", &signed_token] {
        let me = world.me(token).await.expect_status(200).json();
        assert_eq!(me["user_id"], "583231");
    }
    let other = world.stray_token("583232");
    assert_eq!(world.me(&other).await.status, 503, "it is about another subject");

    let world = world.restarted(&[("CLAIM_USER_ID", "id")]).await;
    world.auth.on(
        USERINFO,
        Lie::json(200, json!({ "id": 583_231, "login": "octocat" })),
    );
    let me = world.me("opaque-1").await.expect_status(200).json();
    assert_eq!(me["user_id"], "583231");
}

#[tokio::test]
async fn f21_a_byte_order_mark_is_no_part_of_an_answer() {
    for (layer, opaque) in [
        ("oauth_userinfo", true),
        ("traditional_auth", true),
        ("introspection", true),
        ("local_jwt", false),
    ] {
        let settings = [
            ("VERIFY_LAYERS", layer),
            ("OAUTH_CLIENT_ID", "gateway"),
            ("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway"),
        ];
        let world = World::try_embedded(&settings, |auth| auth.send_byte_order_marks()).await;
        let world = world.unwrap();
        let token = if opaque {
            world.opaque_token("user-1")
        } else {
            world.stray_token("user-1")
        };
        assert_eq!(world.me(&token).await.status, 200, "{layer}");
    }
}
