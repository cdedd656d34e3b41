//! `kill -9`: whatever was acknowledged holds after the restart.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor};

use crate::support::{Answer, Login, Stack, log_in, refresh};

async fn cookie_status(stack: &Stack, login: &Login) -> u16 {
    let anybody = AnonymousActor::new(&stack.url());
    let reply = anybody
        .send(http::Method::GET, "/api/v1/auth/me", |r| {
            r.header("cookie", &login.cookie)
        })
        .await;
    reply.code()
}

#[tokio::test]
async fn right_after_the_acknowledgement() {
    // Without the time in which a repeated refresh gets the same answer, a used token is refused at once.
    let mut stack = Stack::start_with(|options| options.env("REFRESH_GRACE_SECONDS", "0")).await;
    let anybody = AnonymousActor::new(&stack.url());
    let (ann, eve) = (log_in(&anybody, "ann").await, log_in(&anybody, "eve").await);
    let (tom, tom_too) = (log_in(&anybody, "tom").await, log_in(&anybody, "tom").await);
    let unseen = stack.token("tom");
    let revoked = stack.token("rob");
    let opaque = "an-opaque-token";
    stack
        .auth
        .accept_token(opaque, serde_json::json!({ "sub": "oda" }));
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
    BearerActor::new(&stack.url(), &eve.access)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    stack.gateway.kill9();
    stack.gateway.restart().await.unwrap();
    BearerActor::new(&stack.url(), &tom.access)
        .post("/api/v1/auth/logout/all")
        .await
        .expect_status(200);
    stack.gateway.kill9();
    stack.gateway.restart().await.unwrap();

    stack
        .auth
        .accept_token(opaque, serde_json::json!({ "sub": "oda" }));
    for token in [
        &revoked,
        opaque,
        &eve.access,
        &tom.access,
        &tom_too.access,
        &unseen,
    ] {
        let reply = BearerActor::new(&stack.url(), token).get("/api/v1/auth/me").await;
        assert_eq!(reply.code(), 401, "{}", reply.shown());
    }
    for login in [&eve, &tom, &tom_too] {
        assert_eq!(cookie_status(&stack, login).await, 401);
    }
    // A refresh token that was rotated before the restart is not good again (Keycloak's CVE-2026-9802).
    let asked = stack.auth.count_requests("/oauth/token");
    let reply = refresh(&anybody, &ann.refresh).await;
    assert_eq!(
        (reply.code(), stack.auth.count_requests("/oauth/token")),
        (400, asked),
        "{}",
        reply.shown()
    );
    drop(rotated);
}

#[tokio::test]
async fn sessions_outlive_it() {
    let mut stack = Stack::start().await;
    let ann = log_in(&AnonymousActor::new(&stack.url()), "ann").await;
    stack.gateway.kill9();
    stack.gateway.restart().await.unwrap();
    assert_eq!(cookie_status(&stack, &ann).await, 200);
    BearerActor::new(&stack.url(), &ann.access)
        .get("/api/v1/auth/me")
        .await
        .expect_status(200);
    refresh(&AnonymousActor::new(&stack.url()), &ann.refresh)
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

/// Time that a revoke takes on this machine: the median of five, which one slow moment does not spoil.
async fn usual_time(stack: &Stack) -> Duration {
    let anybody = AnonymousActor::new(&stack.url());
    let mut times = Vec::new();
    for _ in 0..5 {
        let token = stack.token("warm-up");
        let started = Instant::now();
        anybody
            .post_form("/oauth/revoke", &[("token", &token)])
            .await
            .expect_status(200);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// At a moment that differs each time the process is killed in the middle of revoking. Whoever got a 200 is held to it.
#[tokio::test]
async fn at_any_moment() {
    let mut stack = Stack::start().await;
    let mut acknowledged: Vec<(usize, String)> = Vec::new();
    let (mut answered, mut cut) = (0, 0);
    let mut usual = usual_time(&stack).await;
    for round in 0..20_usize {
        let subject = format!("user{round}");
        let login = log_in(&AnonymousActor::new(&stack.url()), &subject).await;
        let asked = match round % 4 {
            0 => Asked::Revoke,
            1 => Asked::Logout,
            2 => Asked::LogoutAll,
            _ => Asked::Terminate,
        };
        let caller = BearerActor::new(&stack.url(), &login.access);
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
        let began = Instant::now();
        let reply = tokio::time::timeout(moment, request).await;
        let acknowledgement = reply.ok().and_then(Result::ok).map(|reply| reply.code());
        stack.gateway.kill9();
        match acknowledgement {
            Some(200) => {
                answered += 1;
                acknowledged.push((round, login.access.clone()));
                // A machine gets busier and idler meanwhile, and the moments follow.
                usual = (usual + began.elapsed()) / 2;
            }
            Some(status) => panic!("round {round}: {status}"),
            None => {
                cut += 1;
                if moment > usual {
                    usual = usual * 3 / 2;
                }
            }
        }
        stack.gateway.restart().await.unwrap();
        for (of, token) in &acknowledged {
            let reply = BearerActor::new(&stack.url(), token).get("/api/v1/auth/me").await;
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
