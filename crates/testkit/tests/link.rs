//! A link passes, breaks and heals on command.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::{BreakableLink, Direction, LyingAuthServer, RawClient};
use tokio::time::timeout;

const PING: &[u8] = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
/// Long enough for an answer over loopback, short enough to wait for one that must not come.
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn it_passes_and_counts() {
    let server = LyingAuthServer::start().await.unwrap();
    let link = BreakableLink::to(server.addr()).await.unwrap();
    let mut client = RawClient::connect(link.addr()).await.unwrap();
    client.send(PING).await.unwrap();
    assert_eq!(client.reply().await.unwrap().status, 200);
    assert_eq!(link.connections(), 1);
    assert_eq!(
        link.bytes(Direction::ToServer),
        u64::try_from(PING.len()).unwrap()
    );
    assert!(link.bytes(Direction::ToClient) > 50);
}

#[tokio::test]
async fn cut_it_drops_and_refuses_and_healed_it_passes() {
    let server = LyingAuthServer::start().await.unwrap();
    let link = BreakableLink::to(server.addr()).await.unwrap();
    let mut open = RawClient::connect(link.addr()).await.unwrap();
    open.send(PING).await.unwrap();
    open.reply().await.unwrap();

    link.cut().await;
    assert_eq!(open.read_to_end().await.unwrap(), b"");
    assert!(RawClient::connect(link.addr()).await.is_err());

    link.heal().await.unwrap();
    let mut again = RawClient::connect(link.addr()).await.unwrap();
    again.send(PING).await.unwrap();
    assert_eq!(again.reply().await.unwrap().status, 200);
}

#[tokio::test]
async fn stalled_it_holds_bytes_back_until_it_is_healed() {
    let server = LyingAuthServer::start().await.unwrap();
    let link = BreakableLink::to(server.addr()).await.unwrap();
    link.stall();
    let mut client = RawClient::connect(link.addr()).await.unwrap();
    client.send(PING).await.unwrap();
    assert!(timeout(SHORT, client.reply()).await.is_err());
    // The request itself is held back, not only its answer.
    assert_eq!(server.count_all_requests(), 0);

    link.heal().await.unwrap();
    assert_eq!(
        client.reply().await.unwrap().status,
        200,
        "the delayed bytes arrive"
    );
}

#[tokio::test]
async fn one_way_the_request_arrives_and_its_answer_does_not() {
    let server = LyingAuthServer::start().await.unwrap();
    let link = BreakableLink::to(server.addr()).await.unwrap();
    link.one_way(Direction::ToServer);
    let mut client = RawClient::connect(link.addr()).await.unwrap();
    client.send(PING).await.unwrap();
    server.wait_for_requests("/health", 1).await;
    assert!(timeout(SHORT, client.reply()).await.is_err());
    assert_eq!(link.bytes(Direction::ToClient), 0);

    link.one_way(Direction::ToClient);
    assert_eq!(client.reply().await.unwrap().status, 200);
    client.send(PING).await.unwrap();
    assert!(timeout(SHORT, client.reply()).await.is_err());
    assert_eq!(server.count_all_requests(), 1);
}

#[tokio::test]
async fn delayed_it_is_slow_both_ways() {
    let server = LyingAuthServer::start().await.unwrap();
    let link = BreakableLink::to(server.addr()).await.unwrap();
    link.delay(SHORT);
    let mut client = RawClient::connect(link.addr()).await.unwrap();
    let started = Instant::now();
    client.send(PING).await.unwrap();
    client.reply().await.unwrap();
    // Once for the request and once for the answer.
    assert!(started.elapsed() >= SHORT * 2);
}

#[tokio::test]
async fn dropped_connections_end_and_new_ones_pass() {
    let server = LyingAuthServer::start().await.unwrap();
    let link = BreakableLink::to(server.addr()).await.unwrap();
    let mut open = RawClient::connect(link.addr()).await.unwrap();
    open.send(PING).await.unwrap();
    open.reply().await.unwrap();
    link.drop_connections().await;
    assert_eq!(open.read_to_end().await.unwrap(), b"");
    let mut next = RawClient::connect(link.addr()).await.unwrap();
    next.send(PING).await.unwrap();
    assert_eq!(next.reply().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_dead_target_is_a_closed_connection() {
    let server = LyingAuthServer::start().await.unwrap();
    let link = BreakableLink::to(server.addr()).await.unwrap();
    server.stop().await;
    let mut client = RawClient::connect(link.addr()).await.unwrap();
    assert_eq!(client.read_to_end().await.unwrap(), b"");
}
