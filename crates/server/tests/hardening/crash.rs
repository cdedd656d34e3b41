//! `kill -9`: whatever was acknowledged holds after the restart.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::{Actor, Anonymous, Bearer};

use crate::support::{Answer, Login, Stack, log_in, refresh};

async fn cookie_status(stack: &Stack, login: &Login) -> u16 {
    let anybody = Anonymous::new(&stack.url());
    let reply = anybody
        .send(http::Method::GET, "/api/v1/auth/me", |r| {
            r.header("cookie", &login.cookie)
        })
        .await;
    reply.code()
}

#[tokio::test]
async fn right_after_the_acknowledgement() {
    let mut stack = Stack::start().await;
    let anybody = Anonymous::new(&stack.url());
    let (ann, eve) = (log_in(&anybody, "ann").await, log_in(&anybody, "eve").await);
    let (tom, tom_too) = (log_in(&anybody, "tom").await, log_in(&anybody, "tom").await);
    let unseen = stack.token("tom");
    let revoked = stack.token("rob");
    let opaque = "an-opaque-token";
    stack.auth.know(opaque, serde_json::json!({ "sub": "oda" }));
    let rotated = refresh(&anybody, &ann.refresh).await.expect_status(200).json();

    anybody
        .post_form("/oauth/revoke", &[("token", &revoked)])
        .await
        .expect_status(200);
    stack.gateway.kill9();
    stack.gateway.restart().await.unwrap();
    anybody
        .post_form("/oauth/revoke", &[("token", opaque)])
        .await
        .expect_status(200);
    stack.gateway.kill9();
    stack.gateway.restart().await.unwrap();
    Bearer::new(&stack.url(), &eve.access)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    stack.gateway.kill9();
    stack.gateway.restart().await.unwrap();
    Bearer::new(&stack.url(), &tom.access)
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    stack.gateway.kill9();
    stack.gateway.restart().await.unwrap();

    stack.auth.know(opaque, serde_json::json!({ "sub": "oda" }));
    for token in [
        &revoked,
        opaque,
        &eve.access,
        &tom.access,
        &tom_too.access,
        &unseen,
    ] {
        let reply = Bearer::new(&stack.url(), token).get("/api/v1/auth/me").await;
        assert_eq!(reply.code(), 401, "{}", reply.shown());
    }
    for login in [&eve, &tom, &tom_too] {
        assert_eq!(cookie_status(&stack, login).await, 401);
    }
    // A refresh token that was rotated before the restart is not good again (Keycloak's CVE-2026-9802).
    let asked = stack.auth.count("/oauth/token");
    let reply = refresh(&anybody, &ann.refresh).await;
    assert_eq!(
        (reply.code(), stack.auth.count("/oauth/token")),
        (400, asked),
        "{}",
        reply.shown()
    );
    drop(rotated);
}

#[tokio::test]
async fn sessions_outlive_it() {
    let mut stack = Stack::start().await;
    let ann = log_in(&Anonymous::new(&stack.url()), "ann").await;
    stack.gateway.kill9();
    stack.gateway.restart().await.unwrap();
    assert_eq!(cookie_status(&stack, &ann).await, 200);
    Bearer::new(&stack.url(), &ann.access)
        .get("/api/v1/auth/me")
        .await
        .expect_status(200);
    refresh(&Anonymous::new(&stack.url()), &ann.refresh)
        .await
        .expect_status(200);
}

/// What was asked for when the kill came.
enum Asked {
    Revoke,
    Logout,
    LogoutAll,
    Terminate,
}

/// How long a revoke takes on this machine.
async fn usual_time(stack: &Stack) -> Duration {
    let anybody = Anonymous::new(&stack.url());
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        let token = stack.token("warm-up");
        let started = Instant::now();
        anybody
            .post_form("/oauth/revoke", &[("token", &token)])
            .await
            .expect_status(200);
        longest = longest.max(started.elapsed());
    }
    longest
}

/// At a moment that differs each time the process is killed in the middle of revoking. Whoever got a 200 is held to it.
#[tokio::test]
async fn at_any_moment() {
    let mut stack = Stack::start().await;
    let mut acknowledged: Vec<(usize, String)> = Vec::new();
    let (mut answered, mut cut) = (0, 0);
    let usual = usual_time(&stack).await;
    for round in 0..20_usize {
        let subject = format!("user{round}");
        let login = log_in(&Anonymous::new(&stack.url()), &subject).await;
        let asked = match round % 4 {
            0 => Asked::Revoke,
            1 => Asked::Logout,
            2 => Asked::LogoutAll,
            _ => Asked::Terminate,
        };
        let caller = Bearer::new(&stack.url(), &login.access);
        let fields = [("token", login.access.as_str())];
        let request = async {
            match asked {
                Asked::Revoke => {
                    caller
                        .try_send(http::Method::POST, "/oauth/revoke", |r| r.form(&fields))
                        .await
                }
                Asked::Logout => {
                    caller
                        .try_send(http::Method::POST, "/api/v1/auth/logout", |r| r)
                        .await
                }
                Asked::LogoutAll => {
                    caller
                        .try_send(http::Method::POST, "/api/v1/auth/logout/all", |r| r)
                        .await
                }
                Asked::Terminate => {
                    let path = format!("/api/v1/auth/sessions/{}", login.handle);
                    caller.try_send(http::Method::DELETE, &path, |r| r).await
                }
            }
        };
        // From at once to well after the usual answer, in an order that is no order.
        let moment = usual * u32::try_from(round * 7_919 % 20).unwrap() / 8;
        let acknowledgement = tokio::select! {
            reply = request => reply.ok().map(|reply| reply.code()),
            () = tokio::time::sleep(moment) => None,
        };
        stack.gateway.kill9();
        match acknowledgement {
            Some(200) => {
                answered += 1;
                acknowledged.push((round, login.access.clone()));
            }
            Some(status) => panic!("round {round}: {status}"),
            None => cut += 1,
        }
        stack.gateway.restart().await.unwrap();
        for (of, token) in &acknowledged {
            let reply = Bearer::new(&stack.url(), token).get("/api/v1/auth/me").await;
            assert_eq!(
                reply.code(),
                401,
                "revoked in round {of}, accepted after round {round}"
            );
        }
        if let (Some(200), Asked::Logout | Asked::LogoutAll | Asked::Terminate) = (acknowledgement, &asked) {
            assert_eq!(
                cookie_status(&stack, &login).await,
                401,
                "the session of round {round} came back"
            );
        }
    }
    assert!(
        answered > 2 && cut > 2,
        "the moments are badly chosen: {answered} answered, {cut} cut"
    );
}
