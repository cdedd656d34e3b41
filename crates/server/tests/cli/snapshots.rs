//! What people and scripts read, word for word: the help of every command, `check`, and the problem bodies.
//!
//! After a wanted change: `INSTA_UPDATE=always cargo test -p maxlab-auth --test cli snapshots`, and read the difference.

use std::fmt::Write as _;

use insta::assert_snapshot;
use maxlab_auth_testkit::{GatewayProcess, LyingAuthServer, RawClient};

use crate::tool::{COMMANDS, Tool, gateway};

#[tokio::test]
async fn help_of_every_command() {
    let tool = Tool::new();
    let top = tool.run(&["--help"]).await.expect(0).stdout;
    let mut all = format!("$ maxlab-auth --help\n{top}");
    for command in COMMANDS {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = tool.run(&words).await.expect(0).stdout;
        write!(all, "\n$ maxlab-auth {command} --help\n{help}").unwrap();
    }
    assert_snapshot!(all);
}

#[tokio::test]
async fn check_of_faulty_settings() {
    let tool = Tool::new()
        .env("ENVIRONMENT", "production")
        .env("PORT", "99999")
        .env("CLOCK_SKEW_SECONDS", "sixty");
    assert_snapshot!(tool.run(&["check"]).await.expect(2).stderr);
}

/// Sends a request as it is, and returns status line and body of the answer.
async fn ask(gateway: &GatewayProcess, request: &str) -> String {
    let mut client = RawClient::connect(gateway.addr()).await.unwrap();
    client.send(request.replace('\n', "\r\n")).await.unwrap();
    let reply = client.reply().await.unwrap();
    let body = String::from_utf8(reply.body.clone()).unwrap();
    format!("{} {body}", reply.status)
}

#[tokio::test]
async fn problem_bodies() {
    let auth = LyingAuthServer::start().await.unwrap();
    let gateway = gateway()
        .env("EXTERNAL_AUTH_URL", auth.url())
        .start()
        .await
        .unwrap();
    let mut all = String::new();
    for request in [
        "GET /api/v1/auth/me HTTP/1.1\nhost: a\n\n",
        "GET /api/v1/auth/me HTTP/1.1\nhost: a\nauthorization: Bearer unknown\n\n",
        "GET /api/v1/auth/me HTTP/1.1\nhost: a\nauthorization: Basic YTpi\n\n",
        "GET /api/v1/auth/me HTTP/1.1\nhost: a\ncookie: maxlab_session=malformed\n\n",
        "POST /api/v1/auth/logout HTTP/1.1\nhost: a\ncontent-length: 0\n\n",
        "GET /nowhere HTTP/1.1\nhost: a\n\n",
        "DELETE /health HTTP/1.1\nhost: a\n\n",
        "POST /oauth/revoke HTTP/1.1\nhost: a\ncontent-length: 0\n\n",
        "POST /oauth/token HTTP/1.1\nhost: a\ncontent-type: text/plain\ncontent-length: 1\n\na",
        "POST /oauth/revoke HTTP/1.1\nhost: a\ncontent-type: application/x-www-form-urlencoded\ncontent-length: 99999999\n\n",
    ] {
        let head = request.lines().next().unwrap();
        let with = request.lines().skip(2).find(|line| !line.is_empty());
        let (with, answer) = (with.unwrap_or_default(), ask(&gateway, request).await);
        writeln!(all, "{head} {with}\n  {answer}\n").unwrap();
    }
    assert_snapshot!(all);
}
