//! Floods on HTTP/2 (RUSTSEC-2024-0332, -2024-0003, -2023-0034): bounded memory, others are served, the process lives.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::{Actor, AnonymousActor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Stack, assert_lives, memory};

/// How long each flood goes on, unless the gateway ends it first.
const DURATION: Duration = Duration::from_millis(1_500);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `GET /` or `POST /` over `http` at the host `x`, from HPACK's static table.
fn head(method: u8) -> Vec<u8> {
    vec![0x80 | method, 0x86, 0x84, 0x41, 1, b'x']
}

const GET: u8 = 2;
const POST: u8 = 3;

/// Sends the preface and then whatever `next` makes, in large pieces; how many pieces the gateway took.
async fn flood(stack: &Stack, mut next: impl FnMut(u32) -> Vec<u8>) -> usize {
    let mut client = TcpStream::connect(stack.addr()).await.unwrap();
    let preface = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
    ]
    .concat();
    client.write_all(&preface).await.unwrap();
    let mut answer = [0; 9];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[3], SETTINGS, "it speaks HTTP/2");
    let started = Instant::now();
    let mut taken = 0;
    for round in 0..u32::MAX {
        let piece: Vec<u8> = (0..200).flat_map(|n| next(round * 200 + n)).collect();
        let sent = tokio::time::timeout(DURATION, client.write_all(&piece)).await;
        if !matches!(sent, Ok(Ok(()))) || started.elapsed() > DURATION {
            break;
        }
        taken += 1;
    }
    taken
}

/// Streams of a client have odd numbers.
fn stream(n: u32) -> u32 {
    (n * 2 + 1) & 0x7fff_ffff
}

async fn survives(what: &str, next: impl FnMut(u32) -> Vec<u8>) {
    let stack = Stack::start().await;
    let other = AnonymousActor::new(&stack.url());
    other.get("/health").await.expect_status(200);
    let (before, _) = memory(&stack.gateway);
    let others = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..10 {
            ticks.tick().await;
            let started = Instant::now();
            other.get("/health").await.expect_status(200);
            assert!(
                started.elapsed() < Duration::from_secs(3),
                "{what}: others wait {:?}",
                started.elapsed()
            );
        }
    };
    let (taken, ()) = tokio::join!(flood(&stack, next), others);
    let (_, highest) = memory(&stack.gateway);
    assert!(
        highest < before + 64 * 1024,
        "{what}: {before} KiB grew to {highest} KiB after {taken} pieces"
    );
    assert_lives(&stack.gateway).await;
}

#[tokio::test]
async fn of_requests_that_are_reset() {
    survives("rapid reset", |n| {
        let open = frame(HEADERS, END_STREAM | END_HEADERS, stream(n), &head(GET));
        [open, frame(RST_STREAM, 0, stream(n), &8_u32.to_be_bytes())].concat()
    })
    .await;
}

#[tokio::test]
async fn of_continuations() {
    let name = [0x40, 1, b'a', 1, b'b'].repeat(100);
    survives("continuations", |n| match n {
        0 => frame(HEADERS, END_STREAM, 1, &head(GET)),
        _ => frame(CONTINUATION, 0, 1, &name),
    })
    .await;
}

#[tokio::test]
async fn of_empty_data() {
    survives("empty data", |n| match n {
        0 => frame(HEADERS, END_HEADERS, 1, &head(POST)),
        _ => frame(DATA, 0, 1, &[]),
    })
    .await;
}

#[tokio::test]
async fn of_control_frames() {
    survives("pings and settings", |n| match n % 4 {
        0 => frame(PING, 0, 0, &[7; 8]),
        1 => frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]),
        2 => frame(PRIORITY, 0, stream(n), &[0, 0, 0, 0, 16]),
        _ => frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
    })
    .await;
}

#[tokio::test]
async fn of_open_requests() {
    survives("open streams", |n| {
        frame(HEADERS, END_HEADERS, stream(n), &head(POST))
    })
    .await;
}

/// Asks `/metrics` on this stream, by HPACK's static table and literals.
fn ask_metrics(stream: u32) -> Vec<u8> {
    let path = b"/metrics";
    let head = [&[0x82, 0x86, 0x44, 8][..], path, &[0x41, 1, b'x']].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head)
}

/// A connection that lets no byte of an answer through, with a hundred answers to come. Returns once it is ended.
async fn deaf(address: std::net::SocketAddr) {
    let mut client = TcpStream::connect(address).await.unwrap();
    let closed_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let requests: Vec<u8> = (0..100).flat_map(|n| ask_metrics(stream(n))).collect();
    let all = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        closed_window,
        requests,
    ];
    client.write_all(&all.concat()).await.unwrap();
    // Frames are read, since it is the answers' bytes that are left unread.
    let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
}

#[tokio::test]
async fn w3_a_hundred_clients_that_read_none_of_a_hundred_answers_each_take_little_and_are_cut() {
    let stack = Stack::start_with(|options| options.env("BODY_TIMEOUT_SECONDS", "2")).await;
    let address = stack.addr();
    let (before, _) = memory(&stack.gateway);
    let clients: Vec<_> = (0..100).map(|_| tokio::spawn(deaf(address))).collect();
    let other = AnonymousActor::new(&stack.url());
    other.get("/health").await.expect_status(200);
    for client in clients {
        let ended = tokio::time::timeout(Duration::from_secs(60), client).await;
        ended.expect("it is cut").unwrap();
    }
    let (_, highest) = memory(&stack.gateway);
    // As much as answers that are read would take, in a build for tests; a buffer for each would be 400 MiB.
    assert!(highest < before + 48 * 1024, "{before} KiB grew to {highest} KiB");
    let metrics = other.get("/metrics").await.text();
    assert!(!metrics.contains("http_answers_unread_total 0\n"), "{metrics}");
    assert_lives(&stack.gateway).await;
}
