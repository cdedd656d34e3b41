//! Metrics and log lines of the gate and the use cases. They are made here and from events only (decision 27).

use maxlab_auth_core::audit::AuditEvent;
use maxlab_auth_core::events::{GatewayEvent, GatewayEvents};

use crate::{metrics, record};

/// Receiver that counts every event, and logs those that an operator wants to see.
#[derive(Clone, Copy, Debug)]
pub struct ObservedEvents;

impl GatewayEvents for ObservedEvents {
    fn record(&self, event: GatewayEvent<'_>) {
        match event {
            GatewayEvent::WriteAcknowledged { took } => metrics::revocation::record_acknowledged(took),
            GatewayEvent::Revoked { reason } => record::revoked(reason.as_str()),
            GatewayEvent::SessionCreated => record::session_created(),
            GatewayEvent::SessionEnded { .. } => record::session_ended(),
            GatewayEvent::Audited(event) => log_audit_event(event),
            GatewayEvent::VerdictRefreshed(outcome) => record::verdict_refreshed(outcome),
            GatewayEvent::UnprovenSettled(settled) => record::unproven_settled(settled),
            GatewayEvent::UnprovenPlaces(places) => record::unproven_tokens_held(places),
            GatewayEvent::UnprovenLimitReached => {
                record::unproven_limit_reached();
                tracing::warn!("revocation of unproven token refused, REVOKE_UNPROVEN_MAX reached");
            }
            GatewayEvent::RevocationsReconciled(lines) => {
                tracing::info!(lines, "unfinished revocations completed");
            }
        }
    }
}

/// Logs an audit event. The audit table gets it from the use case.
fn log_audit_event(event: &AuditEvent) {
    tracing::info!(
        kind = event.kind.as_str(),
        result = event.result.as_str(),
        user_id = event.subject.as_ref().map(tracing::field::display),
        target = event.target,
        request_id = event.request_id,
        "audit"
    );
}
