//! Bringing an order into force, in the order of `revocation/publisher.rs`.

use maxlab_auth_core::revocation::{Awaiting, Holder};

use crate::setup::{Bug, Setup};
use crate::world::{Adopted, LEASE, Task, World};

impl Setup {
    /// A planted fault reads the register before the line is committed.
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

    /// The journal commits the lines.
    pub(crate) fn commit(&self, world: &World, order: usize) -> Option<World> {
        let Task::Waiting { early } = world.tasks[order] else {
            return None;
        };
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
        let at_once = self.is_lossless().then(|| self.publish(&next, order)).flatten();
        Some(at_once.unwrap_or(next))
    }

    /// Where records are evicted the orders come one after the other, to keep the states few.
    fn is_ahead(&self, world: &World, order: usize) -> bool {
        self.evicts && order > 0 && matches!(world.tasks[order - 1], Task::Waiting { .. })
    }

    /// The term is taken that is believed at this moment.
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

    /// A planted fault reads the leases in a step of their own.
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

    /// The store publishes and names the holders; the answer goes into the own replica; the register is read.
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
        let holders: Vec<Holder> = holders.clone().unwrap_or_else(|| store.holders.clone());
        let position = next.store_of(by).publish(self.orders[order].entries);
        for entry in self.orders[order].entries {
            next.nodes[by].replica.apply(*entry);
        }
        let standing = early.unwrap_or(world.register);
        let own = world.holder(by, adopted.term);
        next.tasks[order] = Task::Published {
            adopted,
            awaiting: Awaiting::new(position, holders.clone(), &own, world.clock(by)),
            holders: if self.evicts { holders } else { Vec::new() },
            published_at: world.clock(by),
            is_current: standing == adopted.term || self.has(Bug::NoGenerationCheck),
        };
        Some(next)
    }

    /// Word comes of who has applied what.
    pub(crate) fn hear(&self, world: &World, order: usize) -> Option<World> {
        let Task::Published { awaiting, .. } = &world.tasks[order] else {
            return None;
        };
        let mut heard = awaiting.clone();
        for holder in &world.reached(self.orders[order].by)?.holders {
            heard.applied(&holder.instance, holder.applied);
        }
        if heard == *awaiting {
            return None;
        }
        let mut next = world.clone();
        if let Task::Published { awaiting, .. } = &mut next.tasks[order] {
            *awaiting = heard;
        }
        Some(next)
    }

    /// Leases that were waited for have run out; their records are to go.
    pub(crate) fn lapse(&self, world: &World, order: usize) -> Option<World> {
        let by = self.orders[order].by;
        let now = world.clock(by);
        let Task::Published { awaiting, .. } = &world.tasks[order] else {
            return None;
        };
        if !world.nodes[by].up || awaiting.is_over() {
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
        let lapsed = awaiting.lapse(if no_drift { u64::MAX } else { now });
        if lapsed.is_empty() {
            return None;
        }
        let gone = holders.iter().filter(|holder| lapsed.contains(&holder.instance));
        let gone: Vec<_> = gone
            .cloned()
            .map(|holder| (world.nodes[by].link, holder))
            .collect();
        if self.evicts {
            next.evictions.extend(gone);
        }
        next.seen.lapsed = true;
        Some(next)
    }

    /// The store forgets a holder.
    pub(crate) fn evict(&self, world: &World) -> Option<World> {
        let (store, holder) = world.evictions.first()?;
        let mut next = world.clone();
        next.stores[*store].evict(holder);
        next.evictions.remove(0);
        Some(next)
    }

    /// Nobody is waited for any longer: the order is acknowledged, or carried into the term that stands now.
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
        if !awaiting.is_over() {
            return None;
        }
        let mut next = world.clone();
        if !is_current {
            next.tasks[order] = Task::Disproved { term: adopted.term };
            return Some(next);
        }
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
        next.tasks[order] = Task::Acknowledged;
        Some(next)
    }

    /// The term was not what was believed: the order is carried into another.
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
