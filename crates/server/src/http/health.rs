//! `/health` (alive), `/health/ready` (can it answer?), `/metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures::future::join_all;
use maxlab_auth_core::error_code::ErrorCode;
use maxlab_auth_core::unavailable::UnavailableReason;
use reqwest::Method;
use serde::Serialize;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::app_state::{HealthCheck, SharedState};
use super::docs::failures::NotFoundFailure;
use super::docs::{Problem, string_enum};
use super::error::error_response;
use super::serve::SharedBody;
use crate::upstream::AuthServerEndpoint;
use crate::{metrics, record};

/// Longest wait for one component.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// The process runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "healthy", "service": "maxlab-auth", "version": env!("CARGO_PKG_VERSION")}))]
pub struct Health {
    /// Always `healthy`.
    status: &'static str,
    /// Always `maxlab-auth`.
    service: &'static str,
    version: &'static str,
}

/// Readiness of the gateway. The authorization server is reported and does not decide.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "ready", "components": {"store": {"status": "healthy", "response_time": 0.0008},
    "authorization_server": {"status": "healthy", "status_code": 200, "response_time": 0.0124}},
    "revocation": {"reads": "replica", "answers_from_memory": true, "lease_seconds": 4.2,
    "generation": "1:01a21da548357160a69e9f1c6f655041", "position": 1207, "lag": 0}}))]
pub struct Readiness {
    #[schema(schema_with = readiness_status)]
    status: &'static str,
    /// `store`, `database` and `authorization_server`.
    components: BTreeMap<&'static str, ComponentHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revocation: Option<RevocationStatus>,
}

/// Health of one component.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentHealth {
    #[schema(schema_with = component_status)]
    status: &'static str,
    /// Authorization server only: status of its answer, `null` without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u16>)]
    status_code: Option<Option<u16>>,
    /// Seconds until the answer.
    #[schema(minimum = 0)]
    response_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = unavailable_reason, required = false)]
    reason: Option<&'static str>,
}

/// How this instance reads revocations.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationStatus {
    #[schema(schema_with = revocation_reads)]
    reads: &'static str,
    /// `true` while a lease is valid. Without one, each check asks the store.
    answers_from_memory: bool,
    /// Remaining time of the lease.
    #[schema(minimum = 0)]
    lease_seconds: f64,
    /// Data set of the store: its number in the journal's register, and its name.
    generation: Option<String>,
    /// Entry up to which the replica is complete, `null` while it is not.
    position: Option<u64>,
    /// Number of published entries that are not applied here yet.
    lag: Option<u64>,
}

fn readiness_status() -> Object {
    string_enum(
        "`ready` if every component of the gateway itself answers. `stopping` after a signal to stop.",
        ["ready", "unavailable", "starting", "stopping"],
    )
}

fn component_status() -> Object {
    string_enum("State of the component.", ["healthy", "unhealthy"])
}

fn unavailable_reason() -> Object {
    string_enum(
        "Reason, while the component is unhealthy. Absent for the authorization server.",
        UnavailableReason::ALL.map(UnavailableReason::as_str),
    )
}

fn revocation_reads() -> Object {
    string_enum("`REVOCATION_READS`.", ["replica", "direct"])
}

/// `GET /health`: answers 200 while the process runs. Probes no component.
#[utoipa::path(
    get, path = "/health", tag = "Service", operation_id = "health",
    summary = "Liveness",
    description = "Asks no component, so it says nothing about stores or the authorization server.",
    responses((status = 200, description = "The process runs.", body = Health)),
)]
pub async fn liveness() -> Json<Health> {
    // No probe here: an orchestrator restarts what fails this, and a restart does not repair a store that is
    // down.
    Json(Health {
        status: "healthy",
        service: "maxlab-auth",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// `GET /health/ready`: answers 200 if every component answers, else 503, with the state of each component.
///
/// The authorization server is reported and does not decide: while it is down, the gateway still answers
/// signed tokens, sessions and cached verdicts.
#[utoipa::path(
    get, path = "/health/ready", tag = "Service", operation_id = "ready",
    summary = "Readiness",
    description = "Asks each component, for at most three seconds. The authorization server is reported and does not decide: \
        while it is down, the gateway can still answer many requests.",
    responses(
        (status = 200, description = "The gateway is ready.", body = Readiness),
        (status = 503, description = "A component of the gateway itself does not answer, or the gateway is stopping.", headers(("Retry-After" = String)),
            content((Readiness = "application/json"), (Problem = "application/problem+json"))),
    ),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn readiness(State(gateway): State<SharedState>) -> Response {
    // At the same time, so that the answer takes one `PROBE_TIMEOUT` at most.
    let (components, upstream) = tokio::join!(
        join_all(gateway.health_checks.iter().map(check_component)),
        upstream_health(&gateway)
    );
    let is_stopping = gateway.is_stopping.load(Ordering::Relaxed);
    let ready = !is_stopping && components.iter().all(|(_, up, _)| *up);
    let mut reports: BTreeMap<_, _> = components
        .into_iter()
        .map(|(name, _, health)| (name, health))
        .collect();
    // After `ready` is computed: the authorization server does not decide.
    reports.insert("authorization_server", upstream);
    let body = Readiness {
        status: match (is_stopping, ready) {
            (true, _) => "stopping",
            (false, true) => "ready",
            (false, false) => "unavailable",
        },
        components: reports,
        revocation: Some(revocation_status(&gateway)),
    };
    if ready {
        return Json(body).into_response();
    }
    error_response(ErrorCode::StoreUnavailable, Json(body))
}

/// Returns `true` if every component answers. Used for the gRPC health service.
pub async fn is_ready(gateway: &SharedState) -> bool {
    let components = join_all(gateway.health_checks.iter().map(check_component)).await;
    !gateway.is_stopping.load(Ordering::Relaxed) && components.iter().all(|(_, up, _)| *up)
}

/// Probes one component. Returns its name, `true` if it answers, and its report.
async fn check_component(component: &HealthCheck) -> (&'static str, bool, ComponentHealth) {
    let started = Instant::now();
    let answer = timeout(PROBE_TIMEOUT, component.ping.ping()).await;
    let reason = match answer {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => {
            tracing::warn!(component = component.name, %fault, "component unavailable, not ready");
            Some(fault.reason())
        }
        // Dropped at the time limit, so that the cause is unknown.
        Err(_) => Some(UnavailableReason::NoAnswer),
    };
    let health = ComponentHealth {
        status: if reason.is_none() { "healthy" } else { "unhealthy" },
        status_code: None,
        response_time: started.elapsed().as_secs_f64(),
        reason: reason.map(UnavailableReason::as_str),
    };
    (component.name, reason.is_none(), health)
}

/// Returns the mode in which revocations are read, and the seconds for which this instance may answer from
/// its replica.
fn revocation_status(gateway: &SharedState) -> RevocationStatus {
    let status = gateway.engine.gate_status();
    // Without a lease every check asks the store: slower, and correct. So this does not make the gateway
    // unready.
    let on_lease = !status.lease_left.is_zero();
    RevocationStatus {
        reads: if gateway.engine.reads_replica() {
            "replica"
        } else {
            "direct"
        },
        answers_from_memory: on_lease,
        lease_seconds: status.lease_left.as_secs_f64(),
        generation: status.term.map(|term| term.to_string()),
        position: status.position,
        // Never negative: the stream position is at least that of the replica (`LeaseManager::positions`).
        lag: status
            .position
            .map(|position| status.stream_position.saturating_sub(position)),
    }
}

/// Returns the health of the authorization server: `status`, `status_code`, and `response_time` in seconds.
/// The form is that of `docs/GUIDE.md` ("Health of the authorization server").
async fn upstream_health(gateway: &SharedState) -> ComponentHealth {
    let started = Instant::now();
    let answer = async {
        let request = gateway
            .auth_server
            .request(Method::GET, AuthServerEndpoint::Health)
            .await?;
        gateway
            .auth_server
            .send(AuthServerEndpoint::Health, request)
            .await
            .ok()
    };
    let answer = timeout(PROBE_TIMEOUT, answer).await.ok().flatten();
    let status = if answer.as_ref().is_some_and(|a| a.status.is_success()) {
        "healthy"
    } else {
        "unhealthy"
    };
    ComponentHealth {
        status,
        status_code: Some(answer.map(|a| a.status.as_u16())),
        response_time: started.elapsed().as_secs_f64(),
        reason: None,
    }
}

/// `GET /metrics`: the metrics in the text format of Prometheus (version 0.0.4).
#[utoipa::path(
    get, path = "/metrics", tag = "Service", operation_id = "metrics",
    summary = "Metrics for Prometheus",
    description = "Text format 0.0.4. Without `METRICS` this is 404.",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain",
        headers(("Cache-Control" = String)),
        example = json!("maxlab_auth_http_requests_total{method=\"GET\",route=\"/health\",status=\"2xx\"} 3")), NotFoundFailure),
)]
pub async fn prometheus(State(gateway): State<SharedState>) -> Response {
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    // These gauges are set when they are read, so that an idle gateway reports no old values.
    metrics::revocation::record_status(&gateway.engine.gate_status());
    record::token_exchange_waiters(gateway.token_exchanger.waiting_requests());
    let text = gateway.metrics.render_shared();
    // `SharedBody`: all readers share one text, so an unread answer does not count against the connection.
    (
        [(header::CONTENT_TYPE, content_type)],
        Extension(SharedBody),
        text,
    )
        .into_response()
}
