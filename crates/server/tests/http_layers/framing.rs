//! Where one request ends and the next begins, and which host it is for: no two readings.

use crate::{Door, code};

#[tokio::test]
async fn a_request_names_one_host() {
    let door = Door::open().await;
    for head in [
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b",
        "GET /hello HTTP/1.1\r\nAccept: */*",
        "GET /hello HTTP/1.1\r\nHost: ",
        "GET /hello HTTP/1.1\r\nHost: u@a",
        "GET http://b/hello HTTP/1.1\r\nHost: a",
    ] {
        let reply = door.ask(format!("{head}\r\n\r\n")).await;
        assert_eq!(
            (reply.status, code(&reply).as_str()),
            (400, "invalid_request"),
            "{head}"
        );
    }
    for head in [
        "GET http://a/hello HTTP/1.1\r\nHost: a",
        "GET /hello HTTP/1.0\r\nAccept: */*",
    ] {
        assert_eq!(door.ask(format!("{head}\r\n\r\n")).await.status, 200, "{head}");
    }
}

#[tokio::test]
async fn a_long_target_is_refused() {
    let door = Door::open().await;
    let get = |length: usize| format!("GET /hello?{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length));
    assert_eq!(door.ask(get(8 * 1024 - 7)).await.status, 200);
    let reply = door.ask(get(8 * 1024 - 6)).await;
    assert_eq!((reply.status, code(&reply).as_str()), (414, "uri_too_long"));
}

#[tokio::test]
async fn doubtful_lengths_are_refused_and_the_connection_is_closed() {
    let door = Door::open().await;
    let smuggled = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    for (version, fields) in [
        ("1.1", "Content-Length: 5\r\nContent-Length: 6"),
        ("1.1", "Content-Length: 5, 6"),
        ("1.1", "Content-Length: +5"),
        ("1.1", "Content-Length: -1"),
        ("1.1", "Content-Length: 0x5"),
        ("1.1", "Content-Length: 99999999999999999999"),
        ("1.1", "Transfer-Encoding: xchunked"),
        ("1.1", "Transfer-Encoding: chunked, identity"),
        ("1.1", "Transfer-Encoding : chunked"),
        ("1.1", "Content-Length: 5\r\n folded"),
        ("1.0", "Transfer-Encoding: chunked"),
    ] {
        let head = format!("POST /length HTTP/{version}\r\nHost: a\r\n{fields}\r\n\r\n");
        let answer = door.whole_answer(format!("{head}0\r\n\r\n{smuggled}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{fields}: {answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{fields}: {answer}");
    }
}

#[tokio::test]
async fn f25_a_transfer_coding_that_is_not_understood_is_501_and_closes() {
    let door = Door::open().await;
    let smuggled = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    for fields in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: , chunked",
        "Transfer-Encoding: chunked;q=1, chunked",
    ] {
        let head = format!("POST /length HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let answer = door.whole_answer(format!("{head}0\r\n\r\n{smuggled}")).await;
        assert!(answer.starts_with("HTTP/1.1 501 "), "{fields}: {answer}");
        assert!(
            answer.contains("unsupported_transfer_coding"),
            "{fields}: {answer}"
        );
        assert!(answer.contains("\r\nconnection: close\r\n"), "{fields}: {answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{fields}: {answer}");
    }
    for fields in ["Transfer-Encoding: chunked", "Transfer-Encoding: CHUNKED "] {
        let head = format!("POST /length HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let answer = door.ask(format!("{head}3\r\nabc\r\n0\r\n\r\n")).await;
        assert_eq!(answer.status, 200, "{fields}");
    }
}

/// RFC 9112 §6.1: chunked wins, and the connection ends, since whoever passed this on may have counted otherwise.
#[tokio::test]
async fn a_chunked_body_with_a_length_ends_the_connection() {
    let door = Door::open().await;
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
    ] {
        let answer = door
            .whole_answer(format!(
                "POST /length HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
            ))
            .await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{fields}: {answer}");
        assert!(!answer.contains("hello"), "{fields}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_no_handler_reads_is_never_the_next_request() {
    let door = Door::open().await;
    let body = "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = body.len();
    let mut client = door.connect().await;
    // 404, 405 and a handler that takes no body; after each, the next request on the connection is the next one.
    for (line, status) in [("POST /nowhere", 404), ("POST /hello", 405), ("GET /hello", 200)] {
        client
            .send(format!(
                "{line} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}GET /things/1 HTTP/1.1\r\nHost: a\r\n\r\n"
            ))
            .await
            .unwrap();
        assert_eq!(client.reply().await.unwrap().status, status);
        assert_eq!(client.reply().await.unwrap().body, b"a thing");
    }
}

#[tokio::test]
async fn after_a_refused_body_nothing_more_is_read_as_a_request() {
    let door = Door::open().await;
    let inside = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10);
    let answer = door
        .whole_answer(format!(
            "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{inside}"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn there_is_no_tunnel() {
    let door = Door::open().await;
    let answer = door
        .whole_answer("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 404 ") || answer.starts_with("HTTP/1.1 405 "),
        "{answer}"
    );
    let upgrade = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    assert_eq!(door.ask(upgrade).await.status, 200);
}
