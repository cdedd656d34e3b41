//! A backup of the journal is restored: the runbook of the operations guide, step by step.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, GatewayProcess};

use crate::support::{Answer, BINARY, Login, Stack, log_in, refresh};

/// A SQLite file, with what belongs to it while it is open.
fn with_its_files(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", database.display())))
}

async fn command(gateway: &GatewayProcess, auth: &str, arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new(BINARY);
    command
        .args(arguments)
        .env_clear()
        .env("DATA_DIR", gateway.folder().join("data"))
        .env("EXTERNAL_AUTH_URL", auth)
        .stdin(Stdio::null());
    let ended = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(
        ended.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    said
}

async fn statuses(stack: &Stack, login: &Login) -> [u16; 2] {
    let anybody = AnonymousActor::new(&stack.url());
    let cookie = anybody
        .send(http::Method::GET, "/api/v1/auth/me", |request| {
            request.header("cookie", &login.cookie)
        })
        .await;
    let access = BearerActor::new(&stack.url(), &login.access)
        .get("/api/v1/auth/me")
        .await;
    [access.code(), cookie.code()]
}

#[tokio::test]
async fn n3_after_a_restore_and_revoke_everything_nothing_revoked_is_good_again() {
    let mut stack = Stack::start().await;
    let anybody = AnonymousActor::new(&stack.url());
    let (ann, bob) = (log_in(&anybody, "ann").await, log_in(&anybody, "bob").await);
    let data = stack.gateway.folder().join("data");
    let (database, store) = (data.join("maxlab-auth.db"), data.join("store.db"));

    // The backup, and what is revoked after it.
    stack.gateway.terminate().await.unwrap();
    let backup = tempfile::tempdir().unwrap();
    let copy = backup.path().join("copy.db");
    std::fs::copy(&database, &copy).unwrap();
    stack.gateway.restart().await.unwrap();
    let anybody = AnonymousActor::new(&stack.url());
    anybody
        .post_form("/oauth/revoke", &[("token", &ann.refresh)])
        .await
        .expect_status(200);
    assert_eq!(refresh(&anybody, &ann.refresh).await.code(), 400);

    // Stop; restore; empty the store.
    stack.gateway.terminate().await.unwrap();
    for file in with_its_files(&database).iter().chain(&with_its_files(&store)) {
        let _not_there = std::fs::remove_file(file);
    }
    std::fs::copy(&copy, &database).unwrap();
    // Start without traffic, and end everything.
    stack.gateway.restart().await.unwrap();
    let anybody = AnonymousActor::new(&stack.url());
    assert_eq!(anybody.get("/health/ready").await.code(), 200);
    let said = command(&stack.gateway, &stack.auth.url(), &["revoke", "--everything"]).await;
    assert!(said.starts_with("Revoked: everything "), "{said}");

    for login in [&ann, &bob] {
        assert_eq!(refresh(&anybody, &login.refresh).await.code(), 400);
        assert_eq!(
            stack.desk.grants(&login.refresh),
            0,
            "refused before it is sent on"
        );
        assert_eq!(statuses(&stack, login).await, [401, 401]);
    }
    let later = log_in(&anybody, "ann").await;
    assert_eq!(statuses(&stack, &later).await, [200, 200]);
    refresh(&anybody, &later.refresh).await.expect_status(200);
}
