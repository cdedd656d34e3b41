//! The disk is full: a revoke is not acknowledged, and whatever was acknowledged before holds.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, GatewayOptions, GatewayProcess};

use crate::support::{
    Answer, BINARY, Stack, assert_lives, auth_server, eventually, exchange_code, log_in, unavailable,
};

/// The gateway, started by a shell that first does `before`, in front of an authorization server.
async fn through(program: &str, words: &[&str], before: &str) -> Stack {
    let (auth, desk) = auth_server().await;
    let script = format!("{before} && exec '{BINARY}' serve");
    let words: Vec<&str> = words.iter().copied().chain([script.as_str()]).collect();
    let options: GatewayOptions = GatewayProcess::of(program)
        .args(words)
        .env("EXTERNAL_AUTH_URL", auth.url())
        .env("VERIFY_CACHE_SECONDS", "0")
        .env("RATE_LIMIT_PER_ADDRESS", "off")
        .env("LOG_LEVEL", "ERROR");
    let gateway = options.start().await.unwrap();
    Stack { auth, desk, gateway }
}

/// Revokes until one is not acknowledged; the tokens of those that were.
async fn revoke_until_it_fails(stack: &Stack) -> Vec<String> {
    let anybody = AnonymousActor::new(&stack.url());
    let mut acknowledged = Vec::new();
    for _ in 0..2_000 {
        let token = stack.token("ann");
        let reply = anybody.post_form("/oauth/revoke", &[("token", &token)]).await;
        if reply.code() == 200 {
            acknowledged.push(token);
            continue;
        }
        unavailable(&reply, "a revoke on a full disk");
        return acknowledged;
    }
    panic!("2,000 revocations fit on a full disk");
}

async fn all_refused(stack: &Stack, tokens: &[String]) {
    assert!(!tokens.is_empty());
    for token in tokens.iter().rev().take(30).chain(tokens.iter().take(10)) {
        let reply = BearerActor::new(&stack.url(), token).get("/api/v1/auth/me").await;
        assert_eq!(reply.code(), 401, "{}", reply.shown());
        assert_eq!(reply.error_code(), "token_revoked");
    }
}

/// What can't be recorded is not acknowledged. A record that is smaller than a revocation's may still fit; then it counts.
async fn nothing_is_acknowledged_in_vain(stack: &Stack, caller: &BearerActor) {
    log_in_until_it_fails(stack).await;
    for path in ["/api/v1/auth/logout/all", "/api/v1/auth/logout"] {
        let reply = caller.post(path).await;
        if reply.code() == 200 {
            let after = caller.get("/api/v1/auth/me").await;
            assert_eq!(after.code(), 401, "after {path}: {}", after.shown());
            return;
        }
        unavailable(&reply, path);
    }
}

async fn log_in_until_it_fails(stack: &Stack) {
    let anybody = AnonymousActor::new(&stack.url());
    for _ in 0..500 {
        let reply = exchange_code(&anybody, "kim").await;
        if reply.code() != 200 {
            unavailable(&reply, "a login on a full disk");
            return;
        }
    }
    panic!("500 logins fit on a full disk");
}

#[tokio::test]
async fn files_may_grow_no_further() {
    // The limit's signal would end the process; a full disk sends none.
    let stack = through("sh", &["-c"], "trap '' XFSZ; ulimit -f 1200").await;
    let tom = log_in(&AnonymousActor::new(&stack.url()), "tom").await;
    let caller = BearerActor::new(&stack.url(), &tom.access);
    let acknowledged = revoke_until_it_fails(&stack).await;
    all_refused(&stack, &acknowledged).await;
    nothing_is_acknowledged_in_vain(&stack, &caller).await;
    let reply = caller.get("/oauth/userinfo").await;
    assert!(
        matches!(reply.code(), 200 | 401 | 503),
        "reading goes on, or says that it cannot: {}",
        reply.shown()
    );
    assert_lives(&stack.gateway).await;
}

/// Whether a folder of our own can be mounted here without any rights.
fn can_mount() -> bool {
    let mut trial = Command::new("unshare");
    trial.args(["-rm", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/tmp"]);
    trial
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_full_disk_that_is_cleared_again() {
    if !can_mount() {
        eprintln!("skipped: unshare may not mount here");
        return;
    }
    let mount = "mkdir -p \"$DATA_DIR\" && mount -t tmpfs -o size=4m tmpfs \"$DATA_DIR\" \
                 && head -c 2500000 /dev/zero > \"$DATA_DIR/ballast\"";
    let stack = through("unshare", &["-rm", "sh", "-c"], mount).await;
    let inside = stack.gateway.folder().join("data");
    let inside = inside.strip_prefix("/").unwrap();
    let root = PathBuf::from(format!("/proc/{}/root", stack.gateway.pid().unwrap()));
    let ballast = root.join(inside).join("ballast");

    let tom = log_in(&AnonymousActor::new(&stack.url()), "tom").await;
    let caller = BearerActor::new(&stack.url(), &tom.access);
    let acknowledged = revoke_until_it_fails(&stack).await;
    all_refused(&stack, &acknowledged).await;
    nothing_is_acknowledged_in_vain(&stack, &caller).await;
    assert_lives(&stack.gateway).await;

    std::fs::remove_file(&ballast).unwrap();
    let token = stack.token("bob");
    let anybody = AnonymousActor::new(&stack.url());
    eventually("a revoke", || async {
        anybody
            .post_form("/oauth/revoke", &[("token", &token)])
            .await
            .code()
            == 200
    })
    .await;
    assert_eq!(
        BearerActor::new(&stack.url(), &token)
            .get("/api/v1/auth/me")
            .await
            .code(),
        401
    );
    all_refused(&stack, &acknowledged).await;
    log_in(&anybody, "kim").await;
}
