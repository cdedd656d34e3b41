//! Functions that record the gateway's own metrics. Names and label values are those of [`crate::metrics`].

use ::metrics::{counter, gauge, histogram};
use maxlab_auth_core::access::RefusalReason;
use maxlab_auth_core::events::{RefreshAheadOutcome, SettleSummary};
use maxlab_auth_core::unavailable::{GatewayComponent, Unavailable};

use crate::metrics;
use crate::upstream::FinishedRequest;

/// Counts a request to the authorization server and records its duration.
pub fn upstream_request(request: &FinishedRequest) {
    let (endpoint, outcome) = (request.endpoint.as_str(), request.outcome.as_str());
    counter!(metrics::UPSTREAM_REQUESTS, "endpoint" => endpoint, "outcome" => outcome).increment(1);
    // Without the outcome: it would multiply the buckets.
    histogram!(metrics::UPSTREAM_DURATION, "endpoint" => endpoint).record(request.took.as_secs_f64());
}

/// Counts a credential that was accepted, by the layer that verified it.
pub fn verified(layer: &'static str) {
    counter!(metrics::VERIFICATIONS, "layer" => layer, "outcome" => "verified").increment(1);
}

/// Counts a refresh of a cached verdict ahead of its expiry, by outcome.
pub fn verdict_refreshed(outcome: RefreshAheadOutcome) {
    let outcome = match outcome {
        RefreshAheadOutcome::Verified => "verified",
        RefreshAheadOutcome::Rejected => "rejected",
        RefreshAheadOutcome::Unavailable => "unavailable",
        // Dashboards know this label value under its first name.
        RefreshAheadOutcome::Skipped => "needless",
    };
    counter!(metrics::RENEWALS, "outcome" => outcome).increment(1);
}

/// Counts a refused request, by reason.
pub fn refused(reason: impl Into<RefusalReason>) {
    counter!(metrics::REFUSALS, "reason" => reason.into().as_str()).increment(1);
}

/// Creates the series of failed requests of each route, with the value 0.
pub fn register_zero_requests<'r>(operations: impl IntoIterator<Item = (&'static str, &'r str)>) {
    for (method, route) in operations {
        for status in ["4xx", "5xx"] {
            counter!(metrics::HTTP_REQUESTS, "method" => method, "route" => route.to_owned(), "status" => status)
                .increment(0);
        }
    }
}

/// Counts a reload of a changed policy file, by outcome (`applied`, `refused`).
pub fn policy_reloaded(outcome: &'static str) {
    counter!(metrics::POLICY_RELOADS, "outcome" => outcome).increment(1);
}

/// Records whether the policy file differs from the policy in force.
pub fn policy_is_stale(stale: bool) {
    gauge!(metrics::POLICY_STALE).set(f64::from(u8::from(stale)));
}

/// Counts a reload of a changed certificate, by outcome (`applied`, `refused`).
pub fn certificate_reloaded(outcome: &'static str) {
    counter!(metrics::TLS_RELOADS, "outcome" => outcome).increment(1);
}

/// Records whether the certificate's files differ from the certificate in force.
pub fn certificate_is_stale(stale: bool) {
    gauge!(metrics::TLS_STALE).set(f64::from(u8::from(stale)));
}

/// Counts a TLS handshake that failed.
pub fn handshake_failed() {
    counter!(metrics::TLS_HANDSHAKE_FAILURES).increment(1);
}

/// Counts a connection that was opened.
pub fn connection_opened() {
    gauge!(metrics::HTTP_CONNECTIONS).increment(1.0);
}

/// Counts the end of a connection that was opened.
pub fn connection_closed() {
    gauge!(metrics::HTTP_CONNECTIONS).decrement(1.0);
}

/// Counts a connection that was closed, refused or answered 503 because of a limit.
pub fn connection_shed(reason: &'static str) {
    counter!(metrics::HTTP_CONNECTIONS_SHED, "reason" => reason).increment(1);
}

/// Counts an answer that was dropped because its client did not read it in time.
pub fn response_abandoned() {
    counter!(metrics::HTTP_ANSWERS_UNREAD).increment(1);
}

/// Counts a failed call of a store or database.
pub fn unavailable(fault: &Unavailable) {
    // Failures of the authorization server are counted in `upstream_request`, with their outcome. A failure
    // inside this process is a 500, and no outage that the alert of the stores is about.
    if matches!(
        fault.component(),
        GatewayComponent::Store | GatewayComponent::Database
    ) {
        counter!(metrics::STORE_ERRORS, "component" => fault.component().as_str()).increment(1);
    }
}

/// Counts an acknowledged revocation, by reason.
pub fn revoked(reason: &'static str) {
    counter!(metrics::REVOCATIONS, "reason" => reason).increment(1);
}

/// Counts a created session.
pub fn session_created() {
    counter!(metrics::SESSIONS_BEGUN).increment(1);
}

/// Counts an ended session. That it is a revocation too is an event of its own.
pub fn session_ended() {
    counter!(metrics::SESSIONS_ENDED).increment(1);
}

/// Records the number of places that unproven tokens take (`REVOKE_UNPROVEN_MAX`).
pub fn unproven_tokens_held(places: u64) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float, and the set is bounded"
    )]
    gauge!(metrics::UNPROVEN_TOKENS).set(places as f64);
}

/// Counts a revocation that found no free place among the unproven tokens.
pub fn unproven_limit_reached() {
    counter!(metrics::UNPROVEN_OVER_BOUND).increment(1);
}

/// Counts the unproven tokens that were checked again, by outcome.
pub fn unproven_settled(settled: &SettleSummary) {
    let outcomes = [
        ("proven", settled.proven),
        ("unknown", settled.unknown),
        ("waiting", settled.waiting),
        ("unanswered", settled.unanswered),
    ];
    for (outcome, tokens) in outcomes {
        counter!(metrics::UNPROVEN_SETTLED, "outcome" => outcome).increment(tokens as u64);
    }
}

/// Records the number of revocations that wait for delivery to the authorization server.
pub fn outbox_backlog(waiting: u64) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float, and the backlog is small"
    )]
    gauge!(metrics::OUTBOX_BACKLOG).set(waiting as f64);
}

/// Records the number of requests that wait for an exchange of a code or a refresh token.
pub fn token_exchange_waiters(waiting: usize) {
    gauge!(metrics::TOKEN_EXCHANGE_WAITERS).set(u32::try_from(waiting).unwrap_or(u32::MAX));
}
