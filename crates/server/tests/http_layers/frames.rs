//! HTTP/2 below its usual clients: answers that are left unread, and frames that ask for nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use maxlab_auth::http::layers::LayerConfig;
use maxlab_auth::http::serve::ServeLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Door;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PATIENCE: Duration = Duration::from_secs(20);

/// A frame (RFC 9113 §4.1).
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// `GET` of this path, from HPACK's static table and literals.
fn ask(stream: u32, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    let head = [&[0x82, 0x86, 0x44, length][..], path.as_bytes(), &[0x41, 1, b'x']].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head)
}

/// A client that writes and reads frames.
struct FrameClient {
    socket: TcpStream,
}

impl FrameClient {
    /// `window`: what it lets through on each stream at first.
    async fn connect(door: &Door, window: u32) -> Self {
        let mut socket = TcpStream::connect(door.address).await.unwrap();
        let [a, b, c, d] = window.to_be_bytes();
        let settings = frame(SETTINGS, 0, 0, &[0, 4, a, b, c, d]);
        let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), settings].concat();
        socket.write_all(&hello).await.unwrap();
        let mut client = Self { socket };
        assert_eq!(client.read().await.unwrap().kind, SETTINGS);
        client.write(&frame(SETTINGS, ACK, 0, &[])).await.unwrap();
        client
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// The next frame; `None` at the end of the connection.
    async fn read(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.socket.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, flags, s, t, u, v] = head;
            let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
            self.socket.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([s, t, u, v]);
            Some(Frame {
                kind,
                flags,
                stream,
                payload,
            })
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap()
    }

    /// The next frame of this kind; `None` at the end of the connection.
    async fn read_until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.read().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }
}

/// A door with an answer of one byte, of many, and an empty one.
async fn door(body_timeout: Duration) -> Door {
    let (long, short) = (Bytes::from(vec![b'x'; 100_000]), Bytes::from_static(b"x"));
    let more = Router::new()
        .route("/long", get(move || async move { long }))
        .route("/short", get(move || async move { short }))
        .route("/empty", get(|| async {}));
    let limits = ServeLimits {
        body_timeout,
        ..ServeLimits::default()
    };
    Door::with(LayerConfig::default(), limits, more).await
}

#[tokio::test]
async fn w3_an_answer_that_is_not_read_is_reset_and_the_connection_goes_on() {
    let door = door(Duration::from_millis(300)).await;
    for (window, path) in [(0, "/long"), (0, "/short"), (50_000, "/long"), (99_999, "/long")] {
        let mut client = FrameClient::connect(&door, window).await;
        let asked = Instant::now();
        client.write(&ask(1, path)).await.unwrap();
        let reset = client.read_until(RST_STREAM).await.unwrap();
        assert_eq!(reset.stream, 1, "{window} {path}");
        assert!(
            asked.elapsed() >= Duration::from_millis(250),
            "{:?}",
            asked.elapsed()
        );
        client.write(&ask(3, "/empty")).await.unwrap();
        let answer = client.read_until(HEADERS).await.unwrap();
        assert_eq!((answer.stream, answer.flags & END_STREAM), (3, END_STREAM));
    }
}

#[tokio::test]
async fn w3_an_answer_that_just_fits_the_window_is_whole() {
    let door = door(Duration::from_millis(300)).await;
    for (window, path, length) in [(1, "/short", 1), (100_000, "/long", 100_000)] {
        let mut client = FrameClient::connect(&door, window).await;
        // The connection's own window (RFC 9113 §6.9.2).
        client
            .write(&frame(WINDOW_UPDATE, 0, 0, &100_000_u32.to_be_bytes()))
            .await
            .unwrap();
        client.write(&ask(1, path)).await.unwrap();
        let mut came = 0;
        loop {
            let data = client.read_until(DATA).await.unwrap();
            came += data.payload.len();
            if data.flags & END_STREAM != 0 {
                break;
            }
        }
        assert_eq!(came, length);
    }
}

#[tokio::test]
async fn w3_a_connection_that_reads_none_of_its_answers_is_ended_however_it_renews_them() {
    let door = door(Duration::from_millis(300)).await;
    let mut client = FrameClient::connect(&door, 0).await;
    let opened = Instant::now();
    let mut stream = 1;
    let all: Vec<_> = (0..100).flat_map(|n| ask(2 * n + 1, "/long")).collect();
    client.write(&all).await.unwrap();
    // A renewed stream buys the connection no time.
    while client.write(&ask(201 + stream, "/empty")).await.is_ok() {
        stream += 2;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(opened.elapsed() < PATIENCE, "it is not cut");
    }
    while client.read().await.is_some() {}
}

#[tokio::test]
async fn w3_the_end_of_the_server_does_not_wait_for_answers_that_are_not_read() {
    let mut door = door(Duration::from_secs(600)).await;
    let mut client = FrameClient::connect(&door, 0).await;
    client.write(&ask(1, "/long")).await.unwrap();
    client.read_until(HEADERS).await.unwrap();
    // One that has read everything and does not acknowledge the goodbye, one that is silent, and one of HTTP/1.1.
    let mut idle = FrameClient::connect(&door, 65_535).await;
    idle.write(&ask(1, "/empty")).await.unwrap();
    idle.read_until(HEADERS).await.unwrap();
    let _silent = FrameClient::connect(&door, 65_535).await;
    let mut deaf = door.connect().await;
    deaf.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200))
        .await
        .unwrap();
    let begun = Instant::now();
    door.stop.cancel();
    (&mut door.served).await.unwrap().unwrap();
    let limit = ServeLimits::default().drain_timeout;
    assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn w15_frames_that_ask_for_nothing_end_the_connection_of_whichever_kind_they_are() {
    let door = Arc::new(door(PATIENCE).await);
    let kinds = [
        frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]),
        frame(SETTINGS, 0, 0, &[]),
        frame(PING, 0, 0, &[7; 8]),
        frame(PING, ACK, 0, &[7; 8]),
        frame(PRIORITY, 0, 99, &[0, 0, 0, 0, 16]),
        frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        frame(0xfa, 0, 0, &[7; 8]),
    ];
    for bytes in kinds {
        let client = FrameClient::connect(&door, 65_535).await;
        let (mut reader, mut writer) = client.socket.into_split();
        // What the gateway answers is read, so that nothing but the count can end it.
        let drained = tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
        let started = Instant::now();
        let many = bytes.repeat(100);
        while writer.write_all(&many).await.is_ok() {
            assert!(started.elapsed() < PATIENCE, "{bytes:?} is taken for ever");
        }
        let _ = tokio::time::timeout(PATIENCE, drained).await.expect("its end");
    }
}

#[tokio::test]
async fn w15_a_client_that_asks_may_send_what_goes_with_it() {
    let door = door(PATIENCE).await;
    let mut client = FrameClient::connect(&door, 65_535).await;
    for n in 0..3_000 {
        let all = [
            ask(2 * n + 1, "/short"),
            frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
            frame(PING, 0, 0, &[7; 8]),
        ];
        client.write(&all.concat()).await.unwrap();
        let pong = client.read_until(PING).await.unwrap();
        assert_eq!(pong.flags, ACK);
    }
    client.write(&ask(9_999, "/empty")).await.unwrap();
    loop {
        let frame = client.read().await.unwrap();
        assert_ne!(frame.kind, GOAWAY);
        if (frame.kind, frame.stream) == (HEADERS, 9_999) {
            break;
        }
    }
}
