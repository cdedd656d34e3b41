//! The lease of one instance, as a pure state machine: what the instance has applied, and until when it may
//! answer from its own memory. No clock and no I/O. `docs/REVOCATION.md` states the protocol and proves it.

/// A time on the instance's own monotonic clock, in microseconds.
pub type MonotonicMicros = u64;

/// Number of an entry on the stream of revocations. Within a term the numbers have no gap and begin with 1.
pub type StreamPosition = u64;

/// Action that an entry from the stream requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEntryAction {
    /// The next entry: put it into the replica, then call [`LeaseState::mark_applied`].
    Apply,
    /// An entry that is in the replica already.
    AlreadyApplied,
    /// Earlier entries are missing: the instance must join again.
    Gap,
}

/// A renewal that the store has granted. It counts only once everything up to `required_position` is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PendingRenewal {
    sent_at: MonotonicMicros,
    required_position: StreamPosition,
}

/// State of one instance's lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseState {
    /// Duration of a lease.
    lease: MonotonicMicros,
    /// Number of the adopted term.
    term: Option<u64>,
    /// Position up to which the replica is complete, or will be when the snapshot is loaded. `None` before a
    /// join begins.
    applied: Option<StreamPosition>,
    /// True once the snapshot of the current join is in the replica.
    is_loaded: bool,
    pending_renewals: Vec<PendingRenewal>,
    lease_until: MonotonicMicros,
    confirmed_until: MonotonicMicros,
}

impl LeaseState {
    /// State of an instance that has adopted no term. Its leases last `lease` microseconds.
    pub fn new(lease: MonotonicMicros) -> Self {
        Self {
            lease,
            term: None,
            applied: None,
            is_loaded: false,
            pending_renewals: Vec::new(),
            lease_until: 0,
            confirmed_until: 0,
        }
    }

    /// Adopts a term whose data set holds everything that the journal holds. A lease of another term is void.
    pub fn adopt_term(&mut self, term: u64) {
        if self.term != Some(term) {
            self.invalidate();
            self.term = Some(term);
        }
    }

    /// Drops the term, because the store has another data set or has lost entries.
    pub fn invalidate(&mut self) {
        *self = Self::new(self.lease);
    }

    /// Begins to join at `position`, which is read before the snapshot. Does nothing if another term was
    /// adopted meanwhile.
    pub fn begin_join(&mut self, term: u64, position: StreamPosition) {
        if self.term == Some(term) {
            self.leave_stream();
            // No answers from memory until the snapshot is loaded: it may bring a cut-off before the
            // exemptions from it.
            self.lease_until = 0;
            self.applied = Some(position);
        }
    }

    /// Leaves the stream: from now on the replica may lack published entries.
    pub fn leave_stream(&mut self) {
        // `lease_until` stays: every revoker waits for the lease that was granted.
        self.applied = None;
        self.is_loaded = false;
        self.pending_renewals.clear();
    }

    /// Records that the snapshot, read after [`begin_join`](Self::begin_join), is in the replica.
    pub fn mark_loaded(&mut self) {
        // `None` if the stream was left while the snapshot was read: that snapshot belongs to no join.
        self.is_loaded = self.applied.is_some();
        self.grant_pending_renewals();
    }

    /// Returns what to do with an entry at `position` whose predecessor on the stream is at `before`.
    pub fn classify_entry(&self, before: StreamPosition, position: StreamPosition) -> StreamEntryAction {
        match self.applied {
            Some(applied) if position <= applied => StreamEntryAction::AlreadyApplied,
            // Not `==`: of this instance's own batch, the stream may have delivered a part already.
            Some(applied) if before <= applied => StreamEntryAction::Apply,
            _ => StreamEntryAction::Gap,
        }
    }

    /// Records that this instance's own entries, after `before` and up to `position`, are in the replica.
    pub fn mark_published(&mut self, before: StreamPosition, position: StreamPosition) {
        if self.classify_entry(before, position) == StreamEntryAction::Apply {
            self.mark_applied(position);
        }
    }

    /// Records that everything up to `position` is in the replica.
    pub fn mark_applied(&mut self, position: StreamPosition) {
        if let Some(applied) = &mut self.applied {
            // Own entries and the stream report independently, so a lower position may come later.
            *applied = position.max(*applied);
            self.grant_pending_renewals();
        }
    }

    /// Records the store's answer to a renewal under `term` that was sent at `sent_at`. `position` is the
    /// last entry on the stream at that time. `reported` is the applied position that the renewal carried, if
    /// the store recorded this instance as a lease holder, so that revokers wait for it. Returns `false` if
    /// `position` is lower than `reported`: the store has lost entries, and the term is over.
    #[must_use]
    pub fn record_renewal(
        &mut self,
        term: u64,
        sent_at: MonotonicMicros,
        reported: Option<StreamPosition>,
        position: StreamPosition,
    ) -> bool {
        // An answer from an earlier term proves nothing about the current one.
        if self.term != Some(term) {
            return true;
        }
        // Compared with the reported position and not with `applied`: entries that were applied after the
        // renewal was sent may be newer than the store's answer.
        if reported.is_some_and(|reported| position < reported) {
            self.invalidate();
            return false;
        }
        // From `sent_at`, not from the answer: store and register may have answered right after it was sent
        // (I1).
        self.confirmed_until = self.confirmed_until.max(sent_at.saturating_add(self.lease));
        if reported.is_some() && self.applied.is_some() {
            self.pending_renewals.push(PendingRenewal {
                sent_at,
                required_position: position,
            });
            self.grant_pending_renewals();
        }
        true
    }

    /// Returns true if the replica may answer at `now`.
    pub fn may_answer(&self, now: MonotonicMicros) -> bool {
        now < self.lease_until
    }

    /// Returns true if direct reads of the store count: at most one lease ago, its data set was the one in
    /// the journal's register.
    pub fn is_confirmed(&self, now: MonotonicMicros) -> bool {
        now < self.confirmed_until
    }

    /// Time until which the replica may answer; 0 if it may not.
    pub fn lease_until(&self) -> MonotonicMicros {
        self.lease_until
    }

    /// Time until which direct reads of the store count; 0 if they do not.
    pub fn confirmed_until(&self) -> MonotonicMicros {
        self.confirmed_until
    }

    /// Number of the adopted term.
    pub fn term(&self) -> Option<u64> {
        self.term
    }

    /// Returns true if the instance follows the stream of this term.
    pub fn is_following(&self, term: u64) -> bool {
        self.term == Some(term) && self.applied.is_some()
    }

    /// Position up to which the replica is complete; `None` while it is not. Only this position may be
    /// reported: any other would end the others' wait while a lease without the entry is still valid.
    pub fn complete_position(&self) -> Option<StreamPosition> {
        self.applied.filter(|_| self.is_loaded)
    }

    /// Extends the lease by every renewal whose required position is applied. Everything that was
    /// acknowledged before such a renewal is in the replica then, and every later revoker waits for this
    /// lease.
    fn grant_pending_renewals(&mut self) {
        let Some(applied) = self.applied.filter(|_| self.is_loaded) else {
            return;
        };
        // Borrowed by field: `retain` holds `pending_renewals` mutably.
        let (lease, until) = (self.lease, &mut self.lease_until);
        self.pending_renewals.retain(|renewal| {
            let granted = renewal.required_position <= applied;
            if granted {
                *until = (*until).max(renewal.sent_at.saturating_add(lease));
            }
            !granted
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined() -> LeaseState {
        let mut state = LeaseState::new(100);
        state.adopt_term(1);
        state.begin_join(1, 5);
        state.mark_loaded();
        state
    }

    #[test]
    fn a_renewal_counts_from_when_it_was_sent() {
        let mut state = joined();
        assert!(!state.may_answer(0));
        assert!(state.record_renewal(1, 1_000, Some(5), 5));
        assert!(state.may_answer(1_099));
        assert!(!state.may_answer(1_100));
    }

    #[test]
    fn a_renewal_counts_once_what_the_store_held_then_is_applied() {
        let mut state = joined();
        assert!(state.record_renewal(1, 1_000, Some(5), 7));
        assert!(!state.may_answer(1_001));
        assert_eq!(state.classify_entry(5, 6), StreamEntryAction::Apply);
        state.mark_applied(6);
        assert!(!state.may_answer(1_001));
        state.mark_applied(7);
        assert!(state.may_answer(1_001));
    }

    #[test]
    fn nothing_is_answered_before_the_snapshot_is_loaded() {
        let mut state = LeaseState::new(100);
        state.adopt_term(1);
        state.begin_join(1, 5);
        assert!(state.record_renewal(1, 1_000, Some(5), 5));
        assert!(!state.may_answer(1_001));
        assert!(state.is_confirmed(1_001));
        state.mark_loaded();
        assert!(state.may_answer(1_001));
    }

    #[test]
    fn a_renewal_that_the_store_did_not_record_is_no_lease() {
        let mut state = joined();
        assert!(state.record_renewal(1, 1_000, None, 5));
        assert!(state.is_confirmed(1_001));
        assert!(!state.may_answer(1_001));
    }

    #[test]
    fn a_gap_is_detected_and_a_repeated_entry_is_not_one() {
        let mut state = joined();
        assert_eq!(state.classify_entry(6, 7), StreamEntryAction::Gap);
        assert_eq!(state.classify_entry(4, 5), StreamEntryAction::AlreadyApplied);
        state.leave_stream();
        assert_eq!(state.classify_entry(5, 6), StreamEntryAction::Gap);
    }

    #[test]
    fn a_store_behind_what_was_applied_has_lost_something() {
        let mut state = joined();
        assert!(state.record_renewal(1, 1_000, Some(5), 5));
        assert!(!state.record_renewal(1, 1_050, Some(5), 4));
        assert!(!state.may_answer(1_051));
        assert!(!state.is_confirmed(1_051));
    }

    #[test]
    fn an_entry_applied_while_a_renewal_is_in_flight_is_no_loss() {
        let mut state = joined();
        state.mark_applied(6);
        assert!(
            state.record_renewal(1, 1_000, Some(5), 5),
            "the store answered before 6 was published"
        );
        assert!(state.may_answer(1_001));
    }

    #[test]
    fn a_join_of_an_earlier_term_does_not_begin() {
        let mut state = joined();
        state.adopt_term(2);
        state.begin_join(1, 5);
        assert_eq!(state.term(), Some(2));
        state.mark_loaded();
        assert_eq!(state.complete_position(), None);
    }

    #[test]
    fn another_term_voids_the_lease() {
        let mut state = joined();
        assert!(state.record_renewal(1, 1_000, Some(5), 5));
        state.adopt_term(2);
        assert!(!state.may_answer(1_001));
        assert!(
            state.record_renewal(1, 1_001, Some(5), 5),
            "a renewal of the old term proves nothing"
        );
        assert!(!state.is_confirmed(1_002));
    }
}
