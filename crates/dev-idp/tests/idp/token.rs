//! The token endpoint: codes for tokens, and client authentication.

use maxlab_auth_dev_idp::{CONFIDENTIAL_CLIENT_ID, CONFIDENTIAL_CLIENT_SECRET, PUBLIC_CLIENT_ID};
use reqwest::StatusCode;
use serde_json::json;

use crate::door::{Answer, Door, ISSUER, REDIRECT_URI, VERIFIER, segment, text};

#[tokio::test]
async fn a_code_with_its_verifier_gives_every_token() {
    let door = Door::open().await;
    let answer = door.redeem(&door.code("member", &[]).await, VERIFIER).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 900);
    assert_eq!(tokens["scope"], "openid profile email documents:read");
    assert!(!text(&tokens, "refresh_token").is_empty());

    let access = text(&tokens, "access_token");
    let (header, claims) = (segment(access, 0), segment(access, 1));
    assert_eq!(
        (header["typ"].as_str(), header["alg"].as_str()),
        (Some("at+jwt"), Some("ES256"))
    );
    let expected = json!({
        "iss": ISSUER, "sub": "dev-member", "aud": "maxlab-auth", "client_id": PUBLIC_CLIENT_ID,
        "iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 1_700_000_900,
        "jti": claims["jti"], "sid": claims["sid"], "scope": "openid profile email documents:read",
        "email": "member@example.test", "name": "Member", "preferred_username": "member",
        "picture": "https://example.test/people/member.png",
        "roles": ["user"], "permissions": ["documents:read", "documents:write"],
        "groups": ["engineering"], "workspaces": ["ws-1"],
    });
    assert_eq!(claims, expected);
    assert!(claims["jti"].is_string() && claims["sid"].is_string());

    let id = text(&tokens, "id_token");
    assert_eq!(segment(id, 0)["typ"], "JWT");
    let id = segment(id, 1);
    assert_eq!(
        (id["aud"].as_str(), id["nonce"].as_str()),
        (Some(PUBLIC_CLIENT_ID), Some("a-nonce"))
    );
    assert_eq!((&id["sid"], &id["sub"]), (&claims["sid"], &claims["sub"]));
}

#[tokio::test]
async fn the_three_people_differ_in_what_their_tokens_say() {
    let door = Door::open().await;
    let claims = async |login| segment(text(&door.log_in(login).await, "access_token"), 1);
    let (admin, user) = (claims("admin").await, claims("user").await);
    assert_eq!(
        (&admin["roles"], &admin["sub"]),
        (&json!(["admin"]), &json!("dev-admin"))
    );
    assert_eq!(
        (&user["roles"], &user["groups"], &user["workspaces"]),
        (&json!(["user"]), &json!([]), &json!([]))
    );
}

#[tokio::test]
async fn a_code_is_bound_to_verifier_redirect_uri_and_client() {
    let door = Door::open().await;
    let code = door.code("user", &[]).await;
    let form = |client_id, redirect_uri, verifier| {
        [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ]
    };
    let wrong = "another-verifier-that-is-long-enough-too-43";
    door.post("/oauth/token", &form(PUBLIC_CLIENT_ID, REDIRECT_URI, wrong))
        .await
        .refused(400, "invalid_grant");
    let elsewhere = form(PUBLIC_CLIENT_ID, "http://localhost:3000/callback", VERIFIER);
    door.post("/oauth/token", &elsewhere)
        .await
        .refused(400, "invalid_grant");
    let without = form(PUBLIC_CLIENT_ID, REDIRECT_URI, "");
    door.post("/oauth/token", &without)
        .await
        .refused(400, "invalid_request");
    let other = form(CONFIDENTIAL_CLIENT_ID, REDIRECT_URI, VERIFIER);
    door.post_confidential("/oauth/token", &other)
        .await
        .refused(400, "invalid_grant");
    // None of those was the client, so none of them used the code up.
    assert_eq!(door.redeem(&code, VERIFIER).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_code_used_twice_takes_back_what_it_gave() {
    let door = Door::open().await;
    let code = door.code("user", &[]).await;
    let tokens = door.redeem(&code, VERIFIER).await.json();
    assert_eq!(
        door.get_as("/oauth/userinfo", text(&tokens, "access_token"))
            .await
            .status,
        StatusCode::OK
    );

    door.redeem(&code, VERIFIER).await.refused(400, "invalid_grant");
    door.get_as("/oauth/userinfo", text(&tokens, "access_token"))
        .await
        .refused(401, "invalid_token");
    door.refresh(text(&tokens, "refresh_token"))
        .await
        .refused(400, "invalid_grant");
}

#[tokio::test]
async fn of_many_who_redeem_a_code_at_once_at_most_one_succeeds() {
    let door = Door::open().await;
    let code = door.code("user", &[]).await;
    let (a, b, c, d) = tokio::join!(
        door.redeem(&code, VERIFIER),
        door.redeem(&code, VERIFIER),
        door.redeem(&code, VERIFIER),
        door.redeem(&code, VERIFIER)
    );
    let succeeded = [a, b, c, d]
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .count();
    assert_eq!(succeeded, 1);
}

#[tokio::test]
async fn a_code_lives_a_minute() {
    let door = Door::open().await;
    let (early, late) = (door.code("user", &[]).await, door.code("user", &[]).await);
    door.advance(59);
    assert_eq!(door.redeem(&early, VERIFIER).await.status, StatusCode::OK);
    door.advance(1);
    door.redeem(&late, VERIFIER).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn without_the_openid_scope_there_is_no_id_token() {
    let door = Door::open().await;
    let code = door.code("user", &[("scope", "profile unheard-of")]).await;
    let tokens = door.redeem(&code, VERIFIER).await.json();
    assert_eq!(
        (tokens.get("id_token"), tokens["scope"].as_str()),
        (None, Some("profile"))
    );
}

#[tokio::test]
async fn json_is_taken_as_a_form_is() {
    let door = Door::open().await;
    let code = door.code("user", &[]).await;
    let mut body = json!({
        "grant_type": "authorization_code", "code": code, "client_id": PUBLIC_CLIENT_ID,
        "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER, "refresh_token": null,
    });
    let answer = Answer::of(door.http.post(door.url("/oauth/token")).json(&body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    body["code"] = json!(1);
    Answer::of(door.http.post(door.url("/oauth/token")).json(&body))
        .await
        .refused(400, "invalid_request");
}

#[tokio::test]
async fn a_malformed_request_is_refused_by_its_name() {
    let door = Door::open().await;
    let post = |content_type: &str, body: &str| {
        let request = door
            .http
            .post(door.url("/oauth/token"))
            .header("content-type", content_type);
        Answer::of(request.body(body.to_owned()))
    };
    let form = "application/x-www-form-urlencoded";
    post("text/plain", "grant_type=refresh_token")
        .await
        .refused(400, "invalid_request");
    post("application/json", "{")
        .await
        .refused(400, "invalid_request");
    post(
        "application/json",
        r#"{"client_id":"maxlab-dev","client_id":"x"}"#,
    )
    .await
    .refused(400, "invalid_request");
    post(form, "client_id=maxlab-dev&client_id=maxlab-dev")
        .await
        .refused(400, "invalid_request");
    post(form, "client_id=maxlab-dev")
        .await
        .refused(400, "invalid_request");
    post(form, "client_id=maxlab-dev&grant_type=password")
        .await
        .refused(400, "unsupported_grant_type");
    post(form, "grant_type=refresh_token")
        .await
        .refused(401, "invalid_client");
}

#[tokio::test]
async fn a_confidential_client_proves_itself_by_basic_or_post() {
    let door = Door::open().await;
    let grant = ("grant_type", "client_credentials");
    let id = ("client_id", CONFIDENTIAL_CLIENT_ID);
    let basic = door
        .post_confidential("/oauth/token", &[grant, ("scope", "openid documents:read")])
        .await;
    assert_eq!(basic.status, StatusCode::OK, "{}", basic.text);
    let tokens = basic.json();
    assert_eq!(
        (tokens.get("refresh_token"), tokens["scope"].as_str()),
        (None, Some("documents:read"))
    );
    assert_eq!(
        segment(text(&tokens, "access_token"), 1)["sub"],
        CONFIDENTIAL_CLIENT_ID
    );

    let post = door
        .post(
            "/oauth/token",
            &[grant, id, ("client_secret", CONFIDENTIAL_CLIENT_SECRET)],
        )
        .await;
    assert_eq!(post.status, StatusCode::OK);

    let wrong = door
        .post("/oauth/token", &[grant, id, ("client_secret", "wrong")])
        .await;
    wrong.refused(401, "invalid_client");
    assert!(wrong.header("www-authenticate").starts_with("Basic "));
    door.post("/oauth/token", &[grant, id])
        .await
        .refused(401, "invalid_client");
    door.post("/oauth/token", &[grant, ("client_id", "another")])
        .await
        .refused(401, "invalid_client");
    let both = [grant, ("client_secret", CONFIDENTIAL_CLIENT_SECRET)];
    door.post_confidential("/oauth/token", &both)
        .await
        .refused(400, "invalid_request");
    door.post("/oauth/token", &[grant, ("client_id", PUBLIC_CLIENT_ID)])
        .await
        .refused(400, "unauthorized_client");
}
