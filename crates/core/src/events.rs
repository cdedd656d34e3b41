//! Events: what the gate and the use cases report, and the only source of their metrics and log lines
//! (decision 27).

use std::time::Duration;

use crate::audit::AuditEvent;
use crate::verdict::RevocationReason;

/// Result of one round of settling: number of tokens by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettleSummary {
    /// Tokens that are proven now, and revoked like any other.
    pub proven: usize,
    /// Unknown tokens. They are refused until their journal line expires.
    pub unknown: usize,
    /// Tokens that are checked again later, when the key that they name may be known.
    pub waiting: usize,
    /// Tokens about which the authorization server did not answer.
    pub unanswered: usize,
}

/// Outcome of a refresh ahead of a cached verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshAheadOutcome {
    /// Token that is accepted again. The verdict is cached for another period.
    Verified,
    /// Token that is rejected from now on.
    Rejected,
    /// Layer that did not answer. The old verdict is valid until its expiry.
    Unavailable,
    /// No layer was asked: the token is revoked, or another request has verified it meanwhile.
    Skipped,
}

/// Something that happened in the gate or in a use case.
///
/// An event is reported once, whichever entry point caused it: HTTP, the command line or background work.
#[derive(Clone, Copy, Debug)]
pub enum GatewayEvent<'e> {
    /// Write of the gate that every instance has acknowledged.
    WriteAcknowledged {
        /// Time from its arrival to its acknowledgement.
        took: Duration,
    },
    /// Acknowledged revocation: of one session with its tokens, of one token by itself, or of a cut-off.
    Revoked {
        /// Reason of the revocation.
        reason: RevocationReason,
    },
    /// Session that a login created.
    SessionCreated,
    /// Active session that was ended and is no longer in the store.
    SessionEnded {
        /// Reason of its end.
        reason: RevocationReason,
    },
    /// Audit event that is recorded without a revocation.
    Audited(&'e AuditEvent),
    /// Cached verdict that was due for a refresh ahead of its expiry.
    VerdictRefreshed(RefreshAheadOutcome),
    /// Unproven tokens that were checked again.
    UnprovenSettled(&'e SettleSummary),
    /// Number of places that unproven tokens take now.
    UnprovenPlaces(u64),
    /// Revocation that found no free place among the unproven tokens.
    UnprovenLimitReached,
    /// Recorded revocations that the reconciler brought into force, by the number of their journal lines.
    RevocationsReconciled(usize),
}

/// Receiver of the events. It must not block: the gate and the use cases call it while a client waits.
///
/// An event is an observation and no record. What must not be lost (the audit) is written by the use case in
/// the transaction of the revocation.
pub trait GatewayEvents: Send + Sync {
    /// Takes one event.
    fn record(&self, event: GatewayEvent<'_>);
}

/// Receiver that drops every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct IgnoredEvents;

impl GatewayEvents for IgnoredEvents {
    fn record(&self, _: GatewayEvent<'_>) {}
}
