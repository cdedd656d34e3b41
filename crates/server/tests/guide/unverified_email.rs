//! An e-mail address that the authorization server has not verified proves nothing.

use maxlab_auth_testkit::{Actor as _, HttpReply};
use serde_json::{Value, json};

use crate::gateway::World;

const UNVERIFIED: &str = "boss@company.example";

fn header(reply: &HttpReply, name: &str) -> String {
    reply.header(name).unwrap_or_default().to_owned()
}

fn claims(verified: bool) -> Value {
    json!({ "sub": "user-1", "email": UNVERIFIED, "email_verified": verified })
}

#[tokio::test]
async fn s5_an_unverified_address_is_sent_nowhere_unless_a_setting_says_so() {
    for layers in ["oauth_userinfo", "local_jwt"] {
        for (setting, verified, is_sent) in [
            ("omit", false, false),
            ("omit", true, true),
            ("send", false, true),
        ] {
            let world = World::embedded(&[
                ("VERIFY_LAYERS", layers),
                ("UNVERIFIED_EMAIL", setting),
                ("VERIFY_CACHE_SECONDS", "60"),
            ])
            .await;
            let builder = world.auth.forge().access_token("user-1");
            let token = builder
                .claim("email", UNVERIFIED)
                .claim("email_verified", verified)
                .sign();
            world.auth.accept_token(&token, claims(verified));
            let sent = if is_sent { UNVERIFIED } else { "" };
            let why = format!("{layers} {setting} {verified}");
            let me = world.me(&token).await.expect_status(200).json();
            assert_eq!(me["email"].as_str().unwrap_or_default(), sent, "{why}");
            // The second answer is that of a remembered verdict.
            for _ in 0..2 {
                let reply = world.bearer(&token).get("/auth/verify").await.expect_status(200);
                assert_eq!(header(&reply, "remote-email"), sent, "{why}");
            }
            let userinfo = world
                .bearer(&token)
                .get("/oauth/userinfo")
                .await
                .expect_status(200);
            let userinfo = userinfo.json();
            assert_eq!(userinfo["email"].as_str().unwrap_or_default(), sent, "{why}");
        }
    }
}

#[tokio::test]
async fn s5_an_unverified_address_is_not_signed() {
    let world = World::embedded(&[("IDENTITY_TOKEN", "true"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    for verified in [false, true] {
        let token = world.opaque_token("user-1");
        world.auth.accept_token(&token, claims(verified));
        let asked = world.bearer(&token);
        let reply = asked
            .send(reqwest::Method::GET, "/auth/verify", |request| {
                request.header("x-forwarded-host", "app.example")
            })
            .await
            .expect_status(200);
        let signed = header(&reply, "x-auth-identity");
        let payload = signed.split('.').nth(1).unwrap();
        let payload = base64_url(payload);
        assert_eq!(payload.contains(UNVERIFIED), verified, "{payload}");
    }
}

#[tokio::test]
async fn s5_an_unverified_address_never_becomes_a_user_id() {
    for setting in ["omit", "send"] {
        let world = World::embedded(&[
            ("CLAIM_USER_ID", "email"),
            ("UNVERIFIED_EMAIL", setting),
            ("VERIFY_LAYERS", "oauth_userinfo"),
            ("VERIFY_CACHE_SECONDS", "0"),
        ])
        .await;
        let token = world.opaque_token("user-1");
        world.auth.accept_token(&token, claims(false));
        assert_eq!(
            world.verdict(&token).await,
            (401, "invalid_token".into()),
            "{setting}"
        );
        world.auth.accept_token(&token, claims(true));
        let me = world.me(&token).await.expect_status(200).json();
        assert_eq!(me["user_id"], UNVERIFIED, "{setting}");
    }
}

fn base64_url(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap();
    String::from_utf8(bytes).unwrap()
}
