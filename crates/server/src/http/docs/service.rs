//! The gateway's own routes, in words.

use serde_json::json;

use super::answers::{TOO_LONG, both};
use super::operation::{Operation, answer, json_answer, media};

pub(super) const TAG: &str = "Service";

pub(super) fn operations() -> Vec<Operation> {
    vec![health(), ready(), openapi(), docs(), metrics()]
}

fn health() -> Operation {
    let healthy =
        json!({ "status": "healthy", "service": "maxlab-auth", "version": env!("CARGO_PKG_VERSION") });
    Operation::new("get", "/health", "health", "Does the process live?")
        .tagged(TAG)
        .described("Asks nobody, so it says nothing of stores or the authorization server.")
        .answers(
            "200",
            json_answer("It lives.", &[], "Health", &[("Alive", healthy)]),
        )
}

fn ready() -> Operation {
    let components = |store: &str| {
        json!({
            "store": { "status": store, "response_time": 0.0008 },
            "database": { "status": "healthy", "response_time": 0.0011 },
            "authorization_server": { "status": "healthy", "status_code": 200, "response_time": 0.0124 },
        })
    };
    let revocation = |on_lease: bool| {
        json!({
            "reads": "replica",
            "answers_from_memory": on_lease,
            "lease_seconds": if on_lease { 4.2 } else { 0.0 },
            "generation": "1:01a21da548357160a69e9f1c6f655041",
            "position": 1207,
            "lag": 0,
        })
    };
    let ready =
        json!({ "status": "ready", "components": components("healthy"), "revocation": revocation(true) });
    let unready = json!({ "status": "unavailable", "components": components("unhealthy"), "revocation": revocation(false) });
    let unavailable = json_answer(
        "A component of the gateway's own does not answer.",
        &["Retry-After"],
        "Readiness",
        &[("The store is down", unready)],
    );
    let unavailable = both(unavailable, TOO_LONG);
    Operation::new("get", "/health/ready", "ready", "Can the gateway do its work?")
        .tagged(TAG)
        .described(
            "Asks each component, for three seconds at most. The authorization server is shown and does not decide: while it \
             is down there is much that the gateway can still answer.",
        )
        .answers("200", json_answer("It can.", &[], "Readiness", &[("Ready", ready)]))
        .answers("503", unavailable)
}

fn openapi() -> Operation {
    let sketch = json!({
        "openapi": "3.1.1",
        "info": { "title": "maxlab-auth", "version": env!("CARGO_PKG_VERSION") },
        "paths": {},
    });
    Operation::new("get", "/openapi.json", "openapi", "This description")
        .tagged(TAG)
        .described("OpenAPI 3.1; `maxlab-auth openapi` prints the same.")
        .answers(
            "200",
            json_answer(
                "The description.",
                &["Cache-Control"],
                "OpenApiDocument",
                &[("Its outline", sketch)],
            ),
        )
}

fn docs() -> Operation {
    let page = media("text/html", "Page", &[("A page", json!("<!doctype html>…"))]);
    Operation::new("get", "/docs", "docs", "This description, as a page")
        .tagged(TAG)
        .described("It loads nothing else, so it works with no network.")
        .answers("200", answer("The page.", &["Cache-Control"], page))
}

fn metrics() -> Operation {
    let sample = "# TYPE maxlab_auth_http_requests_total counter\n\
        maxlab_auth_http_requests_total{method=\"GET\",route=\"/health\",status=\"2xx\"} 3\n";
    let text = media("text/plain", "PrometheusText", &[("A counter", json!(sample))]);
    Operation::new("get", "/metrics", "metrics", "Counters for Prometheus")
        .tagged(TAG)
        .described("Where `METRICS` is off, this path is not there.")
        .answers("200", answer("The counters.", &["Cache-Control"], text))
        .may_fail(&[("404", "NotFound")])
}
