//! The door before the router says what the router says, field by field, and leaves to it what it should.

mod counts;
mod grpc;
mod unseen;

use std::net::SocketAddr;
use std::time::Duration;

use maxlab_auth::http::peer::PeerAddr;
use maxlab_auth::http::serve::{ReceiveInfo, serve};
use maxlab_auth_testkit::wait::eventually;
use maxlab_auth_testkit::{Actor as _, ForgeAlgorithm, RawClient, TokenForge};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::gateway::World;
use crate::policy::{POLICY, world_with};

/// What differs from one answer to the next.
const OF_THE_MOMENT: [&str; 3] = ["date", "x-request-id", "x-auth-assurance"];

/// Where the same gateway answers without the door before its router.
async fn without_shortcut(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = &world.gateway.app;
    tokio::spawn(serve(
        listener,
        app.router(),
        app.serve_limits(),
        CancellationToken::new().cancelled_owned(),
    ));
    address
}

fn with_shortcut(world: &World) -> SocketAddr {
    world.gateway.url.trim_start_matches("http://").parse().unwrap()
}

/// Whether the door before the router answers these bytes.
fn is_answered_at_once(world: &World, request: &str) -> bool {
    let shortcut = world.gateway.app.routes().fast_responder.expect("there is one");
    let from = ReceiveInfo {
        peer: PeerAddr::Tcp("127.0.0.1:4711".parse().unwrap()),
        received_at: std::time::Instant::now(),
    };
    let mut out = Vec::new();
    let answered = shortcut.try_respond(request.as_bytes(), from, &mut out);
    assert_eq!(answered.is_some(), !out.is_empty());
    answered.is_some_and(|length| length == request.len())
}

type Said = (u16, Vec<(String, String)>, Vec<u8>);

async fn said(client: &mut RawClient) -> Said {
    let reply = client.reply().await.unwrap();
    let mut headers = reply.headers;
    headers.retain(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()));
    headers.sort();
    (reply.status, headers, reply.body)
}

async fn answer(address: SocketAddr, bytes: &str, replies: usize) -> Vec<Said> {
    let client = RawClient::connect(address).await.unwrap();
    let mut client = client.read_timeout(Duration::from_secs(20));
    client.send(bytes).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..replies {
        all.push(said(&mut client).await);
    }
    all
}

/// From then on the replica may answer.
async fn lease(world: &World) {
    let gate = &world.engine().deps().revocations;
    eventually("there is a lease", async || !gate.status().lease_left.is_zero()).await;
}

async fn someone(world: &World) -> String {
    lease(world).await;
    let token = world.opaque_token("unused");
    let claims = json!({ "sub": "user-1", "name": "김 하나", "email": "u@example.test", "groups": ["a,b", "c"],
        "roles": ["x\r\nRemote-User: admin", "100%"], "scope": "read" });
    world.auth.accept_token(&token, claims);
    world.on_a_lease().await;
    // From now on the verdict is remembered.
    world
        .bearer(&token)
        .get("/api/v1/auth/me")
        .await
        .expect_status(200);
    token
}

fn request(token: &str, query: &str, fields: &str) -> String {
    format!(
        "GET /auth/verify{query} HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer {token}\r\n{fields}\r\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_doors_say_the_same() {
    let world = World::embedded(&[("TRUSTED_PROXIES", "127.0.0.1/32")]).await;
    let (plain, short) = (without_shortcut(&world).await, with_shortcut(&world));
    let token = someone(&world).await;
    let table = [
        (true, request(&token, "", "")),
        (true, request(&token, "?role=100%25", "Accept: */*\r\n")),
        (
            true,
            request(&token, "?group=c&scope=read,write", "Connection: keep-alive\r\n"),
        ),
        (true, request(&token, "", "X-Request-ID: from-the-proxy\r\n")),
        (
            true,
            request(&token, "", "X-Request-ID: not one\r\nCookie: other=1\r\n"),
        ),
        (
            true,
            request(
                &token,
                "",
                "X-Forwarded-Method: POST\r\nX-Forwarded-Uri: /x\r\nRemote-User: root\r\n",
            ),
        ),
        (true, request(&token, "?", "X-Forwarded-For: 203.0.113.9\r\n")),
        (false, request(&token, "?group=z", "")),
        (false, request(&token, "?nonsense=1", "")),
        (false, request(&token, "?role=", "")),
        (false, request(&token, "?role=%ff", "")),
        (false, request("not-a-token", "", "")),
        (false, request("a b", "", "")),
        (false, request(&token, "", "Authorization: Bearer x\r\n")),
        (false, request(&token, "", "Host: b.example\r\n")),
        (
            false,
            request(&token, "", "X-Request-ID: a\r\nX-Request-ID: b\r\n"),
        ),
        (
            false,
            request(&token, "", "Cookie: maxlab_session=1; maxlab_session=2\r\n"),
        ),
        (
            false,
            request(&token, "", "X-Forwarded-Uri: /a\r\nX-Original-Uri: /b\r\n"),
        ),
        (false, request(&token, "", "X-Forwarded-Host: \r\n")),
        (false, request(&token, "", "X-Forwarded-Method: G T\r\n")),
        (false, request(&token, "", "Content-Length: 0\r\n")),
        (false, request(&token, "", "Connection: close\r\n")),
        (false, request(&token, "/", "")),
        (false, request(&token, "", "").replace("a.example", "a,b")),
        (false, request(&token, "", "").replace("HTTP/1.1", "HTTP/1.0")),
        (false, request(&token, "", "").replace("GET ", "HEAD ")),
        (false, request(&token, "", "").replace("Bearer ", "Bearer  ")),
        // F17, F19, F22: what clients and proxies really send is answered at once too.
        (true, request(&token, "", "").replace("Bearer", "bearer")),
        (true, request(&token, "", "X-Forwarded-Uri: /search?q=검색\r\n")),
        (false, request(&token, "", "X-Forwarded-Uri: /검색?q=1\r\n")),
        (
            true,
            request(&token, "", "X-Original-Url: https://app.example/x?q=1\r\n"),
        ),
        (
            false,
            request(
                &token,
                "",
                "X-Original-Url: https://app.example/x\r\nX-Forwarded-Host: b.example\r\n",
            ),
        ),
        (
            false,
            request(&token, "", "X-Original-Url: https://u@app.example/x\r\n"),
        ),
    ];
    for (at_once, request) in &table {
        assert_eq!(is_answered_at_once(&world, request), *at_once, "{request}");
        if request.starts_with("HEAD ") {
            continue;
        }
        let (ours, routers) = (answer(short, request, 1).await, answer(plain, request, 1).await);
        assert_eq!(ours, routers, "{request}");
    }
}

/// A session cookie is verified from memory like a token, and with the same care.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_doors_say_the_same_of_a_session_cookie() {
    let settings = [
        ("TRUSTED_PROXIES", "127.0.0.1/32"),
        ("VERIFY_CACHE_SECONDS", "60"),
    ];
    let world = World::embedded(&settings).await;
    let (plain, short) = (without_shortcut(&world).await, with_shortcut(&world));
    let token = someone(&world).await;
    let login = world.log_in("user-1").await;
    let cookie = format!("maxlab_session={}", login.cookie());
    let ask = |cookies: &str, fields: &str| {
        format!("GET /auth/verify HTTP/1.1\r\nHost: a.example\r\nCookie: {cookies}\r\n{fields}\r\n")
    };
    let good = ask(&cookie, "");
    assert!(!is_answered_at_once(&world, &good), "it must be loaded first");
    login.browser.get("/auth/verify").await.expect_status(200);
    let unknown = format!("maxlab_session={}", "A".repeat(43));
    let table = [
        (true, 200, good.clone()),
        (
            true,
            200,
            ask(&format!("a=1; {cookie}; b=\"maxlab_session\""), ""),
        ),
        (
            true,
            200,
            ask(&cookie, "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /x\r\n"),
        ),
        (true, 200, ask(&cookie, "X-Forwarded-Method: HEAD\r\n")),
        (
            true,
            200,
            ask(&cookie, &format!("Authorization: Bearer {token}\r\n")),
        ),
        (
            true,
            200,
            ask(&unknown, &format!("Authorization: Bearer {token}\r\n")),
        ),
        // An unsafe method must prove where it comes from, as long as the session may be remembered.
        (false, 403, ask(&cookie, "X-Forwarded-Method: POST\r\n")),
        (
            false,
            403,
            ask(
                &cookie,
                "X-Forwarded-Method: DELETE\r\nOrigin: https://evil.example\r\n",
            ),
        ),
        (
            false,
            200,
            ask(
                &cookie,
                "X-Forwarded-Method: POST\r\nOrigin: https://a.example\r\n",
            ),
        ),
        (false, 400, ask(&format!("{cookie}; {cookie}"), "")),
        (false, 400, ask(&cookie, &format!("Cookie: {cookie}\r\n"))),
        (false, 401, ask(&unknown, "")),
        (false, 401, ask("maxlab_session=", "")),
        (false, 401, ask(&cookie, "Authorization: Bearer not-a-token\r\n")),
        // Neither credential is taken for the other.
        (
            false,
            401,
            ask("a=1", &format!("Authorization: Bearer {}\r\n", login.cookie())),
        ),
        (false, 401, ask(&format!("maxlab_session={token}"), "")),
    ];
    for (at_once, status, request) in &table {
        assert_eq!(is_answered_at_once(&world, request), *at_once, "{request}");
        let (ours, routers) = (answer(short, request, 1).await, answer(plain, request, 1).await);
        assert_eq!(ours, routers, "{request}");
        assert_eq!(ours[0].0, *status, "{request}");
    }
    world
        .bearer(&login.access)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    assert!(!is_answered_at_once(&world, &good), "it was ended");
    assert_eq!(answer(short, &good, 1).await[0].0, 401);
}

/// A request that a front proxy asks about.
fn told(token: &str, query: &str, method: &str, host: &str, uri: &str) -> String {
    let fields = format!(
        "X-Forwarded-Method: {method}\r\nX-Forwarded-Host: {host}\r\nX-Forwarded-Uri: {uri}\r\nX-Auth-Identity: forged\r\n"
    );
    request(token, query, &fields)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_doors_go_by_the_policy_and_sign_alike() {
    for identity in ["off", "on"] {
        let (world, file, _folder) = world_with(POLICY, &[("IDENTITY_TOKEN", identity)]).await;
        let (plain, short) = (without_shortcut(&world).await, with_shortcut(&world));
        let token = someone(&world).await;
        let ask = |query, method, host, uri| told(&token, query, method, host, uri);
        let credential = format!("Authorization: Bearer {token}\r\n");
        let nobody = |query, uri| ask(query, "GET", "a.example", uri).replace(&credential, "");
        let table = [
            (true, ask("", "GET", "a.example", "/")),
            (true, ask("", "GET", "a.example", "/assets/x.css?v=1")),
            (true, ask("?group=c", "GET", "a.example", "/assets/x.css")),
            (true, ask("", "POST", "a.example:8443", "/assets/x.css")),
            (true, ask("", "GET", "A.Example", "/%61pi")),
            (true, nobody("", "/assets/x.css")),
            (false, nobody("?group=c", "/assets/x.css")),
            (false, nobody("", "/")),
            (
                false,
                nobody("", "/assets/x.css").replace("X-Auth", "Cookie: maxlab_session=1\r\nX-Auth"),
            ),
            (false, told("unknown", "", "GET", "a.example", "/assets/x.css")),
            (false, ask("?group=z", "GET", "a.example", "/assets/x.css")),
            (false, ask("", "GET", "a.example", "/admin/x")),
            (false, ask("", "GET", "a.example", "/internal/x")),
            (false, ask("", "GET", "a.example", "/internal/../x")),
            (false, ask("", "GET", "a.example", "/a%2fb")),
            (false, ask("", "GET", "a.example", "//x")),
            (false, ask("", "get", "a.example", "/")),
            (false, ask("", "GET", "a.example, b.example", "/")),
            (false, ask("", "GET", "a.example", "http://b.example/")),
            (false, ask("", "GET", "x.partner.example", "/w/1")),
            (
                false,
                ask("", "GET", "a.example", "/").replace("X-Forwarded-Host", "X-Else"),
            ),
            (false, request(&token, "", "")),
        ];
        for (at_once, request) in &table {
            // A first question may have to be signed for; both doors remember what was.
            assert_eq!(is_answered_at_once(&world, request), *at_once, "{request}");
            let (ours, routers) = (answer(short, request, 1).await, answer(plain, request, 1).await);
            assert_eq!(ours, routers, "{request}");
            let signed = ours[0].1.iter().find(|(name, _)| name == "x-auth-identity");
            let known = ours[0]
                .1
                .iter()
                .any(|(name, value)| name == "remote-user" && !value.is_empty());
            let expected = identity == "on" && ours[0].0 == 200 && known;
            assert_eq!(
                signed.is_some_and(|(_, value)| value.len() > 100),
                expected,
                "{request}"
            );
        }
        // A policy that changes holds at once here too.
        let asked = ask("", "GET", "a.example", "/");
        std::fs::write(&file, "[[rule]]\npath = \"/**\"\naccess = \"deny\"\n").unwrap();
        eventually("the policy is read again", async || {
            !is_answered_at_once(&world, &asked)
        })
        .await;
        assert_eq!(answer(short, &asked, 1).await[0].0, 403);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_policy_asks_for_is_asked_of_whom_it_names() {
    let (world, _, _folder) = world_with(POLICY, &[]).await;
    lease(&world).await;
    for (number, group) in ["ops", "else"].into_iter().enumerate() {
        let token = world.opaque_token("unused");
        let claims = json!({ "sub": format!("user-{number}"), "roles": ["owner"], "groups": [group] });
        world.auth.accept_token(&token, claims);
        world.on_a_lease().await;
        let (asked, other) = (
            told(&token, "", "GET", "a.example", "/admin/x"),
            told(&token, "", "GET", "a.example", "/x"),
        );
        assert_eq!(answer(with_shortcut(&world), &other, 1).await[0].0, 200);
        assert!(is_answered_at_once(&world, &other));
        assert_eq!(is_answered_at_once(&world, &asked), group == "ops");
        let expected = if group == "ops" { 200 } else { 403 };
        assert_eq!(answer(with_shortcut(&world), &asked, 1).await[0].0, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_is_taken_over_from_a_trusted_proxy_only_and_development_sees_the_grounds() {
    for (trusted, expected) in [("127.0.0.1/32", true), ("10.0.0.0/8", false)] {
        let world = World::embedded(&[("TRUSTED_PROXIES", trusted)]).await;
        let token = someone(&world).await;
        let asked = request(&token, "", "X-Request-ID: of-the-proxy\r\n");
        assert!(is_answered_at_once(&world, &asked));
        let mut client = RawClient::connect(with_shortcut(&world)).await.unwrap();
        client.send(&asked).await.unwrap();
        let reply = client.reply().await.unwrap();
        let id = reply.header("x-request-id").unwrap();
        assert_eq!(id == "of-the-proxy", expected, "{id}");
        assert_eq!(id.len(), if expected { 12 } else { 36 });
        let grounds = reply.header("x-auth-assurance").unwrap();
        assert!(
            grounds.starts_with("layer=oauth_userinfo; key=-; reads=replica; term="),
            "{grounds}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_one_breath_are_answered_each_once_and_in_their_order() {
    let world = World::embedded(&[]).await;
    let (plain, short) = (without_shortcut(&world).await, with_shortcut(&world));
    let token = someone(&world).await;
    let good = request(&token, "", "");
    let bad = request("nobody", "", "");
    let me = good.replace("/auth/verify", "/api/v1/auth/me");
    // What stands in a body is no request.
    let body = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{good}",
        good.len()
    );
    let (first, second) = good.split_at(40);
    let table = [
        (3, format!("{good}{good}{good}")),
        (4, format!("{good}{bad}{good}{bad}")),
        (3, format!("{bad}{good}{me}")),
        (3, format!("{good}{me}{good}")),
        (3, format!("{good}{body}{good}")),
        (2, format!("{body}{bad}")),
    ];
    for (replies, bytes) in &table {
        let (ours, routers) = (
            answer(short, bytes, *replies).await,
            answer(plain, bytes, *replies).await,
        );
        assert_eq!(ours, routers, "{bytes}");
    }
    // The same connection changes hands again and again, and a head may come in two pieces.
    let mut client = RawClient::connect(short).await.unwrap();
    for _ in 0..3 {
        for (request, status) in [(&good, 200), (&bad, 401), (&me, 200), (&good, 200)] {
            client.send(request).await.unwrap();
            assert_eq!(said(&mut client).await.0, status, "{request}");
        }
        client.send(first).await.unwrap();
        client.wait_until_read().await;
        client.send(second).await.unwrap();
        assert_eq!(said(&mut client).await.0, 200);
    }
    client.send(&body).await.unwrap();
    assert_eq!(said(&mut client).await.0, 415);
    client.send(&good).await.unwrap();
    assert_eq!(said(&mut client).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remembered_verdict_is_not_believed_after_a_revocation_or_past_its_end() {
    let world = World::embedded(&[("VERIFY_LAYERS", "oauth_userinfo")]).await;
    let revoked = someone(&world).await;
    let asked = request(&revoked, "", "");
    assert!(is_answered_at_once(&world, &asked));
    world
        .bearer(&revoked)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    assert!(!is_answered_at_once(&world, &asked));
    let short_lived = world.auth.forge().access_token("user-9").expires_in(2);
    let (claims, token) = (short_lived.claims(), short_lived.sign());
    world.auth.accept_token(&token, claims);
    world.bearer(&token).get("/auth/verify").await.expect_status(200);
    let asked = request(&token, "", "");
    assert!(is_answered_at_once(&world, &asked));
    world.gateway.clock.advance(Duration::from_millis(2_500));
    assert!(!is_answered_at_once(&world, &asked));
    let forever = World::embedded(&[("VERIFY_CACHE_SECONDS", "0")]).await;
    let token = someone(&forever).await;
    assert!(!is_answered_at_once(&forever, &request(&token, "", "")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_tokens_is_answered_with_its_own_identity() {
    let forge = TokenForge::new("https://issuer.example", ForgeAlgorithm::Es256);
    let world = World::embedded(&[]).await;
    lease(&world).await;
    let mut asked = Vec::new();
    for number in 0..50 {
        let builder = forge.access_token(&format!("user-{number}"));
        let (claims, token) = (builder.claims(), format!("opaque-{number}"));
        world.auth.accept_token(&token, claims);
        world.bearer(&token).get("/auth/verify").await.expect_status(200);
        asked.push((request(&token, "", ""), format!("user-{number}")));
    }
    let mut client = RawClient::connect(with_shortcut(&world)).await.unwrap();
    let all: String = asked.iter().map(|(request, _)| request.as_str()).collect();
    client.send(&all).await.unwrap();
    for (_, user) in &asked {
        let reply = client.reply().await.unwrap();
        assert_eq!(reply.header("remote-user"), Some(user.as_str()));
    }
}
