//! Metrics of the fast path. Their names and labels are those of the router (`layers::observe`).

use std::time::Instant;

use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::verdict::ActiveCredential;
use metrics::{Counter, Histogram, counter, histogram};

use super::VERIFY_ROUTE;
use crate::metrics::{HTTP_REQUEST_DURATION, HTTP_REQUESTS, VERIFICATIONS};

/// Handles to the metrics of an answer, looked up once.
pub(super) struct FastPathMetrics {
    requests: Counter,
    duration: Histogram,
    verified: Vec<(VerificationSource, Counter)>,
}

impl std::fmt::Debug for FastPathMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FastPathMetrics").finish_non_exhaustive()
    }
}

impl FastPathMetrics {
    pub(super) fn new() -> Self {
        let verified = VerificationSource::ALL.into_iter().map(|source| {
            let layer = source.as_str();
            (
                source,
                counter!(VERIFICATIONS, "layer" => layer, "outcome" => "verified"),
            )
        });
        Self {
            requests: counter!(HTTP_REQUESTS, "method" => "GET", "route" => VERIFY_ROUTE, "status" => "2xx"),
            duration: histogram!(HTTP_REQUEST_DURATION, "method" => "GET", "route" => VERIFY_ROUTE),
            verified: verified.collect(),
        }
    }

    /// Counts an answer, and its verification if there is a credential.
    pub(super) fn record(&self, active: Option<&ActiveCredential>, received_at: Instant) {
        let layer = active.map(ActiveCredential::source);
        // A search in four entries is cheaper than a lookup in the registry.
        let verified = self.verified.iter().find(|(source, _)| Some(*source) == layer);
        if let Some((_, counter)) = verified {
            counter.increment(1);
        }
        self.requests.increment(1);
        self.duration.record(received_at.elapsed());
    }
}
