//! One instance's part in the protocol, as a pure state machine: what it has applied, and until when it may answer from
//! its own memory. It has no clock and no I/O; `docs/REVOCATION.md` states the protocol and why it holds.

/// A moment on the instance's own monotonic clock, in microseconds.
pub type Tick = u64;

/// A place on the stream of revocations. Within a term the entries are numbered without a gap, from 1.
pub type Position = u64;

/// What becomes of an entry that the stream delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the next one: put it into the replica, then call [`Member::applied`].
    Apply,
    /// It was applied before.
    Known,
    /// Entries before it are missing: the instance has to join again.
    Gap,
}

/// A renewal that the store has granted and that counts only once everything up to `behind` is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Owed {
    sent_at: Tick,
    behind: Position,
}

/// One instance's part in the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    lease: Tick,
    /// The number of the term that it has adopted.
    term: Option<u64>,
    /// Everything up to here is in the replica, or will be when the snapshot is loaded; `None` before a join begins.
    applied: Option<Position>,
    loaded: bool,
    owed: Vec<Owed>,
    lease_until: Tick,
    confirmed_until: Tick,
}

impl Member {
    /// An instance whose leases last `lease` microseconds and that has adopted nothing yet.
    pub fn new(lease: Tick) -> Self {
        Self {
            lease,
            term: None,
            applied: None,
            loaded: false,
            owed: Vec::new(),
            lease_until: 0,
            confirmed_until: 0,
        }
    }

    /// Adopts a term whose data set holds all that the journal does. What was leased under another one is void.
    pub fn adopt(&mut self, term: u64) {
        if self.term != Some(term) {
            self.void();
            self.term = Some(term);
        }
    }

    /// Gives up the term: the store shows another data set, or one that lost something.
    pub fn void(&mut self) {
        *self = Self::new(self.lease);
    }

    /// Begins to join at a position that was read before the snapshot is, unless another term was adopted meanwhile. The
    /// lease is gone until the join is through: a snapshot may bring a cut-off before what is exempt from it.
    pub fn begin(&mut self, term: u64, position: Position) {
        if self.term == Some(term) {
            self.leave();
            self.lease_until = 0;
            self.applied = Some(position);
        }
    }

    /// Leaves the stream: what is in memory may lack what is published from now on. A lease holds for as long as it was
    /// granted, since whoever revokes waits for it.
    pub fn leave(&mut self) {
        self.applied = None;
        self.loaded = false;
        self.owed.clear();
    }

    /// The snapshot, read after [`begin`](Self::begin), is in the replica.
    pub fn loaded(&mut self) {
        self.loaded = self.applied.is_some();
        self.settle();
    }

    /// Looks at a delivered entry, whose predecessor on the stream is `before`.
    pub fn take(&self, before: Position, position: Position) -> Taken {
        match self.applied {
            Some(applied) if position <= applied => Taken::Known,
            Some(applied) if before <= applied => Taken::Apply,
            _ => Taken::Gap,
        }
    }

    /// Entries that this instance published itself, behind `before` and up to `position`, are in the replica.
    pub fn published(&mut self, before: Position, position: Position) {
        if self.take(before, position) == Taken::Apply {
            self.applied(position);
        }
    }

    /// Everything up to `position` is in the replica.
    pub fn applied(&mut self, position: Position) {
        if let Some(applied) = &mut self.applied {
            *applied = position.max(*applied);
            self.settle();
        }
    }

    /// The store answered a renewal under `term` that was sent at `sent_at`, and stood at `position` then. `told` is up to
    /// where it was told that this instance has applied the stream, if it wrote down that this instance holds a lease, so
    /// that whoever revokes waits for it. `false` if it stands before that: it lost something, and the term is over. (What
    /// was applied since the renewal was sent says nothing: the store may have answered before.)
    #[must_use]
    pub fn renewed(&mut self, term: u64, sent_at: Tick, told: Option<Position>, position: Position) -> bool {
        if self.term != Some(term) {
            return true;
        }
        if told.is_some_and(|told| position < told) {
            self.void();
            return false;
        }
        self.confirmed_until = self.confirmed_until.max(sent_at.saturating_add(self.lease));
        if told.is_some() && self.applied.is_some() {
            self.owed.push(Owed {
                sent_at,
                behind: position,
            });
            self.settle();
        }
        true
    }

    /// Whether the replica may answer at this moment. It looks at the instance's own clock only.
    pub fn may_answer(&self, now: Tick) -> bool {
        now < self.lease_until
    }

    /// Whether the store may be asked directly: its data set was the journal's a lease ago at most.
    pub fn is_confirmed(&self, now: Tick) -> bool {
        now < self.confirmed_until
    }

    /// Until when the replica may answer; 0 if it may not.
    pub fn lease_until(&self) -> Tick {
        self.lease_until
    }

    /// Until when the store may be asked directly; 0 if it may not.
    pub fn confirmed_until(&self) -> Tick {
        self.confirmed_until
    }

    /// The number of the term that was adopted.
    pub fn term(&self) -> Option<u64> {
        self.term
    }

    /// Whether it follows the stream of this term.
    pub fn follows(&self, term: u64) -> bool {
        self.term == Some(term) && self.applied.is_some()
    }

    /// Up to where the stream is applied, which is what others may be told; `None` while the replica is not complete:
    /// to say more then would end their wait for a lease that is still held.
    pub fn position(&self) -> Option<Position> {
        self.applied.filter(|_| self.loaded)
    }

    /// Renewals count from when they were sent, and only once all that the store held then is applied: whatever was
    /// acknowledged before is in the replica, and whoever revokes afterwards waits for this lease.
    fn settle(&mut self) {
        let Some(applied) = self.applied.filter(|_| self.loaded) else {
            return;
        };
        let (lease, until) = (self.lease, &mut self.lease_until);
        self.owed.retain(|owed| {
            let settled = owed.behind <= applied;
            if settled {
                *until = (*until).max(owed.sent_at.saturating_add(lease));
            }
            !settled
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined() -> Member {
        let mut member = Member::new(100);
        member.adopt(1);
        member.begin(1, 5);
        member.loaded();
        member
    }

    #[test]
    fn a_renewal_counts_from_when_it_was_sent() {
        let mut member = joined();
        assert!(!member.may_answer(0));
        assert!(member.renewed(1, 1_000, Some(5), 5));
        assert!(member.may_answer(1_099));
        assert!(!member.may_answer(1_100));
    }

    #[test]
    fn a_renewal_counts_once_what_the_store_held_then_is_applied() {
        let mut member = joined();
        assert!(member.renewed(1, 1_000, Some(5), 7));
        assert!(!member.may_answer(1_001));
        assert_eq!(member.take(5, 6), Taken::Apply);
        member.applied(6);
        assert!(!member.may_answer(1_001));
        member.applied(7);
        assert!(member.may_answer(1_001));
    }

    #[test]
    fn nothing_is_answered_before_the_snapshot_is_loaded() {
        let mut member = Member::new(100);
        member.adopt(1);
        member.begin(1, 5);
        assert!(member.renewed(1, 1_000, Some(5), 5));
        assert!(!member.may_answer(1_001));
        assert!(member.is_confirmed(1_001));
        member.loaded();
        assert!(member.may_answer(1_001));
    }

    #[test]
    fn what_was_not_written_down_as_a_lease_is_none() {
        let mut member = joined();
        assert!(member.renewed(1, 1_000, None, 5));
        assert!(member.is_confirmed(1_001));
        assert!(!member.may_answer(1_001));
    }

    #[test]
    fn a_gap_is_seen_and_a_repeat_is_not_one() {
        let mut member = joined();
        assert_eq!(member.take(6, 7), Taken::Gap);
        assert_eq!(member.take(4, 5), Taken::Known);
        member.leave();
        assert_eq!(member.take(5, 6), Taken::Gap);
    }

    #[test]
    fn a_store_behind_what_was_applied_has_lost_something() {
        let mut member = joined();
        assert!(member.renewed(1, 1_000, Some(5), 5));
        assert!(!member.renewed(1, 1_050, Some(5), 4));
        assert!(!member.may_answer(1_051));
        assert!(!member.is_confirmed(1_051));
    }

    #[test]
    fn what_was_applied_while_a_renewal_was_under_way_is_no_loss() {
        let mut member = joined();
        member.applied(6);
        assert!(
            member.renewed(1, 1_000, Some(5), 5),
            "the store answered before 6 was published"
        );
        assert!(member.may_answer(1_001));
    }

    #[test]
    fn a_join_of_an_earlier_term_does_not_begin() {
        let mut member = joined();
        member.adopt(2);
        member.begin(1, 5);
        assert_eq!(member.term(), Some(2));
        member.loaded();
        assert_eq!(member.position(), None);
    }

    #[test]
    fn another_term_voids_the_lease() {
        let mut member = joined();
        assert!(member.renewed(1, 1_000, Some(5), 5));
        member.adopt(2);
        assert!(!member.may_answer(1_001));
        assert!(
            member.renewed(1, 1_001, Some(5), 5),
            "a renewal of the old term says nothing"
        );
        assert!(!member.is_confirmed(1_002));
    }
}
