//! Propagations in progress: journal lines that are being brought into force on every instance. A repeated
//! request waits for the propagation that has begun.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::journal_entry::JournalLine;
use crate::unavailable::Unavailable;

/// Result of a propagation; `None` while it runs.
type PropagationState = Option<Result<(), Unavailable>>;

/// Waiter's handle on a propagation in progress.
#[derive(Clone)]
pub(super) struct PropagationOutcome(watch::Receiver<PropagationState>);

impl PropagationOutcome {
    /// Waits for the end of the propagation.
    pub(super) async fn wait(mut self) -> Result<(), Unavailable> {
        let ended = self.0.wait_for(Option::is_some).await;
        let outcome = ended.ok().and_then(|state| state.clone());
        // The sender was dropped without a result: its task has panicked or was cancelled. Nothing is
        // acknowledged then.
        outcome.unwrap_or_else(|| Err(Unavailable::store("the propagation ended without a result")))
    }
}

/// Propagations of this instance that have not ended, by the journal position of each line.
#[derive(Default)]
pub(super) struct PropagationRegistry {
    in_flight: Mutex<HashMap<i64, PropagationOutcome>>,
}

impl PropagationRegistry {
    /// Registers a propagation of these lines, until [`InFlightPropagation::finish`] or until it is dropped.
    pub(super) fn begin(self: &Arc<Self>, lines: &[JournalLine]) -> InFlightPropagation {
        let (state, outcome) = watch::channel(None);
        let outcome = PropagationOutcome(outcome);
        let positions: Vec<_> = lines.iter().map(|line| line.position).collect();
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        // A propagation that is registered already for a line loses it to this one; its own waiters keep
        // their handles.
        in_flight.extend(positions.iter().map(|position| (*position, outcome.clone())));
        drop(in_flight);
        InFlightPropagation {
            registry: Arc::clone(self),
            positions,
            outcome,
            state,
        }
    }

    /// Returns the propagation of the line at this journal position, if one is in progress.
    pub(super) fn find(&self, position: i64) -> Option<PropagationOutcome> {
        let in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.get(&position).cloned()
    }
}

/// A registered propagation.
pub(super) struct InFlightPropagation {
    registry: Arc<PropagationRegistry>,
    positions: Vec<i64>,
    outcome: PropagationOutcome,
    state: watch::Sender<PropagationState>,
}

impl InFlightPropagation {
    /// Returns a handle to wait for the result.
    pub(super) fn outcome(&self) -> PropagationOutcome {
        self.outcome.clone()
    }

    /// Ends the propagation and passes the result to all waiters.
    pub(super) fn finish(self, outcome: Result<(), Unavailable>) {
        // `send_replace` and not `send`: it stores the result even if no waiter exists.
        self.state.send_replace(Some(outcome));
    }
}

impl Drop for InFlightPropagation {
    fn drop(&mut self) {
        let mut in_flight = self
            .registry
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for position in &self.positions {
            // A later propagation of the same line may have been registered since; it stays.
            if in_flight
                .get(position)
                .is_some_and(|other| other.0.same_channel(&self.outcome.0))
            {
                in_flight.remove(position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::{JournalEntry, Revocation, RevocationReason};
    use crate::verdict::RevocationKey;

    fn line(position: i64) -> JournalLine {
        let revocation = Revocation {
            key: RevocationKey::Session("s".into()),
            cutoff: None,
            reason: RevocationReason::Logout,
            revoked_at: jiff::Timestamp::UNIX_EPOCH,
            expires_at: jiff::Timestamp::MAX,
            token_expires_at: None,
            subject: None,
        };
        JournalLine {
            position,
            entry: JournalEntry::Revoked(revocation),
        }
    }

    #[tokio::test]
    async fn a_propagation_is_joined_until_it_ends_and_does_not_end_a_later_one() {
        let registry = Arc::new(PropagationRegistry::default());
        assert!(registry.find(1).is_none());
        let first = registry.begin(&[line(1), line(2)]);
        let joined = registry.find(1).unwrap();
        let second = registry.begin(&[line(2)]);
        first.finish(Ok(()));
        assert!(joined.wait().await.is_ok());
        assert!(registry.find(1).is_none());
        let joined = registry.find(2).unwrap();
        drop(second);
        assert!(
            joined.wait().await.is_err(),
            "a dropped propagation acknowledges nothing"
        );
        assert!(registry.find(2).is_none());
    }
}
