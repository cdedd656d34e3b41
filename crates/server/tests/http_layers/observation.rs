//! What the log and the metrics say about a request, and what they keep to themselves.

use maxlab_auth_testkit::wait::poll_within;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use maxlab_auth::http::layers::LayerConfig;
use maxlab_auth::http::peer::ClientIp;
use maxlab_auth::http::request_id::RequestId;
use maxlab_auth::http::serve::ServeLimits;
use maxlab_auth::metrics::PrometheusMetrics;
use maxlab_auth::telemetry;
use serde_json::Value;

use crate::Door;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Keeps what this thread logs, and so the server of a single-threaded test.
    fn keep() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = telemetry::json_subscriber("trace", move || writer.clone()).unwrap();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn access(&self) -> Vec<Value> {
        let lines = self.text();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["target"] == "maxlab_auth::access")
            .collect()
    }
}

#[tokio::test]
async fn a_request_leaves_one_line_with_its_id_and_no_secret() {
    let (log, _kept) = Log::keep();
    let door = Door::open().await;
    let secrets = [
        "query-s3cret",
        "bearer-s3cret",
        "cookie-s3cret",
        "body-s3cret",
        "path-s3cret",
    ];
    let reply = door
        .ask(
            "GET /things/path-s3cret?code=query-s3cret HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer bearer-s3cret\r\n\
             Cookie: maxlab_session=cookie-s3cret\r\nContent-Length: 11\r\n\r\nbody-s3cret",
        )
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        door.ask("GET /path-s3cret?query-s3cret HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .status,
        404
    );

    let lines = log.access();
    let [thing, nowhere] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(thing["request_id"].as_str(), reply.header("x-request-id"));
    assert_eq!(
        (&thing["method"], &thing["route"]),
        (&"GET".into(), &"/things/{id}".into())
    );
    assert_eq!((&thing["status"], &thing["level"]), (&200.into(), &"INFO".into()));
    assert_eq!(thing["client"], "127.0.0.1");
    assert!(thing["duration_ms"].is_f64(), "{thing}");
    assert_eq!(
        (&nowhere["route"], &nowhere["status"]),
        (&"unmatched".into(), &404.into())
    );
    for secret in secrets {
        assert!(!log.text().contains(secret), "{secret} in {}", log.text());
    }
}

#[tokio::test]
async fn every_line_of_a_request_has_its_id() {
    let (log, _kept) = Log::keep();
    let door = Door::open().await;
    let reply = door.ask("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let text = log.text();
    let line = text
        .lines()
        .find(|line| line.contains("handler panicked"))
        .unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["request_id"].as_str(), reply.header("x-request-id"));
}

#[tokio::test]
async fn a_client_that_leaves_is_told_of_too() {
    let (log, _kept) = Log::keep();
    let more = Router::new().route("/forever", get(std::future::pending::<()>));
    let door = Door::with(LayerConfig::default(), ServeLimits::default(), more).await;
    let mut client = door.connect().await;
    client
        .send("GET /forever HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    drop(client);
    let only_line = async || match &log.access()[..] {
        [line] => Some(line.clone()),
        _ => None,
    };
    let line = poll_within(Duration::from_secs(10), only_line).await;
    let line = line.unwrap_or_else(|| panic!("{}", log.text()));
    assert_eq!(
        (&line["route"], &line["status"]),
        (&"/forever".into(), &Value::Null)
    );
    assert!(line["request_id"].is_string());
}

#[tokio::test]
async fn metrics_have_the_route_and_never_the_path() {
    let metrics = PrometheusMetrics::install().unwrap();
    let more = Router::new().route("/counted/{id}", get(|| async { "counted" }));
    let door = Door::with(LayerConfig::default(), ServeLimits::default(), more).await;
    for n in 0..3 {
        door.ask(format!("GET /counted/made-up-{n} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
    }
    door.ask("BREW /counted/made-up-4 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    door.ask("GET /made-up-5 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let text = metrics.render();
    let counted = "method=\"GET\",route=\"/counted/{id}\"";
    assert!(
        text.contains(&format!("http_requests_total{{{counted},status=\"2xx\"}} 3\n")),
        "{text}"
    );
    assert!(
        text.contains(&format!("http_request_duration_seconds_count{{{counted}}} 3\n")),
        "{text}"
    );
    assert!(
        text.contains("method=\"other\",route=\"/counted/{id}\",status=\"4xx\"} 1\n"),
        "{text}"
    );
    assert!(text.contains("route=\"unmatched\",status=\"4xx\"}"), "{text}");
    assert!(!text.contains("made-up") && !text.contains("BREW"), "{text}");
    assert!(text.contains("http_requests_in_flight "), "{text}");
}

#[tokio::test]
async fn handlers_know_the_client_and_the_id() {
    let who = |Extension(ClientIp(client)): Extension<ClientIp>,
               Extension(RequestId(id)): Extension<RequestId>| async move {
        format!("{client} {id}")
    };
    let more = Router::new().route("/who", get(who));
    let trusting = LayerConfig {
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        ..LayerConfig::default()
    };
    let asked = "GET /who HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1, 198.51.100.7\r\nX-Request-ID: given\r\n\r\n";

    let door = Door::with(trusting, ServeLimits::default(), more.clone()).await;
    assert_eq!(door.ask(asked).await.body, b"198.51.100.7 given");
    let door = Door::with(LayerConfig::default(), ServeLimits::default(), more).await;
    let reply = door.ask(asked).await;
    let own = format!("127.0.0.1 {}", reply.header("x-request-id").unwrap());
    assert_eq!(reply.body, own.as_bytes());
}
