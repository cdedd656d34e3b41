//! What the gateway counts of its own doings, in the words of [`crate::metrics`].

use std::time::Duration;

use ::metrics::{counter, gauge, histogram};
use maxlab_auth_core::engine::AuthFault;
use maxlab_auth_core::unavailable::{Component, Unavailable};
use maxlab_auth_core::verify::Renewed;

use crate::metrics;

/// A request to the authorization server was answered, or not.
pub fn upstream(endpoint: &'static str, outcome: &'static str, took: Duration) {
    counter!(metrics::UPSTREAM_REQUESTS, "endpoint" => endpoint, "outcome" => outcome).increment(1);
    histogram!(metrics::UPSTREAM_DURATION, "endpoint" => endpoint).record(took.as_secs_f64());
}

/// A credential was let in by a layer.
pub fn verified(layer: &'static str) {
    counter!(metrics::VERIFICATIONS, "layer" => layer, "outcome" => "verified").increment(1);
}

/// A remembered verdict was asked for again before it ran out.
pub fn renewed(renewed: Renewed) {
    let outcome = match renewed {
        Renewed::Verified => "verified",
        Renewed::Rejected => "rejected",
        Renewed::Unavailable => "unavailable",
        Renewed::Needless => "needless",
    };
    counter!(metrics::RENEWALS, "outcome" => outcome).increment(1);
}

/// A credential was refused, or nobody knew.
pub fn refused(fault: &AuthFault) {
    let reason = match fault {
        AuthFault::Rejected(_) => "rejected",
        AuthFault::TokenRevoked(_) => "token_revoked",
        AuthFault::SessionRevoked(_) => "session_revoked",
        AuthFault::NoSession => "invalid_session",
        AuthFault::Unavailable(_) => "unavailable",
    };
    counter!(metrics::REFUSALS, "reason" => reason).increment(1);
}

/// A request was refused by the policy, or because it could not be put to it.
pub fn refused_by_policy(reason: &'static str) {
    counter!(metrics::REFUSALS, "reason" => reason).increment(1);
}

/// A changed policy file was looked at.
pub fn policy_reloaded(outcome: &'static str) {
    counter!(metrics::POLICY_RELOADS, "outcome" => outcome).increment(1);
}

/// Whether the policy file is another than the one in force.
pub fn policy_is_stale(stale: bool) {
    gauge!(metrics::POLICY_STALE).set(f64::from(u8::from(stale)));
}

/// A changed certificate was looked at.
pub fn certificate_reloaded(outcome: &'static str) {
    counter!(metrics::TLS_RELOADS, "outcome" => outcome).increment(1);
}

/// Whether the certificate's files are others than those in force.
pub fn certificate_is_stale(stale: bool) {
    gauge!(metrics::TLS_STALE).set(f64::from(u8::from(stale)));
}

/// A client did not get through the handshake.
pub fn handshake_failed() {
    counter!(metrics::TLS_HANDSHAKE_FAILURES).increment(1);
}

/// A component did not answer.
pub fn unavailable(fault: &Unavailable) {
    if fault.component() != Component::Upstream {
        counter!(metrics::STORE_ERRORS, "component" => fault.component().as_str()).increment(1);
    }
}

/// Something was revoked.
pub fn revocation(reason: &'static str) {
    counter!(metrics::REVOCATIONS, "reason" => reason).increment(1);
}

/// A session began.
pub fn session_begun() {
    counter!(metrics::SESSIONS_BEGUN).increment(1);
}

/// A session was ended.
pub fn session_ended(reason: &'static str) {
    counter!(metrics::SESSIONS_ENDED).increment(1);
    revocation(reason);
}

/// So many revocations wait for the authorization server.
pub fn outbox_backlog(waiting: u64) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float, and the backlog is small"
    )]
    gauge!(metrics::OUTBOX_BACKLOG).set(waiting as f64);
}
