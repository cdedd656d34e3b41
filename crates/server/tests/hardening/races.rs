//! Two things at once: what was ended stays ended, whoever writes last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use maxlab_auth_testkit::wait::{after, eventually};
use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Lie, ReplyGate};
use tokio::task::JoinSet;

use crate::support::{Answer, Login, Stack, exchange_code, log_in, refresh};

async fn cookie_status(url: &str, cookie: &str) -> u16 {
    let anybody = AnonymousActor::new(url);
    anybody
        .send(http::Method::GET, "/api/v1/auth/me", |r| {
            r.header("cookie", cookie)
        })
        .await
        .code()
}

#[tokio::test]
async fn a_login_under_way_does_not_survive_a_logout_all() {
    let stack = Stack::start().await;
    let url = stack.url();
    for round in 0..2 {
        let user = format!("user{round}");
        let first = log_in(&AnonymousActor::new(&url), &user).await;
        let gate = ReplyGate::closed();
        stack.auth.on(
            "POST /oauth/token",
            Lie::gated(&gate, stack.desk.answering(&stack.auth)),
        );
        let asked = stack.auth.count_requests("/oauth/token");
        let (address, name) = (url.clone(), user.clone());
        let login = tokio::spawn(async move { exchange_code(&AnonymousActor::new(&address), &name).await });
        let (address, token) = (url.clone(), first.refresh.clone());
        let renewal = tokio::spawn(async move { refresh(&AnonymousActor::new(&address), &token).await });
        stack.auth.wait_for_requests("/oauth/token", asked + 2).await;
        BearerActor::new(&url, &first.access)
            .post("/api/v1/auth/logout/all")
            .await
            .expect_status(200);
        gate.open();
        for reply in [login.await.unwrap(), renewal.await.unwrap()] {
            assert_eq!(reply.code(), 400, "{}", reply.shown());
            assert_eq!(reply.header("set-cookie"), None);
        }
        stack
            .auth
            .on("POST /oauth/token", stack.desk.answering(&stack.auth));
        let again = log_in(&AnonymousActor::new(&url), &user).await;
        BearerActor::new(&url, &again.access)
            .get("/api/v1/auth/me")
            .await
            .expect_status(200);
        assert_eq!(
            cookie_status(&url, &again.cookie).await,
            200,
            "a login after it is spared"
        );
        refresh(&AnonymousActor::new(&url), &again.refresh)
            .await
            .expect_status(200);
    }
}

/// Logins and logouts of one user at random. Whatever was complete before a logout-all was asked for is dead after it;
/// whatever began after its answer lives.
#[tokio::test]
async fn logins_and_logout_all_at_random() {
    let stack = Stack::start().await;
    let url = stack.url();
    for round in 0..4 {
        let user = format!("user{round}");
        let before = log_in(&AnonymousActor::new(&url), &user).await;
        let mut logins = JoinSet::new();
        for n in 0..10_u64 {
            let (url, user) = (url.clone(), user.clone());
            logins.spawn(after(Duration::from_millis(n * 3), async move {
                exchange_code(&AnonymousActor::new(&url), &user).await
            }));
        }
        let caller = BearerActor::new(&url, &before.access);
        after(Duration::from_millis(15), caller.post("/api/v1/auth/logout/all"))
            .await
            .expect_status(200);
        let after = log_in(&AnonymousActor::new(&url), &user).await;
        while let Some(login) = logins.join_next().await {
            let login = login.unwrap();
            assert!(matches!(login.code(), 200 | 400), "{}", login.shown());
        }
        assert_eq!(
            BearerActor::new(&url, &before.access)
                .get("/api/v1/auth/me")
                .await
                .code(),
            401
        );
        assert_eq!(cookie_status(&url, &before.cookie).await, 401);
        BearerActor::new(&url, &after.access)
            .get("/api/v1/auth/me")
            .await
            .expect_status(200);
        assert_eq!(cookie_status(&url, &after.cookie).await, 200);
    }
}

#[tokio::test]
async fn requests_in_flight_do_not_bring_a_session_back() {
    // Every use is written back, which is when others resurrect (Rack's CVE-2025-46336).
    let stack = Stack::start_with(|options| {
        options
            .env("SESSION_IDLE_SECONDS", "1")
            .env("SESSION_MAX_SECONDS", "60")
    })
    .await;
    let url = stack.url();
    for round in 0..3 {
        let login: Login = log_in(&AnonymousActor::new(&url), "ann").await;
        let ended = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(AtomicUsize::new(0));
        let mut users = JoinSet::new();
        for _ in 0..8 {
            let (url, cookie, ended) = (url.clone(), login.cookie.clone(), Arc::clone(&ended));
            let answers = Arc::clone(&answers);
            users.spawn(async move {
                for _ in 0..30 {
                    let was_ended = ended.load(Ordering::SeqCst);
                    let status = cookie_status(&url, &cookie).await;
                    answers.fetch_add(1, Ordering::SeqCst);
                    assert!(
                        !was_ended || status == 401,
                        "round {round}: {status} after the logout"
                    );
                }
            });
        }
        // In the middle of the requests, however slow they are.
        eventually("a part is answered", async || {
            answers.load(Ordering::SeqCst) >= 40
        })
        .await;
        BearerActor::new(&url, &login.access)
            .post("/api/v1/auth/logout")
            .await
            .expect_status(200);
        ended.store(true, Ordering::SeqCst);
        while let Some(user) = users.join_next().await {
            user.unwrap();
        }
        assert_eq!(
            cookie_status(&url, &login.cookie).await,
            401,
            "round {round}: it came back"
        );
    }
}

#[tokio::test]
async fn a_refresh_under_way_does_not_survive_a_termination() {
    let stack = Stack::start().await;
    let url = stack.url();
    for ending in ["terminate", "logout", "revoke"] {
        let (one, two) = (
            log_in(&AnonymousActor::new(&url), "ann").await,
            log_in(&AnonymousActor::new(&url), "ann").await,
        );
        let gate = ReplyGate::closed();
        stack.auth.on(
            "POST /oauth/token",
            Lie::gated(&gate, stack.desk.answering(&stack.auth)),
        );
        let asked = stack.auth.count_requests("/oauth/token");
        let (address, token) = (url.clone(), two.refresh.clone());
        let renewal = tokio::spawn(async move { refresh(&AnonymousActor::new(&address), &token).await });
        stack.auth.wait_for_requests("/oauth/token", asked + 1).await;
        match ending {
            "terminate" => {
                let path = format!("/api/v1/auth/sessions/{}", two.handle);
                BearerActor::new(&url, &one.access)
                    .delete(&path)
                    .await
                    .expect_status(200);
            }
            "logout" => {
                BearerActor::new(&url, &two.access)
                    .post("/api/v1/auth/logout")
                    .await
                    .expect_status(200);
            }
            _ => {
                let fields = [("token", two.refresh.as_str())];
                AnonymousActor::new(&url)
                    .post_form("/oauth/revoke", &fields)
                    .await
                    .expect_status(200);
            }
        }
        gate.open();
        let reply = renewal.await.unwrap();
        assert_eq!(reply.code(), 400, "{ending}: {}", reply.shown());
        assert_eq!(cookie_status(&url, &two.cookie).await, 401, "{ending}");
        stack
            .auth
            .on("POST /oauth/token", stack.desk.answering(&stack.auth));
    }
}

#[tokio::test]
async fn one_session_is_rotated_by_one() {
    let stack = Stack::start().await;
    let url = stack.url();
    let login = log_in(&AnonymousActor::new(&url), "ann").await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (url, cookie) = (url.clone(), login.cookie.clone());
        tasks.spawn(async move {
            let origin = url.clone();
            AnonymousActor::new(&url)
                .send(http::Method::POST, "/api/v1/auth/sessions/rotate", |r| {
                    r.header("cookie", cookie).header("origin", origin)
                })
                .await
        });
    }
    let replies = tasks.join_all().await;
    let new: Vec<_> = replies.iter().filter(|reply| reply.code() == 200).collect();
    assert_eq!(new.len(), 1, "one new id, and the old one is dead for the others");
    assert!(replies.iter().all(|reply| matches!(reply.code(), 200 | 401)));
    assert_eq!(cookie_status(&url, &login.cookie).await, 401);
    let cookie = new[0]
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(cookie_status(&url, &cookie).await, 200);
}

#[tokio::test]
async fn a_repeat_is_one_revocation_and_a_success() {
    let stack = Stack::start().await;
    let url = stack.url();
    let token = stack.token("ann");
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let (url, token) = (url.clone(), token.clone());
        tasks.spawn(async move {
            AnonymousActor::new(&url)
                .post_form("/oauth/revoke", &[("token", &token)])
                .await
                .code()
        });
    }
    assert!(tasks.join_all().await.iter().all(|status| *status == 200));
    let admin = log_in(&AnonymousActor::new(&url), "admin-ann").await;
    let page = BearerActor::new(&url, &admin.access)
        .get("/api/v1/admin/denylist?user_id=ann")
        .await
        .expect_status(200)
        .json();
    let entries = page["entries"].as_array().unwrap().len();
    assert!(
        (1..=2).contains(&entries),
        "one token, its names once each: {page}"
    );
}
