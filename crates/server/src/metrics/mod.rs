//! What Prometheus is told: every metric by name, and how they are recorded and rendered.
//!
//! A label's values are few and known (a matched route, a status class, an outcome): never a path, an id or anything else
//! that a client can make up.

pub mod revocation;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Requests answered, by `method`, matched `route` and `status` class (`2xx`).
pub const HTTP_REQUESTS: &str = "http_requests_total";
/// Seconds from a request's head to its answer's, by `method` and matched `route`.
pub const HTTP_REQUEST_DURATION: &str = "http_request_duration_seconds";
/// Requests that the router has and has not answered yet. What is answered out of memory without waiting
/// (`http/forward_auth/at_once.rs`) is over before anybody could see it under way, and is not counted here.
pub const HTTP_REQUESTS_IN_FLIGHT: &str = "http_requests_in_flight";
/// Client connections open.
pub const HTTP_CONNECTIONS: &str = "http_connections";
/// Verifications of a credential, by the `layer` that decided and its `outcome`.
pub const VERIFICATIONS: &str = "verifications_total";
/// Verdicts of the authorization server asked for again before they ran out, by `outcome`.
pub const RENEWALS: &str = "verdict_renewals_total";
/// Revocations acknowledged, by `reason`.
pub const REVOCATIONS: &str = "revocations_total";
/// Requests refused, by `reason` (the stable code of the answer).
pub const REFUSALS: &str = "refusals_total";
/// Sessions that began.
pub const SESSIONS_BEGUN: &str = "sessions_begun_total";
/// Sessions that were ended: logged out, terminated or revoked.
pub const SESSIONS_ENDED: &str = "sessions_ended_total";
/// Requests to the authorization server, by `endpoint` and `outcome`.
pub const UPSTREAM_REQUESTS: &str = "upstream_requests_total";
/// Seconds that the authorization server took, by `endpoint`.
pub const UPSTREAM_DURATION: &str = "upstream_duration_seconds";
/// What the authorization server has not been told yet.
pub const OUTBOX_BACKLOG: &str = "outbox_backlog";
/// Calls of a store that failed, by `component`.
pub const STORE_ERRORS: &str = "store_errors_total";
/// Changed policy files looked at, by `outcome` (`applied`, `refused`).
pub const POLICY_RELOADS: &str = "policy_reloads_total";
/// 1 while the policy file cannot be used and an earlier one is in force.
pub const POLICY_STALE: &str = "policy_stale";
/// Changed certificates looked at, by `outcome` (`applied`, `refused`).
pub const TLS_RELOADS: &str = "tls_certificate_reloads_total";
/// 1 while the certificate's files cannot be used and an earlier certificate is in force.
pub const TLS_STALE: &str = "tls_certificate_stale";
/// Clients that did not get through the TLS handshake.
pub const TLS_HANDSHAKE_FAILURES: &str = "tls_handshake_failures_total";
/// Always 1; its label `version` says what is running.
pub const BUILD_INFO: &str = "maxlab_auth_build_info";
/// Seconds since the process began to keep metrics.
pub const UPTIME: &str = "process_uptime_seconds";

/// Upper bounds, in seconds: from an answer out of memory to the longest that a request may take.
const DURATION_BUCKETS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// How often samples are folded into their buckets. Until then each takes 24 bytes: with 100,000 requests a second, 2.4 MB.
const UPKEEP: Duration = Duration::from_secs(1);

/// The process's one recorder, and the way to read it.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    began: Instant,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics")
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}

impl Metrics {
    /// Makes the recorder that all metrics of this process go to. Several gateways in one process share it: every call
    /// after the first returns the same one. Where another recorder was installed before, that one goes on recording and
    /// [`Metrics::render`] shows nothing.
    ///
    /// # Errors
    /// When the buckets are not fit for a histogram, which a test rules out.
    pub fn install() -> Result<Self, BuildError> {
        static INSTALLED: OnceLock<Metrics> = OnceLock::new();
        if let Some(metrics) = INSTALLED.get() {
            return Ok(metrics.clone());
        }
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)?
            .build_recorder();
        let metrics = INSTALLED.get_or_init(|| {
            let metrics = Self {
                handle: recorder.handle(),
                began: Instant::now(),
            };
            if metrics::set_global_recorder(recorder).is_ok() {
                describe();
                metrics.keep_up();
            } else {
                tracing::warn!("metrics go to a recorder that something else installed");
            }
            metrics
        });
        Ok(metrics.clone())
    }

    /// All metrics in Prometheus' text format, `text/plain; version=0.0.4`.
    pub fn render(&self) -> String {
        gauge!(UPTIME).set(self.began.elapsed().as_secs_f64());
        gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        self.handle.render()
    }

    /// A thread rather than a task, so that it outlives whichever runtime installed the recorder first.
    fn keep_up(&self) {
        let handle = self.handle.clone();
        let upkeep = move || {
            loop {
                std::thread::sleep(UPKEEP);
                handle.run_upkeep();
            }
        };
        if let Err(fault) = std::thread::Builder::new()
            .name("metrics-upkeep".to_owned())
            .spawn(upkeep)
        {
            tracing::warn!(%fault, "metrics are folded at each scrape only");
        }
    }
}

/// A gauge that counts one more for as long as this value lives.
#[derive(Debug)]
pub struct Gauged(&'static str);

impl Gauged {
    /// Counts one more.
    pub fn one_more(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}

fn describe() {
    revocation::describe();
    describe_counter!(
        HTTP_REQUESTS,
        "Requests answered, by method, matched route and status class."
    );
    describe_histogram!(
        HTTP_REQUEST_DURATION,
        Unit::Seconds,
        "Time from a request's head to its answer's."
    );
    describe_gauge!(
        HTTP_REQUESTS_IN_FLIGHT,
        "Requests that wait for their answer; those answered at once out of memory never wait."
    );
    describe_gauge!(HTTP_CONNECTIONS, "Client connections open.");
    describe_counter!(
        VERIFICATIONS,
        "Verifications of a credential, by deciding layer and outcome."
    );
    describe_counter!(
        RENEWALS,
        "Verdicts asked for again before they ran out, by outcome."
    );
    describe_counter!(REVOCATIONS, "Revocations acknowledged, by reason.");
    describe_counter!(REFUSALS, "Requests refused, by the code of the answer.");
    describe_counter!(SESSIONS_BEGUN, "Sessions that began.");
    describe_counter!(SESSIONS_ENDED, "Sessions that were ended.");
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
        OUTBOX_BACKLOG,
        "Messages that the authorization server has not been told yet."
    );
    describe_counter!(STORE_ERRORS, "Calls of a store that failed, by component.");
    describe_counter!(POLICY_RELOADS, "Changed policy files looked at, by outcome.");
    describe_gauge!(
        POLICY_STALE,
        "1 while the policy file cannot be used and an earlier one is in force."
    );
    describe_counter!(TLS_RELOADS, "Changed certificates looked at, by outcome.");
    describe_gauge!(
        TLS_STALE,
        "1 while the certificate's files cannot be used and an earlier certificate is in force."
    );
    describe_counter!(
        TLS_HANDSHAKE_FAILURES,
        "Clients that did not get through the TLS handshake."
    );
    describe_gauge!(BUILD_INFO, "Always 1; the label says which version is running.");
    describe_gauge!(
        UPTIME,
        Unit::Seconds,
        "Time since the process began to keep metrics."
    );
}

#[cfg(test)]
mod tests {
    use metrics::{counter, histogram};

    use super::*;

    #[test]
    fn every_metric_is_rendered_with_its_help_and_type() {
        let metrics = Metrics::install().unwrap();
        let counters = [
            HTTP_REQUESTS,
            VERIFICATIONS,
            RENEWALS,
            REVOCATIONS,
            REFUSALS,
            SESSIONS_BEGUN,
            SESSIONS_ENDED,
            UPSTREAM_REQUESTS,
            STORE_ERRORS,
            POLICY_RELOADS,
            TLS_RELOADS,
            TLS_HANDSHAKE_FAILURES,
        ];
        let gauges = [
            HTTP_REQUESTS_IN_FLIGHT,
            HTTP_CONNECTIONS,
            OUTBOX_BACKLOG,
            POLICY_STALE,
            TLS_STALE,
            BUILD_INFO,
            UPTIME,
        ];
        let histograms = [HTTP_REQUEST_DURATION, UPSTREAM_DURATION];
        counters.iter().for_each(|name| counter!(*name).increment(1));
        gauges.iter().for_each(|name| gauge!(*name).set(1.0));
        histograms.iter().for_each(|name| histogram!(*name).record(0.02));
        let text = metrics.render();
        let kinds = [
            ("counter", &counters[..]),
            ("gauge", &gauges[..]),
            ("histogram", &histograms[..]),
        ];
        for (kind, names) in kinds {
            for name in names {
                assert!(
                    text.contains(&format!("# TYPE {name} {kind}\n")),
                    "{name}: {text}"
                );
                assert!(text.contains(&format!("# HELP {name} ")), "{name}: {text}");
            }
        }
        assert!(
            text.contains("upstream_duration_seconds_bucket{le=\"0.025\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("upstream_duration_seconds_bucket{le=\"0.01\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains(&format!(
                "{BUILD_INFO}{{version=\"{}\"}} 1\n",
                env!("CARGO_PKG_VERSION")
            )),
            "{text}"
        );
    }

    #[test]
    fn a_second_gateway_in_the_process_reads_the_same_recorder() {
        let (first, second) = (Metrics::install().unwrap(), Metrics::install().unwrap());
        counter!("told_once").increment(1);
        assert!(first.render().contains("told_once 1\n"));
        assert!(second.render().contains("told_once 1\n"));
    }

    #[test]
    fn a_gauged_value_counts_while_it_lives() {
        let metrics = Metrics::install().unwrap();
        let gauged = Gauged::one_more("lives");
        assert!(metrics.render().contains("lives 1\n"));
        drop(gauged);
        assert!(metrics.render().contains("lives 0\n"));
    }
}
