//! Refresh tokens: each good once, all of a login ended by a reuse.

use maxlab_auth_dev_idp::PUBLIC_CLIENT_ID;
use reqwest::StatusCode;

use crate::door::{Door, segment, text};

#[tokio::test]
async fn a_refresh_gives_new_tokens_of_the_same_login() {
    let door = Door::open().await;
    let first = door.log_in("member").await;
    door.advance(10);
    let answer = door.refresh(text(&first, "refresh_token")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let second = answer.json();
    assert_ne!(text(&second, "refresh_token"), text(&first, "refresh_token"));

    let (old, new) = (
        segment(text(&first, "access_token"), 1),
        segment(text(&second, "access_token"), 1),
    );
    assert_eq!(
        (&old["sid"], &old["sub"], &old["scope"]),
        (&new["sid"], &new["sub"], &new["scope"])
    );
    assert_ne!(old["jti"], new["jti"]);
    assert_eq!(new["iat"], 1_700_000_010);
    let id = segment(text(&second, "id_token"), 1);
    assert_eq!(
        (id["auth_time"].as_i64(), id.get("nonce")),
        (Some(1_700_000_000), None)
    );
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_its_whole_login_and_no_other() {
    let door = Door::open().await;
    let (first, bystander) = (door.log_in("member").await, door.log_in("member").await);
    let second = door.refresh(text(&first, "refresh_token")).await.json();

    door.refresh(text(&first, "refresh_token"))
        .await
        .refused(400, "invalid_grant");
    door.refresh(text(&second, "refresh_token"))
        .await
        .refused(400, "invalid_grant");
    for tokens in [&first, &second] {
        door.get_as("/oauth/userinfo", text(tokens, "access_token"))
            .await
            .refused(401, "invalid_token");
    }
    assert_eq!(
        door.refresh(text(&bystander, "refresh_token")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_forged_or_foreign_refresh_token_ends_nothing() {
    let door = Door::open().await;
    let tokens = door.log_in("member").await;
    let good = text(&tokens, "refresh_token");
    let mut forged = good.to_owned();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    for bad in [forged.as_str(), "x", text(&tokens, "access_token")] {
        door.refresh(bad).await.refused(400, "invalid_grant");
    }
    let form = [("grant_type", "refresh_token"), ("refresh_token", good)];
    door.post_confidential("/oauth/token", &form)
        .await
        .refused(400, "invalid_grant");
    assert_eq!(door.refresh(good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_may_narrow_the_scope_but_not_widen_it() {
    let door = Door::open().await;
    let tokens = door.log_in("member").await;
    let form = |token, scope| {
        [
            ("grant_type", "refresh_token"),
            ("client_id", PUBLIC_CLIENT_ID),
            ("refresh_token", token),
            ("scope", scope),
        ]
    };
    let token = text(&tokens, "refresh_token");
    door.post("/oauth/token", &form(token, "openid documents:write"))
        .await
        .refused(400, "invalid_scope");
    let narrow = door.post("/oauth/token", &form(token, "email")).await.json();
    assert_eq!(
        (narrow["scope"].as_str(), narrow.get("id_token")),
        (Some("email"), None)
    );
    // The next one may have all of the login's scope again.
    let wide = door.refresh(text(&narrow, "refresh_token")).await.json();
    assert_eq!(wide["scope"], tokens["scope"]);
}

#[tokio::test]
async fn a_login_ends_thirty_days_after_it_began_however_often_it_was_refreshed() {
    let door = Door::open().await;
    let mut tokens = door.log_in("member").await;
    for _ in 0..3 {
        door.advance(9 * 24 * 60 * 60);
        tokens = door.refresh(text(&tokens, "refresh_token")).await.json();
    }
    door.advance(3 * 24 * 60 * 60);
    door.refresh(text(&tokens, "refresh_token"))
        .await
        .refused(400, "invalid_grant");
}
