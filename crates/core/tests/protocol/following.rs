//! Joining and following the stream, in the order of `revocation/follower.rs`.

use maxlab_auth_core::revocation::{Position, Taken};

use crate::facts::Entry;
use crate::setup::{Bug, Setup};
use crate::world::{Join, World};

impl Setup {
    /// Reads a position.
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
        if self.is_lossless() {
            self.open(&next, i)
        } else {
            Some(next)
        }
    }

    /// Opens the stream behind that position: the join begins.
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
            next.nodes[i].member.begin(term.number.into(), at);
        } else {
            next.leave(i);
        }
        Some(next)
    }

    /// Reads the first half of the snapshot: the cut-offs, which wait for the logins that are exempt from them.
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

    /// Reads the other half, sees that it is still the same data set, and has the whole of it in the replica.
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
        node.replica = node.replica.join(rest).join(read);
        if node.member.term() != Some(term.number.into()) {
            next.leave(i);
            return Some(next);
        }
        if self.has(Bug::TailAfterSnapshot) {
            cursor = store.last();
            node.member.applied(cursor);
        }
        node.member.loaded();
        node.join = Join::Following {
            term,
            cursor,
            unapplied: None,
        };
        next.seen.joined_later |= term.number > 1;
        Some(next)
    }

    /// The stream delivers what comes next.
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
        match world.nodes[i].member.take(position - 1, position) {
            Taken::Gap if !self.has(Bug::GapIgnored) => next.leave(i),
            Taken::Known => next.move_on(i, position),
            _ => self.apply(&mut next, i, position, entry),
        }
        Some(next)
    }

    /// First the replica, then whatever may tell others of it.
    fn apply(&self, next: &mut World, i: usize, position: Position, entry: Entry) {
        next.move_on(i, position);
        let node = &mut next.nodes[i];
        node.member.applied(position);
        match &mut node.join {
            Join::Following { unapplied, .. } if self.has(Bug::AckBeforeApply) => *unapplied = Some(entry),
            _ if self.has(Bug::CutoffByMinimum) => node.replica.apply_the_least(entry),
            _ => node.replica.apply(entry),
        }
    }

    /// What a planted fault has put off.
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

    /// Tells the others up to where the replica is complete.
    pub(crate) fn tell(&self, world: &World, i: usize) -> Option<World> {
        let node = &world.nodes[i];
        let (term, cursor) = match node.join {
            Join::Loading { term, cursor, .. } if self.has(Bug::AckWhileLoading) => (term, Some(cursor)),
            Join::Loading { term, .. } | Join::Following { term, .. } => (term, node.member.position()),
            _ => return None,
        };
        let name = world.holder(i, term);
        let stands = world.reached(i)?.applied(&name)?;
        let position = cursor.filter(|position| *position > stands)?;
        let mut next = world.clone();
        next.store_of(i).tell(&name, position);
        Some(next)
    }

    /// The stream breaks off, since the line is cut.
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
        node.member.leave();
    }

    fn move_on(&mut self, i: usize, position: Position) {
        match &mut self.nodes[i].join {
            Join::Loading { cursor, .. } | Join::Following { cursor, .. } => *cursor = position,
            Join::Out | Join::Placed { .. } => {}
        }
    }
}
