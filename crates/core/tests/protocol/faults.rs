//! Faults of the model: crashes, partitions, and all the ways in which a store loses data.

use crate::setup::Setup;
use crate::store::Store;
use crate::world::{Node, Task, World};

impl Setup {
    /// Crashes an instance. Its requests are lost.
    pub(crate) fn crash(&self, world: &World) -> Option<World> {
        let i = self.victim;
        if world.left.crashes == 0 || !world.nodes[i].up {
            return None;
        }
        let mut next = world.clone();
        next.left.crashes -= 1;
        for (task, order) in next.tasks.iter_mut().zip(&self.orders) {
            if order.by == i && *task != Task::Acknowledged {
                *task = Task::Lost;
            }
        }
        let crashed = &world.nodes[i];
        // The successor starts without the refusals of its predecessor: it asks the store.
        next.nodes[i] = Node {
            up: false,
            life: crashed.life + 1,
            link: crashed.link,
            is_cut: crashed.is_cut,
            lag: crashed.lag,
            ..Node::new(crashed.renewals, self.joins[i].max(1))
        };
        Some(next)
    }

    /// Restarts the crashed instance.
    pub(crate) fn restart(&self, world: &World) -> Option<World> {
        if world.nodes[self.victim].up {
            return None;
        }
        let mut next = world.clone();
        next.nodes[self.victim].up = true;
        Some(next)
    }

    /// Cuts the link between an instance and the store.
    pub(crate) fn cut(&self, world: &World) -> Option<World> {
        if world.left.cuts == 0 || world.nodes[self.victim].is_cut {
            return None;
        }
        let mut next = world.clone();
        next.left.cuts -= 1;
        next.nodes[self.victim].is_cut = true;
        Some(next)
    }

    /// Restores the link between an instance and the store.
    pub(crate) fn mend(&self, world: &World) -> Option<World> {
        if !world.nodes[self.victim].is_cut {
            return None;
        }
        let mut next = world.clone();
        next.nodes[self.victim].is_cut = false;
        Some(next)
    }

    /// Empties the store.
    pub(crate) fn flush(&self, world: &World) -> Option<World> {
        if world.left.flushes == 0 {
            return None;
        }
        let mut next = world.clone();
        next.left.flushes -= 1;
        next.is_lost = true;
        next.stores[0] = Store::blank(world.stores[0].epoch.server);
        Some(next)
    }

    /// Copies the store. The copy is a snapshot for a roll-back, or a lagging replica.
    pub(crate) fn copy(&self, world: &World) -> Option<World> {
        if world.left.rollbacks + world.left.failovers == 0 || world.copy.is_some() {
            return None;
        }
        let mut next = world.clone();
        next.copy = Some(Box::new(world.stores[0].clone()));
        Some(next)
    }

    /// Rolls the store back to the copy, on another server.
    pub(crate) fn roll_back(&self, world: &World) -> Option<World> {
        let copy = world.copy.as_deref().filter(|_| world.left.rollbacks > 0)?;
        let mut next = world.clone();
        next.left.rollbacks -= 1;
        next.is_lost = true;
        next.copy = None;
        next.stores[0] = copy.clone();
        // The renewal numbers continue: a number that never repeats must not repeat after a roll-back either.
        next.stores[0].renewals = world.stores[0].renewals;
        if !self.keeps_epoch {
            next.stores[0].epoch.server += 1;
        }
        Some(next)
    }

    /// Makes the lagging replica the master. One instance stays connected to the old master.
    pub(crate) fn fail_over(&self, world: &World) -> Option<World> {
        let copy = world.copy.as_deref().filter(|_| world.left.failovers > 0)?;
        let mut next = world.clone();
        next.left.failovers -= 1;
        next.is_lost = true;
        next.copy = None;
        let mut promoted = copy.clone();
        promoted.epoch.server += 1;
        next.stores.push(promoted);
        next.master = 1;
        for i in (0..world.nodes.len()).filter(|i| *i != self.left_behind) {
            next.nodes[i].link = 1;
        }
        Some(next)
    }

    /// Connects the instance that was left behind to the new master.
    pub(crate) fn move_over(&self, world: &World) -> Option<World> {
        if world.nodes[self.left_behind].link == world.master {
            return None;
        }
        let mut next = world.clone();
        next.nodes[self.left_behind].link = world.master;
        Some(next)
    }

    /// Trims all entries off the stream.
    pub(crate) fn trim(&self, world: &World) -> Option<World> {
        let last = world.stores[0].last();
        if world.left.trims == 0 || world.stores[0].trimmed == last {
            return None;
        }
        let mut next = world.clone();
        next.left.trims -= 1;
        next.stores[0].trimmed = last;
        Some(next)
    }

    /// Advances the time. The victim's clock may miss the step.
    pub(crate) fn pass(&self, world: &World, is_slow: bool) -> Option<World> {
        if world.now == self.steps + self.more || (is_slow && world.left.slow_steps == 0) {
            return None;
        }
        let mut next = world.clone();
        next.now += 1;
        if is_slow {
            next.left.slow_steps -= 1;
            next.nodes[self.victim].lag += 1;
        }
        Some(next)
    }
}
