//! Bringing a revocation into force, with the steps of `revocation/publisher.rs`.

use maxlab_auth_core::revocation::{AckBarrier, LeaseHolder};

use crate::facts::Facts;
use crate::setup::{Bug, Order, Setup};
use crate::world::{Adopted, LEASE, Task, World};

impl Setup {
    /// Reads the register before the line is committed. A planted bug.
    pub(crate) fn read_early(&self, world: &World, order: usize) -> Option<World> {
        if !self.has(Bug::RegisterReadBeforeCommit) || world.tasks[order] != (Task::Waiting { early: None }) {
            return None;
        }
        let mut next = world.clone();
        next.tasks[order] = Task::Waiting {
            early: Some(world.register),
        };
        Some(next)
    }

    /// Commits the lines to the journal.
    pub(crate) fn commit(&self, world: &World, order: usize) -> Option<World> {
        let Task::Waiting { early } = world.tasks[order] else {
            return None;
        };
        if let Some(first) = self.orders[order].repeats {
            return self.ask_again(world, order, first);
        }
        let by = self.orders[order].by;
        if !world.nodes[by].up
            || self.is_ahead(world, order)
            || (early.is_none() && self.has(Bug::RegisterReadBeforeCommit))
        {
            return None;
        }
        let mut next = world.clone();
        next.journal.extend(self.orders[order].entries);
        next.tasks[order] = Task::Recorded { early };
        let next = self.believe(&next, order).unwrap_or(next);
        // Without a loss, nothing that matters can happen between commit and publication.
        let published = self.is_lossless().then(|| self.publish(&next, order)).flatten();
        Some(published.unwrap_or(next))
    }

    /// Repeats an order whose line is in the journal (`revocation/idempotency.rs`). An acknowledged order is
    /// answered at once. Any other is propagated like a new one.
    fn ask_again(&self, world: &World, order: usize, first: usize) -> Option<World> {
        let Order { by, entries, .. } = self.orders[order];
        let is_recorded = entries.iter().all(|entry| world.journal.contains(entry));
        if !world.nodes[by].up || !is_recorded {
            return None;
        }
        let covered = Facts::of(entries).refused();
        let is_done = match self.bug {
            Some(Bug::RepeatBelievesRefusal) => world
                .answers(by, self)
                .any(|refused| refused & covered == covered),
            Some(Bug::RepeatBelievesPublished) => matches!(
                world.tasks[first],
                Task::Acknowledged | Task::Published { is_current: true, .. }
            ),
            _ => world.tasks[first] == Task::Acknowledged,
        };
        let mut next = world.clone();
        if !is_done {
            next.tasks[order] = Task::Recorded { early: None };
            return Some(self.believe(&next, order).unwrap_or(next));
        }
        for entry in entries {
            next.acknowledged.apply(*entry);
        }
        next.seen.repeated = true;
        next.tasks[order] = Task::Acknowledged;
        Some(next)
    }

    /// Returns `true` if the order must wait for the one before it. With evictions the orders come one after
    /// the other, to keep the number of states small.
    fn is_ahead(&self, world: &World, order: usize) -> bool {
        self.evicts && order > 0 && matches!(world.tasks[order - 1], Task::Waiting { .. })
    }

    /// Takes the term that the instance has adopted at this moment.
    pub(crate) fn believe(&self, world: &World, order: usize) -> Option<World> {
        let Task::Recorded { early } = world.tasks[order] else {
            return None;
        };
        let by = self.orders[order].by;
        let node = &world.nodes[by];
        let adopted = node
            .adopted
            .filter(|_| node.member.is_confirmed(world.clock(by)))?;
        let mut next = world.clone();
        next.tasks[order] = Task::Carrying {
            adopted,
            early,
            holders: None,
        };
        Some(next)
    }

    /// Reads the leases in a separate step. A planted bug.
    pub(crate) fn read_holders(&self, world: &World, order: usize) -> Option<World> {
        let Task::Carrying {
            adopted,
            early,
            holders: None,
        } = world.tasks[order]
        else {
            return None;
        };
        let store = world.reached(self.orders[order].by)?;
        if !self.has(Bug::HoldersReadBeforePublish) {
            return None;
        }
        let holders = Some(store.holders.clone());
        let mut next = world.clone();
        next.tasks[order] = Task::Carrying {
            adopted,
            early,
            holders,
        };
        Some(next)
    }

    /// Publishes in the store, which returns the lease holders. Then applies the entries to the own replica,
    /// and reads the register.
    pub(crate) fn publish(&self, world: &World, order: usize) -> Option<World> {
        let Task::Carrying {
            adopted,
            early,
            ref holders,
        } = world.tasks[order]
        else {
            return None;
        };
        let by = self.orders[order].by;
        let store = world.reached(by)?;
        let is_ahead = self.evicts && order > 0 && matches!(world.tasks[order - 1], Task::Carrying { .. });
        if is_ahead || (holders.is_none() && self.has(Bug::HoldersReadBeforePublish)) {
            return None;
        }
        let mut next = world.clone();
        if !self.is_there(store, adopted.term.epoch) {
            next.tasks[order] = Task::Disproved { term: adopted.term };
            return Some(next);
        }
        let holders: Vec<LeaseHolder> = holders.clone().unwrap_or_else(|| store.holders.clone());
        let position = next.store_of(by).publish(self.orders[order].entries);
        for entry in self.orders[order].entries {
            next.nodes[by].replica.apply(*entry);
        }
        let registered = early.unwrap_or(world.register);
        let own = world.holder(by, adopted.term);
        next.tasks[order] = Task::Published {
            adopted,
            awaiting: AckBarrier::new(position, holders.clone(), &own, world.clock(by)),
            // Kept only if they are needed, because every difference makes another state.
            holders: if self.evicts { holders } else { Vec::new() },
            published_at: world.clock(by),
            is_current: registered == adopted.term || self.has(Bug::NoGenerationCheck),
        };
        Some(next)
    }

    /// Receives the positions that holders have reported.
    pub(crate) fn hear(&self, world: &World, order: usize) -> Option<World> {
        let Task::Published { awaiting, .. } = &world.tasks[order] else {
            return None;
        };
        let mut updated = awaiting.clone();
        for holder in &world.reached(self.orders[order].by)?.holders {
            updated.record_applied(&holder.instance, holder.applied);
        }
        if updated == *awaiting {
            return None;
        }
        let mut next = world.clone();
        if let Task::Published { awaiting, .. } = &mut next.tasks[order] {
            *awaiting = updated;
        }
        Some(next)
    }

    /// Ends the wait for leases that have expired. Their records will be evicted.
    pub(crate) fn lapse(&self, world: &World, order: usize) -> Option<World> {
        let by = self.orders[order].by;
        let now = world.clock(by);
        let Task::Published { awaiting, .. } = &world.tasks[order] else {
            return None;
        };
        if !world.nodes[by].up || awaiting.is_complete() {
            return None;
        }
        let mut next = world.clone();
        let Task::Published {
            awaiting,
            holders,
            published_at,
            ..
        } = &mut next.tasks[order]
        else {
            return None;
        };
        let no_drift = self.has(Bug::NoDriftAllowance) && now >= *published_at + LEASE;
        let lapsed = awaiting.expire_leases(if no_drift { u64::MAX } else { now });
        if lapsed.is_empty() {
            return None;
        }
        let expired = holders.iter().filter(|holder| lapsed.contains(&holder.instance));
        let expired: Vec<_> = expired
            .cloned()
            .map(|holder| (world.nodes[by].link, holder))
            .collect();
        if self.evicts {
            next.evictions.extend(expired);
        }
        next.seen.lapsed = true;
        Some(next)
    }

    /// Evicts a holder's record from the store.
    pub(crate) fn evict(&self, world: &World) -> Option<World> {
        let (store, holder) = world.evictions.first()?;
        let mut next = world.clone();
        next.stores[*store].evict(holder);
        next.evictions.remove(0);
        Some(next)
    }

    /// Concludes an order that waits for no holder any longer: acknowledges it, or propagates it in
    /// the current term.
    pub(crate) fn conclude(&self, world: &World, order: usize) -> Option<World> {
        let by = self.orders[order].by;
        let Task::Published {
            adopted,
            ref awaiting,
            is_current,
            ..
        } = world.tasks[order]
        else {
            return None;
        };
        if !awaiting.is_complete() {
            return None;
        }
        let mut next = world.clone();
        if !is_current {
            next.tasks[order] = Task::Disproved { term: adopted.term };
            return Some(next);
        }
        // Leases of earlier terms may still be valid until the term is settled.
        if let Some(settles_at) = adopted.settles_at {
            if world.clock(by) < settles_at || !self.is_there(world.reached(by)?, adopted.term.epoch) {
                return None;
            }
            next.store_of(by).settled = Some(adopted.term);
        }
        for entry in self.orders[order].entries {
            next.acknowledged.apply(*entry);
        }
        next.seen.acknowledged_later |= adopted.term.number > 1;
        next.seen.repeated |= self.orders[order].repeats.is_some();
        next.tasks[order] = Task::Acknowledged;
        Some(next)
    }

    /// Propagates an order in another term, after its term turned out not to be the current one.
    pub(crate) fn adopt_anew(&self, world: &World, order: usize) -> Option<World> {
        let Task::Disproved { term } = world.tasks[order] else {
            return None;
        };
        let by = self.orders[order].by;
        match world.nodes[by].adopted {
            Some(adopted) if adopted.term != term => Some(world.carry(order, adopted)),
            Some(_) => world.disprove(by, term),
            None => None,
        }
    }
}

impl World {
    fn carry(&self, order: usize, adopted: Adopted) -> Self {
        let mut next = self.clone();
        next.tasks[order] = Task::Carrying {
            adopted,
            early: None,
            holders: None,
        };
        next
    }
}
