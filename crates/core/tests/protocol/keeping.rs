//! Renewing the lease and adopting a data set, with the steps of `revocation/lease_manager.rs`.

use maxlab_auth_core::revocation::with_clock_drift;

use crate::facts::Credential;
use crate::setup::{Bug, Setup};
use crate::store::{Epoch, Store, Term};
use crate::world::{Adopted, Answer, Keeper, LEASE, World};

impl Setup {
    /// Sends a renewal, and reads the register at the earliest possible moment.
    pub(crate) fn ask(&self, world: &World, i: usize) -> Option<World> {
        let node = &world.nodes[i];
        let adopted = node
            .adopted
            .filter(|_| node.up && node.keeper == Keeper::Idle && node.renewals > 0)?;
        let mut next = world.clone();
        let sent_at = world.clock(i);
        let node = &mut next.nodes[i];
        node.renewals -= 1;
        node.keeper = Keeper::Renewing {
            term: adopted.term,
            sent_at,
            reported: node.member.complete_position(),
            register: (self.without_journal != Some(i)).then_some(world.register),
            answer: None,
        };
        Some(next)
    }

    /// Executes the renewal in the store.
    pub(crate) fn grant(&self, world: &World, i: usize) -> Option<World> {
        let Keeper::Renewing {
            term,
            reported,
            register,
            answer: None,
            ..
        } = world.nodes[i].keeper
        else {
            return None;
        };
        let store = world.reached(i)?;
        // Without the journal, Sentinel must confirm that this store is the master.
        let is_unconfirmed = register.is_none() && world.master != world.nodes[i].link;
        let reply = match self.is_there(store, term.epoch) {
            false => Answer::AnotherEpoch,
            true if is_unconfirmed => Answer::Unconfirmed,
            true => Answer::At(store.last()),
        };
        let mut next = world.clone();
        if let (true, Some(reported)) = (self.is_there(store, term.epoch), reported) {
            let name = world.holder(i, term);
            next.store_of(i).renew(&name, reported, LEASE, self.counted());
        }
        let Keeper::Renewing { answer, .. } = &mut next.nodes[i].keeper else {
            return None;
        };
        *answer = Some(reply);
        Some(next)
    }

    /// Handles the answer to the renewal.
    pub(crate) fn finish(&self, world: &World, i: usize) -> Option<World> {
        let Keeper::Renewing {
            term,
            mut sent_at,
            mut reported,
            register,
            answer: Some(answer),
        } = world.nodes[i].keeper
        else {
            return None;
        };
        let mut next = world.clone();
        let clock = world.clock(i);
        let node = &mut next.nodes[i];
        node.keeper = Keeper::Idle;
        let is_over = register.is_some_and(|current| current != term) && !self.has(Bug::NoGenerationCheck);
        let Answer::At(mut position) = answer else {
            if answer == Answer::AnotherEpoch {
                next.give_up(i);
            }
            return Some(next);
        };
        if is_over {
            next.give_up(i);
            return Some(next);
        }
        if self.has(Bug::LeaseFromReply) {
            sent_at = clock;
        }
        if self.has(Bug::LeaseBeforeApplied) {
            position = reported.map_or(position, |reported| position.min(reported));
        }
        if self.has(Bug::LateAnswerIsLoss) {
            reported = reported.and(node.member.complete_position());
        }
        if !node
            .member
            .record_renewal(term.number.into(), sent_at, reported, position)
        {
            next.seen.false_alarm |= !world.is_lost;
            next.give_up(i);
            next.nodes[i].rolled_back = Some(term);
        }
        Some(next)
    }

    /// Gives up waiting for the answer, because the link is cut or the request was cancelled.
    pub(crate) fn drop_request(&self, world: &World, i: usize) -> Option<World> {
        let node = &world.nodes[i];
        let is_cancelled = !node.is_cut && world.left.cancels > 0;
        if node.keeper == Keeper::Idle || !(node.is_cut || is_cancelled) {
            return None;
        }
        let mut next = world.clone();
        next.left.cancels -= u8::from(is_cancelled);
        next.nodes[i].keeper = Keeper::Idle;
        Some(next)
    }

    /// Reads the store's epoch and marks. A store without a generation gets one.
    pub(crate) fn look(&self, world: &World, i: usize) -> Option<World> {
        let node = &world.nodes[i];
        let store = world.reached(i)?;
        if node.adopted.is_some() || node.keeper != Keeper::Idle || self.without_journal == Some(i) {
            return None;
        }
        let mut next = world.clone();
        if store.epoch.generation == 0 {
            next.generations += 1;
            let generation = next.generations;
            next.store_of(i).epoch.generation = generation;
        }
        let view = next.store_of(i).clone();
        next.nodes[i].keeper = Keeper::Looked {
            epoch: view.epoch,
            filled: view.filled,
            settled: view.settled,
        };
        Some(next)
    }

    /// Reads the register. If it names another data set, registers this one, which only the
    /// current master may be.
    pub(crate) fn register(&self, world: &World, i: usize) -> Option<World> {
        let Keeper::Looked {
            epoch,
            filled,
            settled,
        } = world.nodes[i].keeper
        else {
            return None;
        };
        let current = world.register;
        // A term that this instance saw rolled back needs a new number, although the epoch is the same.
        let is_known = current.epoch == epoch && world.nodes[i].rolled_back != Some(current);
        if !is_known && world.master != world.nodes[i].link {
            return None;
        }
        let mut next = world.clone();
        if !is_known {
            next.register = Term {
                number: current.number + 1,
                epoch,
            };
        }
        let term = next.register;
        let settled = settled == Some(term);
        if filled == Some(term) {
            next.adopt(i, term, settled, self);
        } else {
            next.nodes[i].keeper = Keeper::Filling {
                term,
                settled,
                lines: 0,
            };
        }
        Some(next)
    }

    /// Publishes the remaining lines of the journal. If there are none, marks the data set as filled.
    pub(crate) fn fill(&self, world: &World, i: usize) -> Option<World> {
        let Keeper::Filling { term, settled, lines } = world.nodes[i].keeper else {
            return None;
        };
        let store = world.reached(i)?;
        let mut next = world.clone();
        if !self.is_there(store, term.epoch) {
            next.nodes[i].keeper = Keeper::Idle;
        } else if store.filled == Some(term) {
            next.adopt(i, term, settled, self);
        } else if lines < world.journal.len() {
            next.store_of(i).publish(&world.journal[lines..]);
            next.nodes[i].keeper = Keeper::Filling {
                term,
                settled,
                lines: world.journal.len(),
            };
        } else {
            next.store_of(i).filled = Some(term);
            next.adopt(i, term, settled, self);
        }
        Some(next)
    }

    /// Refuses a request after a direct read from the store.
    pub(crate) fn refuse_directly(&self, world: &World, i: usize) -> Option<World> {
        let node = &world.nodes[i];
        if !self.asks_directly || world.remembers(i) {
            return None;
        }
        let reached = world.reached(i)?;
        let store = world
            .believed(i, self)
            .find(|store| store.epoch == reached.epoch)?;
        let refused = world.refused_by(i, store, self);
        let mut kept = refused;
        if self.has(Bug::RefusalNotKept) {
            kept &= Credential::Named.bit();
        }
        if node.refused | refused == node.refused && node.kept | kept == node.kept {
            return None;
        }
        let mut next = world.clone();
        next.nodes[i].refused |= refused;
        next.nodes[i].kept |= kept;
        Some(next)
    }

    pub(crate) fn is_there(&self, store: &Store, epoch: Epoch) -> bool {
        store.epoch == epoch || self.has(Bug::NoGenerationCheck)
    }
}

impl World {
    fn adopt(&mut self, i: usize, term: Term, settled: bool, setup: &Setup) {
        let settled = settled || term.number == 1 || setup.has(Bug::NoSettling);
        let settles_at = (!settled).then(|| self.clock(i) + with_clock_drift(LEASE));
        let node = &mut self.nodes[i];
        node.member.adopt_term(term.number.into());
        node.adopted = Some(Adopted { term, settles_at });
        node.rolled_back = None;
        node.keeper = Keeper::Idle;
    }

    /// Ends the term of an instance, because its data set is not the current one.
    pub(crate) fn give_up(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        node.member.invalidate();
        node.adopted = None;
    }

    /// Ends the term on behalf of another step, which needs the lock. `None` if the lock is taken.
    pub(crate) fn disprove(&self, i: usize, term: Term) -> Option<World> {
        if self.nodes[i].keeper != Keeper::Idle {
            return None;
        }
        let mut next = self.clone();
        if self.is_adopted(i, term) {
            next.give_up(i);
        }
        Some(next)
    }
}
