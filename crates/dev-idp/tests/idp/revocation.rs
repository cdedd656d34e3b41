//! Revocation and introspection.

use maxlab_auth_dev_idp::{CONFIDENTIAL_CLIENT_ID, PUBLIC_CLIENT_ID};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::door::{Door, ISSUER, REDIRECT_URI, VERIFIER, text};

async fn revoke(door: &Door, token: &str) -> StatusCode {
    door.post(
        "/oauth/revoke",
        &[("token", token), ("client_id", PUBLIC_CLIENT_ID)],
    )
    .await
    .status
}

async fn introspect(door: &Door, token: &str, hint: &str) -> Value {
    let answer = door
        .post_confidential(
            "/oauth/introspect",
            &[("token", token), ("token_type_hint", hint)],
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_revoked_access_token_is_refused_and_the_login_goes_on() {
    let door = Door::open().await;
    let tokens = door.log_in("user").await;
    assert_eq!(revoke(&door, text(&tokens, "access_token")).await, StatusCode::OK);
    for path in ["/oauth/userinfo", "/api/v1/auth/me"] {
        let answer = door.get_as(path, text(&tokens, "access_token")).await;
        answer.refused(401, "invalid_token");
        assert!(
            answer
                .header("www-authenticate")
                .contains(r#"error="invalid_token""#)
        );
    }
    assert_eq!(
        introspect(&door, text(&tokens, "access_token"), "").await,
        json!({ "active": false })
    );
    assert_eq!(
        door.refresh(text(&tokens, "refresh_token")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_revoked_refresh_token_ends_the_login() {
    let door = Door::open().await;
    let tokens = door.log_in("user").await;
    assert_eq!(
        revoke(&door, text(&tokens, "refresh_token")).await,
        StatusCode::OK
    );
    door.refresh(text(&tokens, "refresh_token"))
        .await
        .refused(400, "invalid_grant");
    door.get_as("/oauth/userinfo", text(&tokens, "access_token"))
        .await
        .refused(401, "invalid_token");
}

#[tokio::test]
async fn revoking_twice_or_revoking_nonsense_is_fine_and_revoking_nothing_is_not() {
    let door = Door::open().await;
    let tokens = door.log_in("user").await;
    for token in [
        text(&tokens, "access_token"),
        text(&tokens, "access_token"),
        "nonsense",
    ] {
        assert_eq!(revoke(&door, token).await, StatusCode::OK);
    }
    door.post("/oauth/revoke", &[("client_id", PUBLIC_CLIENT_ID)])
        .await
        .refused(400, "invalid_request");
}

#[tokio::test]
async fn a_token_is_revoked_by_its_own_client_only() {
    let door = Door::open().await;
    let tokens = door.log_in("user").await;
    let form = [("token", text(&tokens, "access_token"))];
    door.post_confidential("/oauth/revoke", &form)
        .await
        .refused(400, "unauthorized_client");
    assert_eq!(
        door.get_as("/oauth/userinfo", form[0].1).await.status,
        StatusCode::OK
    );
    // The guide's gateway names no client; it holds the token.
    assert_eq!(door.post("/oauth/revoke", &form).await.status, StatusCode::OK);
    door.get_as("/oauth/userinfo", form[0].1)
        .await
        .refused(401, "invalid_token");
}

#[tokio::test]
async fn a_confidential_clients_token_needs_its_authentication() {
    let door = Door::open().await;
    let code = door.code("user", &[("client_id", CONFIDENTIAL_CLIENT_ID)]).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let tokens = door.post_confidential("/oauth/token", &form).await.json();
    let form = [("token", text(&tokens, "access_token"))];
    door.post("/oauth/revoke", &form)
        .await
        .refused(401, "invalid_client");
    assert_eq!(
        door.post_confidential("/oauth/revoke", &form).await.status,
        StatusCode::OK
    );
    door.get_as("/oauth/userinfo", form[0].1)
        .await
        .refused(401, "invalid_token");
}

#[tokio::test]
async fn introspection_tells_a_confidential_client_what_a_token_is() {
    let door = Door::open().await;
    let tokens = door.log_in("member").await;
    let access = introspect(&door, text(&tokens, "access_token"), "access_token").await;
    let told =
        ["active", "sub", "client_id", "iss", "username", "token_type"].map(|name| access[name].clone());
    let expected = [
        json!(true),
        json!("dev-member"),
        json!(PUBLIC_CLIENT_ID),
        json!(ISSUER),
        json!("member"),
        json!("Bearer"),
    ];
    assert_eq!(told, expected);
    assert_eq!(access["exp"], 1_700_000_900);

    let refresh = text(&tokens, "refresh_token");
    assert_eq!(introspect(&door, refresh, "refresh_token").await["active"], true);
    assert_eq!(introspect(&door, refresh, "").await, json!({ "active": false }));
    assert_eq!(
        introspect(&door, text(&tokens, "id_token"), "").await,
        json!({ "active": false })
    );
    assert_eq!(
        introspect(&door, "nonsense", "").await,
        json!({ "active": false })
    );
    door.advance(900);
    assert_eq!(
        introspect(&door, text(&tokens, "access_token"), "").await,
        json!({ "active": false })
    );
}

#[tokio::test]
async fn introspection_tells_nobody_else() {
    let door = Door::open().await;
    let tokens = door.log_in("member").await;
    let token = ("token", text(&tokens, "access_token"));
    door.post("/oauth/introspect", &[token])
        .await
        .refused(401, "invalid_client");
    let public = door
        .post("/oauth/introspect", &[token, ("client_id", PUBLIC_CLIENT_ID)])
        .await;
    public.refused(401, "invalid_client");
}
