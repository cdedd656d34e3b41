//! Series that exist from the start, with the value 0.

use maxlab_auth_core::access::RefusalReason;
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::unavailable::GatewayComponent;
use maxlab_auth_core::verdict::RevocationReason;
use maxlab_auth_listener::ShedReason;
use metrics::{counter, gauge};

use super::{
    HTTP_ANSWERS_UNREAD, HTTP_CONNECTIONS, HTTP_CONNECTIONS_SHED, HTTP_REQUESTS_IN_FLIGHT, OUTBOX_BACKLOG,
    POLICY_RELOADS, POLICY_STALE, REFUSALS, RENEWALS, REVOCATIONS, SESSIONS_BEGUN, SESSIONS_ENDED,
    STORE_ERRORS, TLS_HANDSHAKE_FAILURES, TLS_RELOADS, TLS_STALE, UNPROVEN_OVER_BOUND, UNPROVEN_SETTLED,
    UNPROVEN_TOKENS, UPSTREAM_REQUESTS, VERIFICATIONS,
};
use crate::upstream::{AuthServerEndpoint, RequestOutcome};

/// Creates every series with the value 0.
///
/// A counter that first appears with the value 1 shows no increase to Prometheus (`rate`, `increase`).
pub(super) fn register_zero_series() {
    for endpoint in AuthServerEndpoint::ALL {
        for outcome in RequestOutcome::ALL {
            let (endpoint, outcome) = (endpoint.as_str(), outcome.as_str());
            counter!(UPSTREAM_REQUESTS, "endpoint" => endpoint, "outcome" => outcome).increment(0);
        }
    }
    for source in VerificationSource::ALL {
        counter!(VERIFICATIONS, "layer" => source.as_str(), "outcome" => "verified").increment(0);
    }
    for outcome in ["verified", "rejected", "unavailable", "needless"] {
        counter!(RENEWALS, "outcome" => outcome).increment(0);
    }
    for reason in RevocationReason::ALL {
        counter!(REVOCATIONS, "reason" => reason.as_str()).increment(0);
    }
    for gauge in [
        OUTBOX_BACKLOG,
        POLICY_STALE,
        TLS_STALE,
        HTTP_CONNECTIONS,
        HTTP_REQUESTS_IN_FLIGHT,
    ] {
        gauge!(gauge).increment(0.0);
    }
    for component in [GatewayComponent::Store, GatewayComponent::Database] {
        counter!(STORE_ERRORS, "component" => component.as_str()).increment(0);
    }
    for reason in RefusalReason::ALL {
        counter!(REFUSALS, "reason" => reason.as_str()).increment(0);
    }
    counter!(SESSIONS_BEGUN).increment(0);
    counter!(SESSIONS_ENDED).increment(0);
    counter!(TLS_HANDSHAKE_FAILURES).increment(0);
    for outcome in ["applied", "refused"] {
        counter!(POLICY_RELOADS, "outcome" => outcome).increment(0);
        counter!(TLS_RELOADS, "outcome" => outcome).increment(0);
    }
    counter!(HTTP_ANSWERS_UNREAD).increment(0);
    for reason in ShedReason::ALL {
        counter!(HTTP_CONNECTIONS_SHED, "reason" => reason.as_str()).increment(0);
    }
    counter!(UNPROVEN_OVER_BOUND).increment(0);
    gauge!(UNPROVEN_TOKENS).set(0.0);
    for outcome in ["proven", "unknown", "waiting", "unanswered"] {
        counter!(UNPROVEN_SETTLED, "outcome" => outcome).increment(0);
    }
}
