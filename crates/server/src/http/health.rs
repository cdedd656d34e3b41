//! `/health` (alive), `/health/ready` (can it answer?), `/metrics`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout};

use super::gateway::{Component, Gateway};
use crate::metrics;
use crate::upstream::Endpoint;

/// No component is waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(3);

/// The process lives. Asks nobody.
pub async fn live() -> Json<Value> {
    Json(json!({ "status": "healthy", "service": "maxlab-auth", "version": env!("CARGO_PKG_VERSION") }))
}

/// Whether the gateway can do its work, with each component. The authorization server is shown and does not decide:
/// while it is down there is much that the gateway can still answer.
pub async fn ready(State(gateway): State<Gateway>) -> Response {
    let (components, upstream) =
        tokio::join!(join_all(gateway.components.iter().map(asked)), upstream(&gateway));
    let ready = components.iter().all(|(_, up, _)| *up);
    let mut shown: Map<String, Value> = components
        .into_iter()
        .map(|(name, _, value)| (name.to_owned(), value))
        .collect();
    shown.insert("authorization_server".to_owned(), upstream);
    let body = json!({
        "status": if ready { "ready" } else { "unavailable" },
        "components": shown,
        "revocation": revocation(&gateway),
    });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut headers = HeaderMap::new();
    if !ready {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    (status, headers, Json(body)).into_response()
}

/// Whether every component answers.
pub async fn is_ready(gateway: &Gateway) -> bool {
    let components = join_all(gateway.components.iter().map(asked)).await;
    components.iter().all(|(_, up, _)| *up)
}

async fn asked(component: &Component) -> (&'static str, bool, Value) {
    let started = Instant::now();
    let answer = timeout(PATIENCE, component.ping.ping()).await;
    let up = matches!(answer, Ok(Ok(())));
    if let Ok(Err(fault)) = answer {
        tracing::warn!(component = component.name, %fault, "not ready");
    }
    let status = if up { "healthy" } else { "unhealthy" };
    (
        component.name,
        up,
        json!({ "status": status, "response_time": started.elapsed().as_secs_f64() }),
    )
}

/// How revocations are read here, and for how long this instance may answer from memory.
fn revocation(gateway: &Gateway) -> Value {
    let gate = &gateway.engine.parts().revocations;
    let status = gate.status();
    let on_lease = !status.lease_left.is_zero();
    json!({
        "reads": if gate.policy().from_memory { "replica" } else { "direct" },
        "answers_from_memory": on_lease,
        "lease_seconds": status.lease_left.as_secs_f64(),
        "generation": status.term.map(|term| term.to_string()),
        "position": status.position,
        "lag": status.position.map(|position| status.stream.saturating_sub(position)),
    })
}

/// The guide's health of the authorization server: `status`, `status_code`, `response_time` in seconds.
async fn upstream(gateway: &Gateway) -> Value {
    let started = Instant::now();
    let answer = async {
        let request = gateway.server.request(Method::GET, Endpoint::Health).await?;
        gateway.server.send(Endpoint::Health, request).await.ok()
    };
    let answer = timeout(PATIENCE, answer).await.ok().flatten();
    let status = if answer.as_ref().is_some_and(|a| a.status.is_success()) {
        "healthy"
    } else {
        "unhealthy"
    };
    json!({
        "status": status,
        "status_code": answer.map(|a| a.status.as_u16()),
        "response_time": started.elapsed().as_secs_f64(),
    })
}

/// The counters, in the text format of Prometheus.
pub async fn prometheus(State(gateway): State<Gateway>) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    metrics::revocation::show(&gateway.engine.parts().revocations.status());
    ([(header::CONTENT_TYPE, kind)], gateway.metrics.render()).into_response()
}
