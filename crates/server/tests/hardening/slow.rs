//! Clients that take their time are cut, and cost the others nothing.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::{Actor, AnonymousActor, RawClient};

use crate::support::{Answer, Stack, assert_lives, memory, telling};

const SLOW_CLIENTS: usize = 150;

async fn impatient() -> Stack {
    Stack::start_with(|options| {
        options
            .env("HEADER_TIMEOUT_SECONDS", "1")
            .env("BODY_TIMEOUT_SECONDS", "1")
    })
    .await
}

/// Requests of an ordinary client are answered quickly meanwhile.
async fn others_are_served(stack: &Stack) {
    let other = AnonymousActor::new(&stack.url());
    for _ in 0..20 {
        let started = Instant::now();
        other.get("/health").await.expect_status(200);
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "others wait {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn slow_heads_are_cut() {
    let stack = impatient().await;
    let mut slow = Vec::new();
    for _ in 0..SLOW_CLIENTS {
        let mut client = RawClient::connect(stack.addr())
            .await
            .unwrap()
            .read_timeout(Duration::from_secs(10));
        client
            .send("GET /health HTTP/1.1\r\nhost: x\r\nx-slow")
            .await
            .unwrap();
        slow.push(client);
    }
    others_are_served(&stack).await;
    let started = Instant::now();
    // One of them goes on, byte by byte: that buys no time.
    let dripping = slow.pop().unwrap();
    let drip = async {
        let mut client = dripping;
        let _ = client
            .send_slowly("a".repeat(100), Duration::from_millis(100))
            .await;
        client.read_to_end().await.unwrap()
    };
    let cut = futures_all(slow);
    tokio::join!(drip, cut);
    assert!(
        started.elapsed() < Duration::from_secs(9),
        "cut only after {:?}",
        started.elapsed()
    );
    assert_lives(&stack.gateway).await;
}

async fn futures_all(clients: Vec<RawClient>) {
    let mut tasks = tokio::task::JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move { client.read_to_end().await.map(drop) });
    }
    while let Some(read) = tasks.join_next().await {
        read.unwrap().unwrap();
    }
}

#[tokio::test]
async fn slow_bodies_are_408_and_cut() {
    let stack = impatient().await;
    let (before, _) = memory(&stack.gateway);
    let head = "POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                content-length: 60000\r\n\r\ngrant_type=";
    let mut slow = Vec::new();
    for _ in 0..SLOW_CLIENTS {
        let mut client = RawClient::connect(stack.addr())
            .await
            .unwrap()
            .read_timeout(Duration::from_secs(10));
        client.send(head).await.unwrap();
        slow.push(client);
    }
    others_are_served(&stack).await;
    let mut one = slow.pop().unwrap();
    let reply = one.reply().await.unwrap();
    assert_eq!(reply.status, 408, "{}", reply.shown());
    telling(&reply, "a slow body");
    let started = Instant::now();
    futures_all(slow).await;
    assert!(
        started.elapsed() < Duration::from_secs(6),
        "cut only after {:?}",
        started.elapsed()
    );
    let (now, _) = memory(&stack.gateway);
    assert!(now < before + 64 * 1024, "{before} KiB grew to {now} KiB");
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn clients_that_do_not_read_hold_nobody_up() {
    let stack = impatient().await;
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let mut client = RawClient::connect(stack.addr()).await.unwrap();
        let request = format!("GET /openapi.json HTTP/1.1\r\nhost: {}\r\n\r\n", stack.addr());
        // Far more answers than the sockets hold; sending may block too, and then it is given up.
        let _ = tokio::time::timeout(Duration::from_millis(200), client.send(request.repeat(100))).await;
        deaf.push(client);
    }
    others_are_served(&stack).await;
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn a_full_house_frees_itself() {
    let stack = Stack::start_with(|options| {
        options
            .env("HEADER_TIMEOUT_SECONDS", "1")
            .env("BODY_TIMEOUT_SECONDS", "1")
            .env("MAX_CONNECTIONS", "20")
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(RawClient::connect(stack.addr()).await.unwrap());
    }
    let started = Instant::now();
    let reply = AnonymousActor::new(&stack.url()).get("/health").await;
    assert_eq!(reply.code(), 200);
    assert!(
        started.elapsed() < Duration::from_secs(12),
        "served only after {:?}",
        started.elapsed()
    );
    drop(silent);
}
