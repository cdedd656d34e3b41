//! The authorization endpoint: who is sent where, with what, and who is not.

use reqwest::StatusCode;

use crate::door::{Answer, Door, ISSUER, REDIRECT_URI, challenge};

#[tokio::test]
async fn a_login_returns_to_the_client_with_code_state_and_issuer() {
    let door = Door::open().await;
    let form = [("login", "member"), ("password", "member-password")];
    let answer = door.post(&door.authorization(&[]), &form).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    assert!(
        answer
            .header("location")
            .starts_with(&format!("{REDIRECT_URI}?code="))
    );
    assert_eq!(answer.redirected("state").as_deref(), Some("a state & more"));
    assert_eq!(answer.redirected("iss").as_deref(), Some(ISSUER));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_wrong_password_shows_the_page_again_and_gives_no_code() {
    let door = Door::open().await;
    for (login, password) in [
        ("member", "admin-password"),
        ("nobody", "nobody-password"),
        ("member", ""),
    ] {
        let answer = door
            .post(
                &door.authorization(&[]),
                &[("login", login), ("password", password)],
            )
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.headers.get("location").is_none());
        assert!(answer.text.contains("Wrong login or password"));
    }
}

#[tokio::test]
async fn the_login_page_lists_everyone_and_its_form_leads_back_to_the_same_request() {
    let door = Door::open().await;
    let page = door.get(&door.authorization(&[])).await;
    assert_eq!(page.status, StatusCode::OK);
    for person in ["admin", "member", "user"] {
        assert!(
            page.text.contains(&format!("<code>{person}-password</code>")),
            "{person}"
        );
    }
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'; style-src 'sha256-")
    );
    assert!(!page.text.contains("<script") && !page.text.contains("src="));

    let action = page
        .text
        .split("action=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&");
    let answer = door
        .post(&action, &[("login", "user"), ("password", "user-password")])
        .await;
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(answer.redirected("state").as_deref(), Some("a state & more"));
}

#[tokio::test]
async fn whatever_is_typed_or_linked_stays_text() {
    let door = Door::open().await;
    let attack = r#""'><script>alert(1)</script>"#;
    let request = door.authorization(&[("state", attack), ("login_hint", attack), ("x", attack)]);
    let page = door.get(&request).await;
    let retry = door
        .post(&request, &[("login", attack), ("password", attack)])
        .await;
    assert_eq!(
        (page.status, retry.status),
        (StatusCode::OK, StatusCode::FORBIDDEN)
    );
    for text in [&page.text, &retry.text] {
        assert!(!text.contains("<script") && !text.contains("\"'>"), "{text}");
        assert!(text.contains("&quot;&#39;&gt;&lt;script&gt;"), "{text}");
    }
    let unknown = door.get(&door.authorization(&[("client_id", attack)])).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert!(!unknown.text.contains("script"));
}

#[tokio::test]
async fn nobody_is_redirected_to_an_address_that_is_not_registered() {
    let door = Door::open().await;
    let bad = [
        ("client_id", ""),
        ("client_id", "another"),
        ("redirect_uri", ""),
        ("redirect_uri", "https://evil.example.test/"),
        ("redirect_uri", "http://localhost:8080/callback/"),
        ("redirect_uri", "http://localhost:8080/callback?x=1"),
        ("redirect_uri", "http://localhost:8081/callback"),
        ("redirect_uri", "HTTP://localhost:8080/callback"),
    ];
    for change in bad {
        // A fault of each other kind must not redirect either.
        for changes in [vec![change], vec![change, ("response_type", "token")]] {
            let answer = door.get(&door.authorization(&changes)).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{change:?}");
            assert!(answer.headers.get("location").is_none(), "{change:?}");
        }
    }
    let twice = format!(
        "{}&redirect_uri=https://evil.example.test/",
        door.authorization(&[])
    );
    let answer = door.get(&twice).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.headers.get("location").is_none());
}

#[tokio::test]
async fn other_faults_are_told_to_the_client() {
    let door = Door::open().await;
    let short = challenge("x").get(..20).unwrap().to_owned();
    let faults = [
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", short.as_str(), "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("scope", "unheard-of", "invalid_scope"),
        ("prompt", "none", "login_required"),
        ("request", "eyJ", "request_not_supported"),
        (
            "request_uri",
            "https://example.test/r",
            "request_uri_not_supported",
        ),
    ];
    for (name, value, error) in faults {
        let answer = door.get(&door.authorization(&[(name, value)])).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{name}={value}");
        assert!(
            answer.header("location").starts_with(REDIRECT_URI),
            "{name}={value}"
        );
        assert_eq!(
            answer.redirected("error").as_deref(),
            Some(error),
            "{name}={value}"
        );
        assert_eq!(answer.redirected("state").as_deref(), Some("a state & more"));
        assert_eq!(answer.redirected("iss").as_deref(), Some(ISSUER));
        assert_eq!(answer.redirected("code"), None);
    }
    let twice = format!("{}&nonce=second", door.authorization(&[]));
    assert_eq!(
        door.get(&twice).await.redirected("error").as_deref(),
        Some("invalid_request")
    );
}

#[tokio::test]
async fn a_program_that_asks_for_json_is_told_the_address_of_the_page() {
    let door = Door::open().await;
    let request = |changes: &[(&str, &str)]| {
        door.http
            .get(door.url(&door.authorization(changes)))
            .header("accept", "application/json")
    };
    let answer = Answer::of(request(&[])).await;
    assert_eq!(answer.status, StatusCode::OK);
    let address = answer.json()["authorization_url"].as_str().unwrap().to_owned();
    let path = address.strip_prefix(ISSUER).unwrap();
    assert!(path.starts_with("/oauth/authorize?"));
    let login = door
        .post(path, &[("login", "user"), ("password", "user-password")])
        .await;
    assert_eq!(login.redirected("state").as_deref(), Some("a state & more"));

    Answer::of(request(&[("client_id", "another")]))
        .await
        .refused(400, "invalid_request");
}

#[tokio::test]
async fn a_login_form_sent_by_another_site_is_refused() {
    let door = Door::open().await;
    let form = [("login", "admin"), ("password", "admin-password")];
    let request = door.http.post(door.url(&door.authorization(&[]))).form(&form);
    let answer = Answer::of(request.header("sec-fetch-site", "cross-site")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.headers.get("location").is_none());
}

#[tokio::test]
async fn the_request_itself_may_come_by_post() {
    let door = Door::open().await;
    let query = door.authorization(&[]).split_once('?').unwrap().1.to_owned();
    let post = |body: String| {
        let form = "application/x-www-form-urlencoded";
        door.http
            .post(door.url("/oauth/authorize"))
            .header("content-type", form)
            .body(body)
    };
    let page = Answer::of(post(query.clone())).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Log in as member"));
    let login = Answer::of(post(format!("{query}&login=member&password=member-password"))).await;
    assert!(login.redirected("code").is_some());
}
