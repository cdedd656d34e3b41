//! Metrics for Prometheus: the name of each, and how they are recorded and rendered.
//!
//! Label values are few and known in advance (a matched route, a status class, an outcome). A path, an id or
//! anything else that a client can choose is never a label value.

pub mod revocation;
mod zero_series;

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::telemetry;

/// Answered requests, by `method`, matched `route` and `status` class (`2xx`).
pub const HTTP_REQUESTS: &str = "http_requests_total";
/// Seconds from the head of a request to the head of its answer, by `method` and matched `route`.
pub const HTTP_REQUEST_DURATION: &str = "http_request_duration_seconds";
/// Requests that the router has not answered yet. Requests that the fast path answers
/// (`http/fast_path/`) are not counted: they end before a scrape could see them.
pub const HTTP_REQUESTS_IN_FLIGHT: &str = "http_requests_in_flight";
/// Requests that wait for an exchange of a code or a refresh token.
pub const TOKEN_EXCHANGE_WAITERS: &str = "token_exchange_waiters";
/// Open client connections.
pub const HTTP_CONNECTIONS: &str = "http_connections";
/// Connections that gave way, by `reason`: `idle` (closed for a new client), `address` (refused, its address
/// has its share), `busy` (answered from the reserve), `control_frames` (closed, too many HTTP/2 frames that
/// ask for nothing), `unread` (closed, too many unread answers).
pub const HTTP_CONNECTIONS_SHED: &str = "http_connections_shed_total";
/// HTTP/2 answers that were dropped because their client did not read them within `BODY_TIMEOUT_SECONDS`.
pub const HTTP_ANSWERS_UNREAD: &str = "http_answers_unread_total";
/// Verifications of a credential, by the deciding `layer` and `outcome`.
pub const VERIFICATIONS: &str = "verifications_total";
/// Cached verdicts of the authorization server that were refreshed before they expired, by `outcome`.
pub const RENEWALS: &str = "verdict_renewals_total";
/// Acknowledged revocations, by `reason`.
pub const REVOCATIONS: &str = "revocations_total";
/// Refused requests, by `reason` (the stable error code of the answer).
pub const REFUSALS: &str = "refusals_total";
/// Requests answered 429, by `route` and by the limit that was reached (`by`: `address`, `client`, `person`).
pub const RATE_LIMITED: &str = "rate_limited_total";
/// Created sessions.
pub const SESSIONS_BEGUN: &str = "sessions_begun_total";
/// Ended sessions: logged out, terminated or revoked.
pub const SESSIONS_ENDED: &str = "sessions_ended_total";
/// Requests to the authorization server, by `endpoint` and `outcome`.
pub const UPSTREAM_REQUESTS: &str = "upstream_requests_total";
/// Seconds that the authorization server took, by `endpoint`.
pub const UPSTREAM_DURATION: &str = "upstream_duration_seconds";
/// Revocations that were not delivered to the authorization server yet.
pub const OUTBOX_BACKLOG: &str = "outbox_backlog";
/// Places taken by tokens that are refused although nothing proves them (`REVOKE_UNPROVEN_MAX`).
pub const UNPROVEN_TOKENS: &str = "unproven_tokens";
/// Revocations answered 503 because all these places were taken.
pub const UNPROVEN_OVER_BOUND: &str = "unproven_revokes_over_bound_total";
/// Unproven tokens that were checked again, by `outcome` (`proven`, `unknown`, `waiting`, `unanswered`).
pub const UNPROVEN_SETTLED: &str = "unproven_tokens_settled_total";
/// Failed calls of a store, by `component`.
pub const STORE_ERRORS: &str = "store_errors_total";
/// Reloads of a changed policy file, by `outcome` (`applied`, `refused`).
pub const POLICY_RELOADS: &str = "policy_reloads_total";
/// 1 while the policy file cannot be used and an earlier one is in force.
pub const POLICY_STALE: &str = "policy_stale";
/// Reloads of a changed certificate, by `outcome` (`applied`, `refused`).
pub const TLS_RELOADS: &str = "tls_certificate_reloads_total";
/// 1 while the certificate files cannot be used and an earlier certificate is in force.
pub const TLS_STALE: &str = "tls_certificate_stale";
/// Failed TLS handshakes.
pub const TLS_HANDSHAKE_FAILURES: &str = "tls_handshake_failures_total";
/// Log lines that could not be written, because standard error is not read or not fast enough.
pub const LOG_LINES_DROPPED: &str = "log_lines_dropped_total";
/// Always 1. Its label `version` is the running version.
pub const BUILD_INFO: &str = "maxlab_auth_build_info";
/// Seconds since this process started to keep metrics.
pub const UPTIME: &str = "process_uptime_seconds";

/// Upper bounds of the buckets in seconds: from an answer from memory to the longest time that a request may
/// take.
const DURATION_BUCKETS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Time between two folds of samples into their buckets. An unfolded sample takes 24 bytes: 2.4 MB at 100,000
/// requests a second.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Time for which a rendering that is still being read is given to other readers.
const RENDERING_TTL: Duration = Duration::from_millis(250);

/// The process's only recorder, and the means to render it.
#[derive(Clone)]
pub struct PrometheusMetrics {
    handle: PrometheusHandle,
    started_at: Instant,
    // Weak: a rendering without readers is freed at once.
    last_rendering: Arc<Mutex<(Weak<String>, Option<Instant>)>>,
}

/// A rendering that several readers share.
struct SharedRendering(Arc<String>);

impl AsRef<[u8]> for SharedRendering {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for PrometheusMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrometheusMetrics")
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

impl PrometheusMetrics {
    /// Installs the recorder of all metrics of this process.
    ///
    /// Several gateways in one process share it: every call after the first returns the same one. If another
    /// recorder was installed before, that one keeps recording and [`PrometheusMetrics::render`] is empty.
    ///
    /// # Errors
    /// The buckets do not fit a histogram. A test rules that out.
    pub fn install() -> Result<Self, BuildError> {
        static INSTALLED: OnceLock<PrometheusMetrics> = OnceLock::new();
        if let Some(metrics) = INSTALLED.get() {
            return Ok(metrics.clone());
        }
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)?
            .build_recorder();
        // Two first calls at once build two recorders, and only one of them is installed.
        let metrics = INSTALLED.get_or_init(|| {
            let metrics = Self {
                handle: recorder.handle(),
                started_at: Instant::now(),
                last_rendering: Arc::default(),
            };
            if metrics::set_global_recorder(recorder).is_ok() {
                describe();
                zero_series::register_zero_series();
                metrics.spawn_upkeep_thread();
            } else {
                tracing::warn!("metrics recorder not installed, another one is in use");
            }
            metrics
        });
        Ok(metrics.clone())
    }

    /// Renders all metrics in Prometheus' text format (`text/plain; version=0.0.4`).
    pub fn render(&self) -> String {
        // Values that are known elsewhere are set when they are read.
        gauge!(UPTIME).set(self.started_at.elapsed().as_secs_f64());
        counter!(LOG_LINES_DROPPED).absolute(telemetry::dropped_lines());
        gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        self.handle.render()
    }

    /// Renders all metrics, or returns the last rendering if it is fresh and still being read.
    ///
    /// Slow readers share one buffer, so their number does not multiply the memory.
    pub fn render_shared(&self) -> Bytes {
        // The lock is held while rendering, so that readers at the same time wait for one rendering.
        let mut last = self.last_rendering.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = last.1.filter(|at| at.elapsed() < RENDERING_TTL);
        let text = match fresh.and_then(|_| last.0.upgrade()) {
            Some(text) => text,
            None => {
                let text = Arc::new(self.render());
                *last = (Arc::downgrade(&text), Some(Instant::now()));
                text
            }
        };
        Bytes::from_owner(SharedRendering(text))
    }

    /// Starts the thread that folds samples into their buckets.
    ///
    /// A thread and not a task, so that it outlives the runtime that installed the recorder.
    fn spawn_upkeep_thread(&self) {
        let handle = self.handle.clone();
        let upkeep = move || {
            loop {
                std::thread::sleep(UPKEEP_INTERVAL);
                handle.run_upkeep();
            }
        };
        // A scrape folds the samples too, so the metrics stay correct without the thread.
        if let Err(fault) = std::thread::Builder::new()
            .name("metrics-upkeep".to_owned())
            .spawn(upkeep)
        {
            tracing::warn!(%fault, "metrics upkeep thread not started, samples are folded at each scrape");
        }
    }
}

/// Guard that keeps a gauge one higher until it is dropped.
#[derive(Debug)]
pub struct GaugeGuard(&'static str);

impl GaugeGuard {
    /// Increments the gauge until the guard is dropped.
    pub fn increment(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}

/// Registers help text and type of every metric.
fn describe() {
    revocation::describe();
    describe_http();
    describe_decisions();
    describe_dependencies();
    describe_files_and_process();
}

fn describe_http() {
    describe_counter!(
        HTTP_REQUESTS,
        "Answered requests, by method, matched route and status class."
    );
    describe_histogram!(
        HTTP_REQUEST_DURATION,
        Unit::Seconds,
        "Time from the head of a request to the head of its answer."
    );
    describe_gauge!(
        HTTP_REQUESTS_IN_FLIGHT,
        "Requests that wait for their answer. Requests answered by the fast path are not counted."
    );
    describe_gauge!(HTTP_CONNECTIONS, "Open client connections.");
    describe_counter!(
        HTTP_CONNECTIONS_SHED,
        "Connections that were closed, refused or answered 503 because of a limit, by reason."
    );
    describe_counter!(
        HTTP_ANSWERS_UNREAD,
        "HTTP/2 answers that were dropped because their client did not read them in time."
    );
}

fn describe_decisions() {
    describe_counter!(
        VERIFICATIONS,
        "Verifications of a credential, by deciding layer and outcome."
    );
    describe_counter!(
        RENEWALS,
        "Cached verdicts that were refreshed before they expired, by outcome."
    );
    describe_counter!(REVOCATIONS, "Acknowledged revocations, by reason.");
    describe_counter!(REFUSALS, "Refused requests, by the error code of the answer.");
    describe_counter!(
        RATE_LIMITED,
        "Requests answered 429, by route and by the limit that was reached."
    );
    describe_counter!(SESSIONS_BEGUN, "Created sessions.");
    describe_counter!(SESSIONS_ENDED, "Ended sessions.");
}

fn describe_dependencies() {
    describe_counter!(
        UPSTREAM_REQUESTS,
        "Requests to the authorization server, by endpoint and outcome."
    );
    describe_histogram!(
        UPSTREAM_DURATION,
        Unit::Seconds,
        "Time that the authorization server took, by endpoint."
    );
    describe_gauge!(
        TOKEN_EXCHANGE_WAITERS,
        "Requests that wait for an exchange of a code or a refresh token."
    );
    describe_gauge!(
        OUTBOX_BACKLOG,
        "Revocations that were not delivered to the authorization server yet."
    );
    describe_gauge!(
        UNPROVEN_TOKENS,
        "Places taken by tokens that are refused although nothing proves them."
    );
    describe_counter!(
        UNPROVEN_OVER_BOUND,
        "Revocations answered 503 because REVOKE_UNPROVEN_MAX was reached."
    );
    describe_counter!(
        UNPROVEN_SETTLED,
        "Unproven tokens that were checked again, by outcome."
    );
    describe_counter!(STORE_ERRORS, "Failed calls of a store, by component.");
}

fn describe_files_and_process() {
    describe_counter!(POLICY_RELOADS, "Reloads of a changed policy file, by outcome.");
    describe_gauge!(
        POLICY_STALE,
        "1 while the policy file cannot be used and an earlier one is in force."
    );
    describe_counter!(TLS_RELOADS, "Reloads of a changed certificate, by outcome.");
    describe_gauge!(
        TLS_STALE,
        "1 while the certificate files cannot be used and an earlier certificate is in force."
    );
    describe_counter!(TLS_HANDSHAKE_FAILURES, "Failed TLS handshakes.");
    describe_counter!(
        LOG_LINES_DROPPED,
        "Log lines that could not be written, because standard error is not read or not fast enough."
    );
    describe_gauge!(BUILD_INFO, "Always 1. The label is the running version.");
    describe_gauge!(
        UPTIME,
        Unit::Seconds,
        "Time since this process started to keep metrics."
    );
}

#[cfg(test)]
mod tests;
