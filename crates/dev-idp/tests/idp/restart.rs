//! What outlives the process: the key, the logins, and every revocation.

use std::fs;

use maxlab_auth_dev_idp::{DevIdpConfig, DevIdpError, PUBLIC_CLIENT_ID};
use reqwest::StatusCode;

use crate::door::{Door, ISSUER, VERIFIER, text};

#[tokio::test]
async fn a_restart_keeps_keys_logins_and_revocations() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open_in(folder.path()).await;
    let keys = door.get("/.well-known/jwks.json").await.json();
    let kept = door.log_in("member").await;
    let used_up = text(&door.log_in("member").await, "refresh_token").to_owned();
    let newest = text(&door.refresh(&used_up).await.json(), "refresh_token").to_owned();
    let ended = door.log_in("user").await;
    let ended_token = door.log_in("user").await;
    for token in [text(&ended, "refresh_token"), text(&ended_token, "access_token")] {
        door.post(
            "/oauth/revoke",
            &[("token", token), ("client_id", PUBLIC_CLIENT_ID)],
        )
        .await;
    }
    door.close().await;

    // Twice, since the second start reads what the first one rewrote.
    for _ in 0..2 {
        Door::open_in(folder.path()).await.close().await;
    }
    let door = Door::open_in(folder.path()).await;
    assert_eq!(door.get("/.well-known/jwks.json").await.json(), keys);
    assert_eq!(
        door.get_as("/oauth/userinfo", text(&kept, "access_token"))
            .await
            .status,
        StatusCode::OK
    );
    assert_eq!(
        door.refresh(text(&kept, "refresh_token")).await.status,
        StatusCode::OK
    );
    door.get_as("/oauth/userinfo", text(&ended, "access_token"))
        .await
        .refused(401, "invalid_token");
    door.refresh(text(&ended, "refresh_token"))
        .await
        .refused(400, "invalid_grant");
    door.get_as("/oauth/userinfo", text(&ended_token, "access_token"))
        .await
        .refused(401, "invalid_token");
    // A refresh token that was used up before the restart is still known as such.
    door.refresh(&used_up).await.refused(400, "invalid_grant");
    door.refresh(&newest).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_journal_cut_off_in_its_last_line_opens_and_one_damaged_inside_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open_in(folder.path()).await;
    let tokens = door.log_in("member").await;
    door.close().await;

    let path = folder.path().join("grants.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{whole}{{\"kind\":\"revoked_to")).unwrap();
    let door = Door::open_in(folder.path()).await;
    assert_eq!(
        door.refresh(text(&tokens, "refresh_token")).await.status,
        StatusCode::OK
    );
    door.close().await;

    fs::write(&path, format!("nonsense\n{whole}")).unwrap();
    let refused = maxlab_auth_dev_idp::router(DevIdpConfig::new(ISSUER, folder.path()));
    assert!(matches!(refused, Err(DevIdpError::Damaged { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_was_answered_is_on_disk_already_and_gives_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open_in(folder.path()).await;
    let code = door.code("user", &[]).await;
    let kept = door.redeem(&code, VERIFIER).await.json();
    let ended = door.log_in("user").await;
    let form = [
        ("token", text(&ended, "refresh_token")),
        ("client_id", PUBLIC_CLIENT_ID),
    ];
    assert_eq!(door.post("/oauth/revoke", &form).await.status, StatusCode::OK);

    // A copy of the files under the running server is what a kill would leave.
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let journal = fs::read_to_string(copy.path().join("grants.jsonl")).unwrap();
    for secret in [
        code.as_str(),
        text(&kept, "refresh_token"),
        text(&kept, "access_token"),
    ] {
        assert!(!journal.contains(secret));
    }
    let after = Door::open_in(copy.path()).await;
    after
        .refresh(text(&ended, "refresh_token"))
        .await
        .refused(400, "invalid_grant");
    assert_eq!(
        after.refresh(text(&kept, "refresh_token")).await.status,
        StatusCode::OK
    );
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open_in(folder.path()).await;
    door.log_in("member").await;
    door.close().await;
    for name in ["signing-key.p8", "refresh-token.key", "grants.jsonl"] {
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
