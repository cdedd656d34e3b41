//! Actors present their credentials, a browser treats cookies as browsers do, and a raw client sends exact
//! bytes.

use std::time::Duration;

use maxlab_auth_testkit::lying::ScriptedResponse;
use maxlab_auth_testkit::{Actor, AnonymousActor, BearerActor, Browser, Lie, LyingAuthServer, RawClient};
use serde_json::json;

fn sets(cookies: &[&str]) -> ScriptedResponse {
    cookies
        .iter()
        .fold(ScriptedResponse::status(200), |response, cookie| {
            response.header("set-cookie", cookie)
        })
}

#[tokio::test]
async fn each_actor_shows_what_it_is() {
    let server = LyingAuthServer::start().await.unwrap();
    AnonymousActor::new(&server.url()).delete("/x").await;
    BearerActor::new(&server.url(), "opaque").get("/x").await;
    let seen = server.requests("/x");
    assert_eq!(
        (
            seen[0].method.as_str(),
            seen[0].header("authorization"),
            seen[0].header("cookie")
        ),
        ("DELETE", None, None)
    );
    assert_eq!(seen[1].bearer(), Some("opaque"));
}

#[tokio::test]
async fn a_browser_keeps_and_returns_a_host_cookie_until_it_is_removed() {
    let server = LyingAuthServer::start().await.unwrap();
    let browser = Browser::new(&server.url());
    server.on(
        "/login",
        sets(&[
            "__Host-maxlab_session=abc; Path=/; Secure; HttpOnly; SameSite=Lax",
            "plain=1; Path=/app",
        ]),
    );
    server.on(
        "/logout",
        sets(&[
            "__Host-maxlab_session=; Path=/; Secure; Max-Age=0",
            "plain=; Path=/app; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ]),
    );

    browser.get("/login").await;
    let cookie = browser.cookie("__Host-maxlab_session").unwrap();
    assert!(cookie.secure && cookie.http_only && cookie.same_site.as_deref() == Some("Lax"));
    browser.get("/x").await;
    browser.get("/app/x").await;
    assert_eq!(
        server.requests("/x")[0].header("cookie"),
        Some("__Host-maxlab_session=abc")
    );
    assert_eq!(
        server.requests("/app/x")[0].header("cookie"),
        Some("__Host-maxlab_session=abc; plain=1")
    );

    browser.get("/logout").await;
    assert_eq!(
        (browser.cookie("__Host-maxlab_session"), browser.cookie("plain")),
        (None, None)
    );
    browser.get("/app/x").await;
    assert_eq!(server.requests("/app/x")[1].header("cookie"), None);
}

#[tokio::test]
async fn a_browser_refuses_what_browsers_refuse() {
    let server = LyingAuthServer::start().await.unwrap();
    let browser = Browser::new(&server.url());
    // Each breaks one rule of RFC 6265bis.
    let bad = [
        "__Host-a=1; Path=/",
        "__Host-b=1; Secure",
        "__Host-c=1; Secure; Path=/; Domain=127.0.0.1",
        "__Secure-d=1; Path=/",
        "e=1; Domain=example.com",
    ];
    server.on("/x", sets(&bad));
    browser.get("/x").await;
    assert_eq!(browser.rejected_cookies().len(), bad.len());
    browser.get("/x").await;
    assert_eq!(server.requests("/x")[1].header("cookie"), None);
    browser.plant_cookie("__Host-maxlab_session", "stolen");
    browser.get("/y").await;
    assert_eq!(
        server.requests("/y")[0].header("cookie"),
        Some("__Host-maxlab_session=stolen")
    );
    browser.forget_cookies();
    assert_eq!(browser.cookie("__Host-maxlab_session"), None);
}

#[tokio::test]
async fn a_browser_navigates_across_servers_and_stops_on_request() {
    let (gateway, issuer) = (
        LyingAuthServer::start().await.unwrap(),
        LyingAuthServer::start().await.unwrap(),
    );
    gateway.on(
        "/login",
        Lie::redirect(&format!("{}/oauth/authorize", issuer.url())),
    );
    issuer.on(
        "/oauth/authorize",
        Lie::redirect(&format!("{}/callback?code=1", gateway.url())),
    );
    gateway.on("/callback", Lie::json(200, json!("in")));
    let browser = Browser::new(&gateway.url());

    let there = browser.navigate("/login", |_| false).await.expect_status(200);
    assert_eq!((there.json(), there.url.query()), (json!("in"), Some("code=1")));
    let before = browser
        .navigate("/login", |next| next.path() == "/callback")
        .await
        .expect_status(302);
    assert!(before.header("location").unwrap().ends_with("/callback?code=1"));
    // One from the first navigation. The second stopped before it.
    assert_eq!(gateway.count_requests("/callback"), 1);
    AnonymousActor::new(&gateway.url())
        .get("/login")
        .await
        .expect_status(302);
}

#[tokio::test]
async fn a_raw_client_sends_exact_bytes_and_reads_replies_one_by_one() {
    let server = LyingAuthServer::start().await.unwrap();
    let mut client = RawClient::connect(server.addr()).await.unwrap();
    let twice = "GET /x HTTP/1.1\r\nhost: a\r\nAuthorization: Bearer one\r\nAuthorization: Bearer two\r\n\r\n\
                 GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
    // Both requests in one packet: the client must not lose the second reply when it reads the first.
    client.send(twice).await.unwrap();
    assert_eq!(client.reply().await.unwrap().status, 404);
    let second = client.reply().await.unwrap();
    assert_eq!(
        (second.status, second.json()["status"].as_str()),
        (200, Some("healthy"))
    );
    let received = &server.requests("/x")[0].headers;
    assert_eq!(
        received
            .iter()
            .filter(|(name, _)| name == "Authorization")
            .count(),
        2
    );

    server.on("/huge", Lie::huge(100_000));
    client
        .send_slowly(
            "GET /huge HTTP/1.1\r\nconnection: close\r\n\r\n",
            Duration::from_millis(1),
        )
        .await
        .unwrap();
    let chunked = client.reply().await.unwrap();
    assert_eq!(
        (chunked.header("Transfer-Encoding"), chunked.body.len()),
        (Some("chunked"), 100_000)
    );
    assert_eq!(client.read_to_end().await.unwrap(), b"");
}

#[tokio::test]
async fn a_raw_client_does_not_wait_for_ever() {
    let server = LyingAuthServer::start().await.unwrap();
    server.on("/x", Lie::hang());
    let mut client = RawClient::connect(server.addr())
        .await
        .unwrap()
        .read_timeout(Duration::from_millis(100));
    client.send("GET /x HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(client.reply().await.unwrap_err().to_string().contains("in time"));
    assert!(client.read_to_end().await.is_err());
    client.finish_sending().await.unwrap();
    assert_eq!(
        client.read_to_end().await.unwrap(),
        b"",
        "the hanging server sees the client leave"
    );
}
