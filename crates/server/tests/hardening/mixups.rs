//! Who is answered is who asked, and what was allowed here is not allowed there (I9; fast-jwt's CVE-2026-35039,
//! Oathkeeper's CVE-2021-32701).

use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Lie, TokenForge};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Answer, Stack, log_in};

async fn remembering(layers: &str) -> Stack {
    let layers = layers.to_owned();
    Stack::start_with(|options| {
        options
            .env("VERIFY_CACHE_SECONDS", "5")
            .env("VERIFY_LAYERS", layers)
    })
    .await
}

#[tokio::test]
async fn many_people_at_once_are_never_taken_for_each_other() {
    for layers in ["local_jwt", "oauth_userinfo"] {
        let stack = remembering(layers).await;
        // One `jti` and one `iat` for all: nothing but the whole token tells them apart.
        let people: Vec<(String, String)> = (0..40)
            .map(|n| {
                let token = stack
                    .auth
                    .forge()
                    .access_token(&format!("user{n}"))
                    .claim("jti", "the-same");
                let signed = token.sign();
                stack.auth.accept_token(&signed, token.claims());
                (format!("user{n}"), signed)
            })
            .collect();
        let mut tasks = JoinSet::new();
        for worker in 0..8_usize {
            let (people, url) = (people.clone(), stack.url());
            tasks.spawn(async move {
                let anybody = AnonymousActor::new(&url);
                for n in 0..100_usize {
                    let (name, token) = &people[(n * 7 + worker * 11) % people.len()];
                    let reply = anybody
                        .send(http::Method::GET, "/api/v1/auth/me", |r| r.bearer_auth(token))
                        .await;
                    assert_eq!(reply.expect_status(200).json()["user_id"], name.as_str());
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }
}

#[tokio::test]
async fn a_remembered_token_lends_its_verdict_to_no_variant() {
    let stack = remembering("local_jwt").await;
    let good = stack.auth.forge().access_token("ann").sign();
    for _ in 0..3 {
        BearerActor::new(&stack.url(), &good)
            .get("/api/v1/auth/me")
            .await
            .expect_status(200);
        for variant in [
            TokenForge::wrong_signature(&good),
            TokenForge::trailing_bits_variant(&good),
            TokenForge::padding_variant(&good),
            stack.auth.forge().forged_twin(&good),
            good[..good.len() - 1].to_owned(),
            format!("{good}A"),
        ] {
            let reply = BearerActor::new(&stack.url(), &variant)
                .get("/api/v1/auth/me")
                .await;
            assert_eq!(reply.code(), 401, "{variant}: {}", reply.shown());
        }
    }
    // The other valid signature is another spelling of the same token: revoked with it.
    let twin = TokenForge::malleate_es256(&good);
    AnonymousActor::new(&stack.url())
        .post_form("/oauth/revoke", &[("token", &good)])
        .await
        .expect_status(200);
    for token in [&good, &twin] {
        assert_eq!(
            BearerActor::new(&stack.url(), token)
                .get("/api/v1/auth/me")
                .await
                .code(),
            401
        );
    }
}

#[tokio::test]
async fn a_verdict_from_a_weak_route_opens_no_strong_one() {
    let stack = remembering("oauth_userinfo").await;
    let login = log_in(&AnonymousActor::new(&stack.url()), "ann").await;
    let ann = BearerActor::new(&stack.url(), &login.access);
    for _ in 0..2 {
        ann.get("/api/v1/auth/me").await.expect_status(200);
        for path in [
            "/api/v1/auth/access/admin",
            "/api/v1/auth/access/groups/staff",
            "/api/v1/auth/access/workspaces/w1",
            "/api/v1/admin/audit",
            "/api/v1/admin/denylist",
        ] {
            let reply = ann.get(path).await;
            assert_eq!(
                (reply.code(), reply.error_code().as_str()),
                (403, "insufficient_permission"),
                "{path}"
            );
        }
        assert_eq!(ann.post("/api/v1/admin/users/bob/logout").await.code(), 403);
    }
}

#[tokio::test]
async fn each_kind_of_token_opens_its_own_door_only() {
    let stack = remembering("oauth_userinfo,traditional_auth,local_jwt").await;
    let login = log_in(&AnonymousActor::new(&stack.url()), "ann").await;
    let anybody = AnonymousActor::new(&stack.url());
    let reply = BearerActor::new(&stack.url(), &login.refresh)
        .get("/api/v1/auth/me")
        .await;
    assert_eq!(
        reply.code(),
        401,
        "a refresh token is no access token: {}",
        reply.shown()
    );
    let asked = [
        ("grant_type", "refresh_token"),
        ("refresh_token", login.access.as_str()),
    ];
    let reply = anybody.post_form("/oauth/token", &asked).await;
    assert_eq!(
        reply.code(),
        400,
        "an access token is no refresh token: {}",
        reply.shown()
    );
    let reply = anybody
        .post_form("/oauth/token/validate", &[("access_token", &login.refresh)])
        .await;
    assert_eq!(reply.value()["valid"], false, "{}", reply.shown());
    let reply = anybody
        .post_form("/oauth/token/validate", &[("refresh_token", &login.access)])
        .await;
    assert_eq!(reply.value()["valid"], false, "{}", reply.shown());
    // Looking at a token uses nothing up.
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", login.refresh.as_str()),
    ];
    anybody
        .post_form("/oauth/token", &refresh)
        .await
        .expect_status(200);
}

#[tokio::test]
async fn a_token_of_any_grant_can_be_revoked() {
    let stack = remembering("local_jwt").await;
    let anybody = AnonymousActor::new(&stack.url());
    for grant in [
        "client_credentials",
        "password",
        "urn:ietf:params:oauth:grant-type:device_code",
    ] {
        let token = stack.auth.forge().access_token("service-account").sign();
        stack.auth.on(
            "POST /oauth/token",
            Lie::json(200, json!({ "access_token": token, "token_type": "Bearer" })),
        );
        let got = anybody
            .post_form("/oauth/token", &[("grant_type", grant), ("client_id", "c")])
            .await;
        let got = got.expect_status(200).json()["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        let caller = BearerActor::new(&stack.url(), &got);
        caller.get("/api/v1/auth/me").await.expect_status(200);
        anybody
            .post_form("/oauth/revoke", &[("token", &got)])
            .await
            .expect_status(200);
        assert_eq!(caller.get("/api/v1/auth/me").await.code(), 401, "{grant}");
    }
}
