//! The log when nothing reads it: the gateway lives and answers, and counts what it could not write.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use maxlab_auth_testkit::{Actor, AnonymousActor, RawClient, free_port};
use tokio::process::{Child, Command};

use crate::tool::{BINARY, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 25;
/// Requests sent at once, before any answer is read.
const AT_ONCE: usize = 50;

/// A gateway whose standard error is the test's own affair.
struct Started {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Started {
    fn with_stderr(stderr: Stdio) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let child = Command::new(BINARY)
            .arg("serve")
            .env_clear()
            .env("HOST", "127.0.0.1")
            .env("PORT", address.port().to_string())
            .env("DATA_DIR", folder.path().join("data"))
            .env("EXTERNAL_AUTH_URL", format!("http://127.0.0.1:{}", free_port()))
            .current_dir(folder.path())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            child,
            address,
            _folder: folder,
        }
    }

    async fn answers(&self) {
        let actor = AnonymousActor::new(&format!("http://{}", self.address));
        eventually("the gateway answers", async || {
            actor
                .try_send(http::Method::GET, "/health", |request| request)
                .await
                .ok()
        })
        .await;
    }

    /// Ten thousand requests, each with its line in the log.
    async fn answers_ten_thousand(&self) {
        let connection = async || {
            let mut client = RawClient::connect(self.address)
                .await
                .unwrap()
                .read_timeout(PATIENCE);
            let request = format!("GET /health HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
            for _ in 0..ROUNDS {
                client.send(request.repeat(AT_ONCE)).await.unwrap();
                for _ in 0..AT_ONCE {
                    assert_eq!(client.reply().await.unwrap().status, 200);
                }
            }
        };
        futures::future::join_all((0..CONNECTIONS).map(|_| connection())).await;
    }

    async fn dropped_lines(&self) -> u64 {
        let actor = AnonymousActor::new(&format!("http://{}", self.address));
        let text = actor.get("/metrics").await.expect_status(200).text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("log_lines_dropped_total "));
        line.unwrap().parse().unwrap()
    }

    async fn ends_well(mut self) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        assert!(sent.success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert_eq!(ended.unwrap().unwrap().code(), Some(0));
    }
}

#[tokio::test]
async fn w2_no_request_waits_for_a_reader_of_the_log_that_has_ended_or_stalls() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let cases = [
        ("it has ended", Stdio::piped(), false),
        ("the disk is full", Stdio::from(full), false),
        ("it stalls", Stdio::piped(), true),
    ];
    for (what, stderr, keeps_it) in cases {
        let mut started = Started::with_stderr(stderr);
        let reader = started.child.stderr.take().filter(|_| keeps_it);
        started.answers().await;
        started.answers_ten_thousand().await;
        eventually(what, async || (started.dropped_lines().await > 0).then_some(())).await;
        started.ends_well().await;
        drop(reader);
    }
}

#[tokio::test]
async fn w2_a_reader_that_listens_misses_nothing_and_the_count_begins_at_zero() {
    let mut started = Started::with_stderr(Stdio::piped());
    let mut stderr = started.child.stderr.take().unwrap();
    let reader = tokio::spawn(async move {
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stderr, &mut text)
            .await
            .unwrap();
        text
    });
    started.answers().await;
    assert_eq!(started.dropped_lines().await, 0);
    started.ends_well().await;
    let log = reader.await.unwrap();
    assert!(
        log.contains("gateway started") && log.trim_end().ends_with("gateway stopped"),
        "{log}"
    );
}
