//! The number of file descriptors: raised as far as the system lets, and warned of where that is too little.

use maxlab_auth_testkit::LyingAuthServer;

use crate::tool::{BINARY, Tool};

#[tokio::test]
async fn w15_descriptors_are_raised_to_the_hard_limit_and_too_few_are_warned_of() {
    let server = LyingAuthServer::start().await.unwrap();
    let tool = Tool::new()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("MAX_CONNECTIONS", "100");
    let check = async |limits: &str| {
        let ended = tool
            .bash(&format!("{limits}; exec {BINARY} check"))
            .await
            .expect(0);
        ended.stdout
    };
    // 100 connections, 64 in reserve, 256 for everything else.
    let said = check("ulimit -n 400").await;
    assert!(
        said.contains(
            "MAX_CONNECTIONS: this number of connections needs 420 file descriptors, and this process has 400"
        ),
        "{said}"
    );
    let said = check("ulimit -n 420 && ulimit -Sn 64").await;
    assert!(
        !said.contains("file descriptors"),
        "the soft limit was raised: {said}"
    );
}
