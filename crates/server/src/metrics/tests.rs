//! Rendering of metrics, and the sharing of a rendering.

use metrics::histogram;

use super::*;

#[test]
fn every_metric_is_rendered_with_its_help_and_type() {
    let metrics = PrometheusMetrics::install().unwrap();
    let counters = [
        HTTP_REQUESTS,
        VERIFICATIONS,
        RENEWALS,
        REVOCATIONS,
        REFUSALS,
        RATE_LIMITED,
        SESSIONS_BEGUN,
        SESSIONS_ENDED,
        UPSTREAM_REQUESTS,
        STORE_ERRORS,
        UNPROVEN_OVER_BOUND,
        UNPROVEN_SETTLED,
        POLICY_RELOADS,
        TLS_RELOADS,
        TLS_HANDSHAKE_FAILURES,
        LOG_LINES_DROPPED,
        HTTP_CONNECTIONS_SHED,
        HTTP_ANSWERS_UNREAD,
    ];
    let gauges = [
        HTTP_REQUESTS_IN_FLIGHT,
        HTTP_CONNECTIONS,
        OUTBOX_BACKLOG,
        TOKEN_EXCHANGE_WAITERS,
        UNPROVEN_TOKENS,
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
    let (first, second) = (
        PrometheusMetrics::install().unwrap(),
        PrometheusMetrics::install().unwrap(),
    );
    counter!("incremented_once").increment(1);
    assert!(first.render().contains("incremented_once 1\n"));
    assert!(second.render().contains("incremented_once 1\n"));
}

#[test]
fn w3_readers_at_once_share_one_rendering_and_a_later_one_gets_a_new_one() {
    let metrics = PrometheusMetrics::install().unwrap();
    let metrics = PrometheusMetrics {
        last_rendering: Arc::default(),
        ..metrics
    };
    let first = metrics.render_shared();
    let started = Instant::now();
    let second = metrics.render_shared();
    if started.elapsed() < RENDERING_TTL / 2 {
        assert_eq!(first.as_ptr(), second.as_ptr());
    }
    drop((first, second));
    counter!("after_all_had_read").increment(1);
    let text = metrics.render_shared();
    assert!(String::from_utf8_lossy(&text).contains("after_all_had_read 1"));
}

#[test]
fn a_gauged_value_counts_while_it_lives() {
    let metrics = PrometheusMetrics::install().unwrap();
    let gauged = GaugeGuard::increment("lives");
    assert!(metrics.render().contains("lives 1\n"));
    drop(gauged);
    assert!(metrics.render().contains("lives 0\n"));
}
