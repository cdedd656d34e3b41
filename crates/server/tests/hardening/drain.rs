//! SIGTERM in the middle of a request: the request is answered, nothing of it is lost, and then the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use maxlab_auth_testkit::wait::{after, eventually};
use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Lie, RawClient, ReplyGate};

use crate::support::{Answer, Stack, exchange_code, log_in, refresh};

#[tokio::test]
async fn a_login_under_way_is_finished() {
    let mut stack = Stack::start().await;
    let gate = ReplyGate::closed();
    let ann = log_in(&AnonymousActor::new(&stack.url()), "ann").await;
    stack.auth.on(
        "POST /oauth/token",
        Lie::gated(&gate, stack.desk.answering(&stack.auth)),
    );
    let asked = stack.auth.count_requests("/oauth/token");
    let url = stack.url();
    let (login, renewal) = (url.clone(), url.clone());
    let login = tokio::spawn(async move { exchange_code(&AnonymousActor::new(&login), "kim").await });
    let token = ann.refresh.clone();
    let renewal = tokio::spawn(async move { refresh(&AnonymousActor::new(&renewal), &token).await });
    stack.auth.wait_for_requests("/oauth/token", asked + 2).await;
    stack.gateway.signal("TERM");
    // No newcomer is let in.
    let addr = stack.addr();
    let refused = || async {
        let Ok(mut client) = RawClient::connect(addr).await else {
            return true;
        };
        client
            .send(format!("GET /health HTTP/1.1\r\nhost: {addr}\r\n\r\n"))
            .await
            .is_err()
            || client.reply().await.is_err()
    };
    crate::support::eventually("no newcomers", refused).await;
    gate.open();
    let login = login.await.unwrap().expect_status(200);
    let renewal = renewal.await.unwrap().expect_status(200);
    assert_eq!(login.header("connection").unwrap_or("close"), "close");
    let status = stack.gateway.terminate().await.unwrap();
    assert!(status.success(), "{status}: {}", stack.gateway.log());

    stack.gateway.restart().await.unwrap();
    let cookie = login
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let me = AnonymousActor::new(&url)
        .send(http::Method::GET, "/api/v1/auth/me", |r| {
            r.header("cookie", cookie)
        })
        .await;
    assert_eq!(me.code(), 200, "{}", me.shown());
    let renewed = renewal.json()["refresh_token"].as_str().unwrap().to_owned();
    refresh(&AnonymousActor::new(&url), &renewed)
        .await
        .expect_status(200);
}

#[tokio::test]
async fn whoever_asks_while_it_ends_gets_a_whole_answer_or_none() {
    let mut stack = Stack::start().await;
    let url = stack.url();
    let mut acknowledged = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (url, token) = (url.clone(), stack.token("ann"));
        tasks.spawn(after(Duration::from_millis(n * 2), async move {
            let anybody = AnonymousActor::new(&url);
            let fields = [("token", token.as_str())];
            let reply = anybody
                .try_send(http::Method::POST, "/oauth/revoke", |r| r.form(&fields))
                .await;
            (reply.ok().map(|reply| reply.code()), token)
        }));
    }
    let status = after(Duration::from_millis(30), stack.gateway.terminate()).await;
    let status = status.unwrap();
    assert!(status.success(), "{status}");
    while let Some(done) = tasks.join_next().await {
        match done.unwrap() {
            (Some(200), token) => acknowledged.push(token),
            (None, _) => {}
            (Some(status), _) => panic!("{status}"),
        }
    }
    stack.gateway.restart().await.unwrap();
    for token in &acknowledged {
        let reply = BearerActor::new(&url, token).get("/api/v1/auth/me").await;
        assert_eq!(
            reply.code(),
            401,
            "an acknowledged revocation is lost: {}",
            reply.shown()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_keeps_its_connections_loses_no_question() {
    let mut stack = Stack::start_with(|options| options.env("VERIFY_CACHE_SECONDS", "60")).await;
    let (addr, token) = (stack.addr(), stack.token("ann"));
    let asked = format!("GET /auth/verify HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {token}\r\n\r\n");
    let answers = Arc::new(AtomicUsize::new(0));
    let mut proxies = tokio::task::JoinSet::new();
    for pause in 0..8 {
        let mut client = RawClient::connect(addr).await.unwrap();
        client.send(&asked).await.unwrap();
        assert_eq!(client.reply().await.unwrap().status, 200);
        let (asked, answers) = (asked.clone(), Arc::clone(&answers));
        proxies.spawn(async move {
            loop {
                client.send(&asked).await.expect("it is told before it is closed");
                let reply = client.reply().await.expect("every question is answered");
                assert_eq!(reply.status, 200);
                answers.fetch_add(1, Ordering::SeqCst);
                if reply.header("connection") == Some("close") {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(pause * 5)).await;
            }
            assert_eq!(client.read_to_end().await.unwrap(), b"");
        });
    }
    eventually("all of them ask", async || answers.load(Ordering::SeqCst) >= 80).await;
    let status = stack.gateway.terminate().await.unwrap();
    assert!(status.success(), "{status}: {}", stack.gateway.log());
    while let Some(done) = proxies.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_it_for_ever() {
    let mut stack = Stack::start_with(|options| options.env("SHUTDOWN_SECONDS", "1")).await;
    stack.auth.on("POST /oauth/token", Lie::hang());
    let url = stack.url();
    let hanging = tokio::spawn(async move {
        let anybody = AnonymousActor::new(&url);
        anybody
            .try_send(http::Method::POST, "/oauth/token", |r| {
                r.form(&[("grant_type", "refresh_token"), ("refresh_token", "x")])
            })
            .await
            .map(|reply| reply.code())
    });
    stack.auth.wait_for_requests("/oauth/token", 1).await;
    let idle = RawClient::connect(stack.addr()).await.unwrap();
    let started = Instant::now();
    stack.gateway.terminate().await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(9),
        "it took {:?}",
        started.elapsed()
    );
    let _ = hanging.await.unwrap();
    drop(idle);
}

#[tokio::test]
async fn what_the_authorization_server_has_not_heard_is_told_after_the_restart() {
    let mut stack = Stack::start().await;
    stack.auth.on("/oauth/revoke", Lie::status(503));
    let token = stack.token("ann");
    AnonymousActor::new(&stack.url())
        .post_form("/oauth/revoke", &[("token", &token)])
        .await
        .expect_status(200);
    stack.auth.wait_for_requests("/oauth/revoke", 1).await;
    assert!(stack.gateway.terminate().await.unwrap().success());
    stack.auth.clear_scripts();
    stack.auth.forget_requests();
    stack.gateway.restart().await.unwrap();
    stack.auth.wait_for_requests("/oauth/revoke", 1).await;
    let heard = &stack.auth.requests("/oauth/revoke")[0];
    assert_eq!(heard.form("token").as_deref(), Some(token.as_str()));
}

#[tokio::test]
async fn n14_a_stop_is_announced_before_it_begins() {
    let mut stack = Stack::start_with(|options| options.env("SHUTDOWN_DELAY_SECONDS", "3")).await;
    let anybody = AnonymousActor::new(&stack.url());
    anybody.get("/health/ready").await.expect_status(200);
    let asked_at = Instant::now();
    stack.gateway.signal("TERM");
    let not_ready = || async { anybody.get("/health/ready").await.code() == 503 };
    crate::support::eventually("it is not ready any more", not_ready).await;
    let reply = anybody.get("/health/ready").await.expect_status(503);
    assert_eq!(reply.json()["status"], "stopping");
    assert!(reply.header("retry-after").is_some());
    // Whoever comes meanwhile is served, on new connections too.
    let newcomer = AnonymousActor::new(&stack.url());
    newcomer.get("/health").await.expect_status(200);
    log_in(&newcomer, "ann").await;
    let status = stack.gateway.terminate().await.unwrap();
    assert!(status.success(), "{status}: {}", stack.gateway.log());
    assert!(
        asked_at.elapsed() >= Duration::from_secs(3),
        "{:?}",
        asked_at.elapsed()
    );
}
