//! Random requests at every route for a few seconds: never a 5xx, never a hang, never the end of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use maxlab_auth_testkit::{RawClient, SeededRandom};

use crate::chance::Attacker;
use crate::support::{Stack, assert_lives, log_in};

/// How long the attack lasts.
const DURATION: Duration = Duration::from_secs(5);
const ATTACKERS: u64 = 6;
/// Fewer requests than these would show little.
const LEAST: usize = 1_000;
/// However slow the machine is.
const LONGEST: Duration = Duration::from_secs(60);

async fn attack(
    addr: std::net::SocketAddr,
    seed: u64,
    credentials: Arc<Vec<String>>,
    sent: Arc<AtomicUsize>,
) {
    let mut attacker = Attacker {
        random: SeededRandom::seeded(seed),
        credentials,
    };
    let started = Instant::now();
    let mut connection: Option<RawClient> = None;
    // A slow machine takes longer for as many.
    let enough = || started.elapsed() >= DURATION && sent.load(Ordering::Relaxed) > LEAST;
    while !enough() && started.elapsed() < LONGEST {
        let mut client = match connection.take() {
            Some(client) => client,
            None => RawClient::connect(addr)
                .await
                .unwrap()
                .read_timeout(Duration::from_secs(6)),
        };
        let request = attacker.request();
        let shown = || format!("seed {seed}: {}", String::from_utf8_lossy(&request));
        if client.send(&request).await.is_err() {
            continue;
        }
        if request.starts_with(b"HEAD") {
            // Its answer announces a body that does not come; the connection is left.
            continue;
        }
        match client.reply().await {
            Ok(reply) => {
                assert!(
                    reply.status < 500,
                    "{}\n{} {}",
                    shown(),
                    reply.status,
                    String::from_utf8_lossy(&reply.body)
                );
                let closes = reply
                    .header("connection")
                    .is_some_and(|value| value.eq_ignore_ascii_case("close"));
                if !closes && reply.status != 400 {
                    connection = Some(client);
                }
            }
            Err(fault) => {
                let fault = format!("{fault:#}");
                assert!(!fault.contains("no reply in time"), "{}\n{fault}", shown());
                // An answer is owed to every request that was whole.
                panic!("{}\n{fault}", shown());
            }
        }
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_requests() {
    let stack = Stack::start().await;
    let anybody = maxlab_auth_testkit::AnonymousActor::new(&stack.url());
    let mut credentials = vec![
        "Bearer x".to_owned(),
        "Basic YTpi".to_owned(),
        "Basic x".to_owned(),
        "maxlab_session=x".to_owned(),
    ];
    for n in 0..4 {
        let login = log_in(&anybody, if n == 0 { "admin-ann" } else { "ann" }).await;
        credentials.push(format!("Bearer {}", login.access));
        credentials.push(login.cookie);
        credentials.push(format!("Bearer {}", login.refresh));
    }
    let (credentials, sent) = (Arc::new(credentials), Arc::new(AtomicUsize::new(0)));
    let mut attackers = tokio::task::JoinSet::new();
    for n in 0..ATTACKERS {
        // Another seed for each run; a failure tells it.
        let seed = uuid::Uuid::new_v4().as_u64_pair().0 ^ n;
        attackers.spawn(attack(
            stack.addr(),
            seed,
            Arc::clone(&credentials),
            Arc::clone(&sent),
        ));
    }
    while let Some(done) = attackers.join_next().await {
        done.unwrap();
    }
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent > LEAST, "only {sent} requests were made");
    assert_lives(&stack.gateway).await;
}

/// Bytes that are no HTTP at all, and requests cut off anywhere.
#[tokio::test]
async fn random_bytes() {
    let stack = Stack::start().await;
    let mut random = SeededRandom::seeded(uuid::Uuid::new_v4().as_u64_pair().0);
    let whole = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n{}",
        stack.addr(),
        "{\"grant_type\":\"refresh_token\"}"
    );
    for round in 0..300 {
        let bytes = match round % 3 {
            0 => random.bytes(400),
            1 => whole.as_bytes()[..random.below(whole.len())].to_vec(),
            _ => {
                let mut bytes = whole.clone().into_bytes();
                for _ in 0..=random.below(4) {
                    let at = random.below(bytes.len());
                    bytes[at] = u8::try_from(random.next_u64() & 0xff).unwrap();
                }
                bytes
            }
        };
        let mut client = RawClient::connect(stack.addr())
            .await
            .unwrap()
            .read_timeout(Duration::from_secs(5));
        if client.send(&bytes).await.is_err() {
            continue;
        }
        let _ = client.finish_sending().await;
        let answer = client.read_to_end().await.unwrap();
        let text = String::from_utf8_lossy(&answer);
        assert!(
            !text.starts_with("HTTP/1.1 5"),
            "{}\n{text}",
            String::from_utf8_lossy(&bytes)
        );
    }
    assert_lives(&stack.gateway).await;
}
