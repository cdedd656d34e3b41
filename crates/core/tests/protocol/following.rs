//! Joining and following the stream, with the steps of `revocation/follower.rs`.

use maxlab_auth_core::revocation::{StreamEntryAction, StreamPosition};

use crate::facts::Entry;
use crate::setup::{Bug, Setup};
use crate::world::{Join, World};

impl Setup {
    /// Reads the stream's last position.
    pub(crate) fn place(&self, world: &World, i: usize) -> Option<World> {
        let node = &world.nodes[i];
        let adopted = node
            .adopted
            .filter(|_| node.join == Join::Out && node.joins > 0)?;
        let store = world.reached(i)?;
        if !self.is_there(store, adopted.term.epoch) {
            return world.disprove(i, adopted.term);
        }
        let mut next = world.clone();
        next.nodes[i].joins -= 1;
        next.nodes[i].join = Join::Placed {
            term: adopted.term,
            at: store.last(),
        };
        // Without a loss, nothing that matters can happen between the two steps.
        if self.is_lossless() {
            self.open(&next, i)
        } else {
            Some(next)
        }
    }

    /// Opens the stream after that position. The join begins.
    pub(crate) fn open(&self, world: &World, i: usize) -> Option<World> {
        let Join::Placed { term, at } = world.nodes[i].join else {
            return None;
        };
        let store = world.reached(i)?;
        let mut next = world.clone();
        if self.is_there(store, term.epoch) {
            next.nodes[i].join = Join::Loading {
                term,
                cursor: at,
                read: None,
            };
            next.nodes[i].member.begin_join(term.number.into(), at);
        } else {
            next.leave(i);
        }
        Some(next)
    }

    /// Reads the first part of the snapshot: the cut-offs. They are not applied before the
    /// exemptions from them.
    pub(crate) fn read_half(&self, world: &World, i: usize) -> Option<World> {
        let Join::Loading {
            term,
            cursor,
            read: None,
        } = world.nodes[i].join
        else {
            return None;
        };
        let (cutoffs, _) = world.reached(i)?.facts.halves();
        let mut next = world.clone();
        let node = &mut next.nodes[i];
        if self.has(Bug::CutoffsBeforeSpares) {
            node.replica = node.replica.join(cutoffs);
        }
        node.join = Join::Loading {
            term,
            cursor,
            read: Some(cutoffs),
        };
        Some(next)
    }

    /// Reads the second part, checks that the data set is still the same, and applies the whole snapshot.
    pub(crate) fn load(&self, world: &World, i: usize) -> Option<World> {
        let Join::Loading {
            term,
            mut cursor,
            read: Some(read),
        } = world.nodes[i].join
        else {
            return None;
        };
        let store = world.reached(i)?;
        let mut next = world.clone();
        if !self.is_there(store, term.epoch) {
            next.leave(i);
            return Some(next);
        }
        let (_, rest) = store.facts.halves();
        let node = &mut next.nodes[i];
        // Also if the term has changed: applying more revocations is never wrong.
        node.replica = node.replica.join(rest).join(read);
        if node.member.term() != Some(term.number.into()) {
            next.leave(i);
            return Some(next);
        }
        if self.has(Bug::TailAfterSnapshot) {
            cursor = store.last();
            node.member.mark_applied(cursor);
        }
        node.member.mark_loaded();
        node.join = Join::Following {
            term,
            cursor,
            unapplied: None,
        };
        next.seen.joined_later |= term.number > 1;
        Some(next)
    }

    /// Delivers the next entry of the stream.
    pub(crate) fn deliver(&self, world: &World, i: usize) -> Option<World> {
        let (term, cursor) = match world.nodes[i].join {
            Join::Loading { term, cursor, .. } => (term, cursor),
            Join::Following {
                term,
                cursor,
                unapplied: None,
            } => (term, cursor),
            _ => return None,
        };
        let store = world.reached(i)?;
        if world.nodes[i].member.term() != Some(term.number.into()) || !self.is_there(store, term.epoch) {
            let mut next = world.clone();
            next.leave(i);
            return Some(next);
        }
        let (position, entry) = store.next(cursor)?;
        let mut next = world.clone();
        match world.nodes[i].member.classify_entry(position - 1, position) {
            StreamEntryAction::Gap if !self.has(Bug::GapIgnored) => next.leave(i),
            StreamEntryAction::AlreadyApplied => next.move_on(i, position),
            _ => self.apply(&mut next, i, position, entry),
        }
        Some(next)
    }

    /// Applies an entry. The replica comes first, and only then may the instance report the position.
    fn apply(&self, next: &mut World, i: usize, position: StreamPosition, entry: Entry) {
        next.move_on(i, position);
        let node = &mut next.nodes[i];
        node.member.mark_applied(position);
        match &mut node.join {
            Join::Following { unapplied, .. } if self.has(Bug::AckBeforeApply) => *unapplied = Some(entry),
            _ if self.has(Bug::CutoffByMinimum) => node.replica.apply_the_least(entry),
            _ => node.replica.apply(entry),
        }
    }

    /// Applies the entry that a planted bug has delayed.
    pub(crate) fn apply_late(&self, world: &World, i: usize) -> Option<World> {
        let Join::Following {
            term,
            cursor,
            unapplied: Some(entry),
        } = world.nodes[i].join
        else {
            return None;
        };
        let mut next = world.clone();
        next.nodes[i].replica.apply(entry);
        next.nodes[i].join = Join::Following {
            term,
            cursor,
            unapplied: None,
        };
        Some(next)
    }

    /// Reports the position up to which the replica is complete.
    pub(crate) fn tell(&self, world: &World, i: usize) -> Option<World> {
        let node = &world.nodes[i];
        let (term, cursor) = match node.join {
            Join::Loading { term, cursor, .. } if self.has(Bug::AckWhileLoading) => (term, Some(cursor)),
            Join::Loading { term, .. } | Join::Following { term, .. } => {
                (term, node.member.complete_position())
            }
            _ => return None,
        };
        let name = world.holder(i, term);
        let reported = world.reached(i)?.applied(&name)?;
        let position = cursor.filter(|position| *position > reported)?;
        let mut next = world.clone();
        next.store_of(i).tell(&name, position);
        Some(next)
    }

    /// Ends the stream of an instance whose link is cut.
    pub(crate) fn break_off(&self, world: &World, i: usize) -> Option<World> {
        let node = &world.nodes[i];
        if !node.is_cut || node.join == Join::Out {
            return None;
        }
        let mut next = world.clone();
        next.leave(i);
        Some(next)
    }
}

impl World {
    fn leave(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        node.join = Join::Out;
        node.member.leave_stream();
    }

    fn move_on(&mut self, i: usize, position: StreamPosition) {
        match &mut self.nodes[i].join {
            Join::Loading { cursor, .. } | Join::Following { cursor, .. } => *cursor = position,
            Join::Out | Join::Placed { .. } => {}
        }
    }
}
