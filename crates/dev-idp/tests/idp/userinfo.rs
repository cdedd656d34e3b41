//! Userinfo and the account endpoint.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::json;

use crate::door::{Answer, Door, segment, text};

#[tokio::test]
async fn both_tell_who_the_bearer_is_in_the_guides_shapes() {
    let door = Door::open().await;
    let tokens = door.log_in("member").await;
    let token = text(&tokens, "access_token");
    let userinfo = json!({
        "sub": "dev-member", "email": "member@example.test", "email_verified": true, "name": "Member",
        "preferred_username": "member", "picture": "https://example.test/people/member.png",
        "roles": ["user"], "permissions": ["documents:read", "documents:write"],
        "groups": ["engineering"], "workspaces": ["ws-1"],
    });
    assert_eq!(door.get_as("/oauth/userinfo", token).await.json(), userinfo);
    let post = door.http.post(door.url("/oauth/userinfo")).bearer_auth(token);
    assert_eq!(Answer::of(post).await.json(), userinfo);
    let me = json!({
        "user_id": "dev-member", "email": "member@example.test", "name": "Member", "username": "member",
        "avatar_url": "https://example.test/people/member.png",
        "roles": ["user"], "permissions": ["documents:read", "documents:write"],
        "groups": ["engineering"], "workspaces": ["ws-1"],
    });
    assert_eq!(door.get_as("/api/v1/auth/me", token).await.json(), me);
}

#[tokio::test]
async fn without_a_token_the_challenge_names_no_error() {
    let door = Door::open().await;
    for path in ["/oauth/userinfo", "/api/v1/auth/me"] {
        let answer = door.get(path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer realm="maxlab-auth-dev-idp""#
        );
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_at_its_second() {
    let door = Door::open().await;
    let tokens = door.log_in("member").await;
    door.advance(899);
    assert_eq!(
        door.get_as("/oauth/userinfo", text(&tokens, "access_token"))
            .await
            .status,
        StatusCode::OK
    );
    door.advance(1);
    door.get_as("/oauth/userinfo", text(&tokens, "access_token"))
        .await
        .refused(401, "invalid_token");
}

#[tokio::test]
async fn what_this_server_did_not_sign_as_an_access_token_is_refused() {
    let door = Door::open().await;
    let tokens = door.log_in("user").await;
    let access = text(&tokens, "access_token");
    let [header, payload, signature] = access.split('.').collect::<Vec<_>>().try_into().unwrap();
    let mut claims = segment(access, 1);
    claims["roles"] = json!(["admin"]);
    let forged_claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let none = URL_SAFE_NO_PAD.encode(r#"{"typ":"at+jwt","alg":"none","kid":""}"#);
    let bad = [
        text(&tokens, "id_token").to_owned(),
        text(&tokens, "refresh_token").to_owned(),
        format!("{header}.{forged_claims}.{signature}"),
        format!("{none}.{payload}."),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        "..".to_owned(),
    ];
    for token in bad {
        door.get_as("/oauth/userinfo", &token)
            .await
            .refused(401, "invalid_token");
    }
}
