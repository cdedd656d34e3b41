//! Counters of revocations and ended sessions, on each surface that ends something. A process of its own, so that no other test
//! counts beside it.

use std::collections::BTreeMap;

use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Browser};
use serde_json::json;

use crate::support::{Answer as _, Stack, eventually, exchange_code, log_in, refresh};

/// Values of `revocations_total` by reason, and of `sessions_ended_total` under `sessions`.
async fn read_counts(stack: &Stack) -> BTreeMap<String, i64> {
    let metrics = AnonymousActor::new(&stack.url())
        .get("/metrics")
        .await
        .expect_status(200);
    let mut counts = BTreeMap::new();
    for line in metrics.text().lines() {
        let Some((series, value)) = line.rsplit_once(' ') else {
            continue;
        };
        if let Some(labels) = series.strip_prefix("revocations_total{reason=\"") {
            counts.insert(labels.trim_end_matches("\"}").to_owned(), value.parse().unwrap());
        } else if series == "sessions_ended_total" {
            counts.insert("sessions".to_owned(), value.parse().unwrap());
        }
    }
    counts
}

/// Fails unless exactly these counters grew, by these numbers, since `before`, which is updated.
async fn expect_growth(
    stack: &Stack,
    before: &mut BTreeMap<String, i64>,
    what: &str,
    expected: &[(&str, i64)],
) {
    let after = read_counts(stack).await;
    let grown: BTreeMap<&str, i64> = after
        .iter()
        .map(|(name, value)| (name.as_str(), value - before.get(name).copied().unwrap_or(0)))
        .filter(|(_, growth)| *growth != 0)
        .collect();
    assert_eq!(grown, expected.iter().copied().collect(), "{what}");
    *before = after;
}

#[tokio::test]
async fn each_end_of_a_token_is_counted_once() {
    let stack = Stack::start().await;
    let anybody = AnonymousActor::new(&stack.url());
    let mut counts = read_counts(&stack).await;
    let stray = stack.token("rob");
    for (what, expected) in [("revoke", &[("revoked", 1)][..]), ("repeated revoke", &[])] {
        let reply = anybody.post_form("/oauth/revoke", &[("token", &stray)]).await;
        reply.expect_status(200);
        expect_growth(&stack, &mut counts, what, expected).await;
    }
    anybody
        .post_form("/oauth/revoke", &[("token", "nobody-knows-this")])
        .await
        .expect_status(200);
    expect_growth(
        &stack,
        &mut counts,
        "revoke of an unproven token",
        &[("revoked", 1)],
    )
    .await;
    let login = log_in(&anybody, "rita").await;
    anybody
        .post_form("/oauth/revoke", &[("token", &login.refresh)])
        .await
        .expect_status(200);
    let with_session = [("revoked", 1), ("sessions", 1)];
    expect_growth(&stack, &mut counts, "revoke of a refresh token", &with_session).await;
    let bearer = BearerActor::new(&stack.url(), &stack.token("ben"));
    bearer.post("/api/v1/auth/logout").await.expect_status(200);
    expect_growth(&stack, &mut counts, "logout without a session", &[("logout", 1)]).await;
}

#[tokio::test]
async fn each_end_of_a_session_is_counted_once() {
    let stack = Stack::start_with(|options| {
        options
            .env("SESSION_MAX_PER_USER", "2")
            .env("REFRESH_GRACE_SECONDS", "1")
    })
    .await;
    let anybody = AnonymousActor::new(&stack.url());
    let mut counts = read_counts(&stack).await;
    let login = log_in(&anybody, "lea").await;
    let bearer = BearerActor::new(&stack.url(), &login.access);
    bearer.post("/api/v1/auth/logout").await.expect_status(200);
    let by_logout = [("logout", 1), ("sessions", 1)];
    expect_growth(&stack, &mut counts, "logout of a session", &by_logout).await;
    let terminated = [("session_terminated", 1), ("sessions", 1)];
    let browser = Browser::new(&stack.url());
    exchange_code(&browser, "ron").await.expect_status(200);
    exchange_code(&browser, "ron").await.expect_status(200);
    expect_growth(&stack, &mut counts, "replaced session", &terminated).await;
    for _ in 0..3 {
        log_in(&anybody, "sue").await;
    }
    expect_growth(&stack, &mut counts, "surplus session", &terminated).await;
    let login = log_in(&anybody, "tim").await;
    BearerActor::new(&stack.url(), &login.access)
        .delete(&format!("/api/v1/auth/sessions/{}", login.handle))
        .await
        .expect_status(200);
    expect_growth(&stack, &mut counts, "terminated session", &terminated).await;
    let login = log_in(&anybody, "uma").await;
    refresh(&anybody, &login.refresh).await.expect_status(200);
    // Within REFRESH_GRACE_SECONDS a second use is taken for a second browser tab, and gets the same answer.
    let refused = || async { refresh(&anybody, &login.refresh).await.code() == 400 };
    eventually("a second use is refused", refused).await;
    let by_reuse = [("refresh_reuse", 1), ("sessions", 1)];
    expect_growth(&stack, &mut counts, "refresh reuse", &by_reuse).await;
}

#[tokio::test]
async fn a_logout_all_counts_its_cutoff_and_each_session() {
    let stack = Stack::start().await;
    let anybody = AnonymousActor::new(&stack.url());
    let root = stack
        .auth
        .forge()
        .access_token("root")
        .claim("roles", json!(["admin"]));
    let token = root.sign();
    stack.auth.accept_token(&token, root.claims());
    let admin = BearerActor::new(&stack.url(), &token);
    let mut counts = read_counts(&stack).await;
    log_in(&anybody, "lou").await;
    let login = log_in(&anybody, "lou").await;
    let bearer = BearerActor::new(&stack.url(), &login.access);
    bearer.post("/api/v1/auth/logout/all").await.expect_status(200);
    let by_user = [("logout_all", 3), ("sessions", 2)];
    expect_growth(&stack, &mut counts, "logout-all", &by_user).await;
    log_in(&anybody, "moe").await;
    log_in(&anybody, "moe").await;
    admin
        .post("/api/v1/admin/users/moe/logout")
        .await
        .expect_status(200);
    let by_admin = [("admin", 3), ("sessions", 2)];
    expect_growth(&stack, &mut counts, "administrator's logout-all", &by_admin).await;
    log_in(&anybody, "ned").await;
    admin
        .post_json("/api/v1/admin/revocations", &json!({ "user_id": "ned" }))
        .await
        .expect_status(200);
    let by_cutoff = [("admin", 2), ("sessions", 1)];
    expect_growth(&stack, &mut counts, "administrator's cut-off", &by_cutoff).await;
}
