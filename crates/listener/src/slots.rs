//! Slots of connections (decision 20). Each listener has its own, so that a full one does not shut out the
//! others. If all are taken, the connections that have been idle longest are closed. One address has a
//! limited share. A few more slots are reserved for short answers: `/health`, and 503 for the rest.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::activity::ConnectionActivity;
use crate::events::{ListenerEvent, ListenerEvents, ShedReason};
use crate::peer::PeerAddr;

/// Slots above the limit. Each is used for one short answer, or for the moment in which an evicted connection
/// closes.
pub const RESERVED_SLOTS: usize = 64;
/// Part of all connections that one eviction closes. The search inspects every connection, so it should yield
/// several.
const EVICTION_DIVISOR: usize = 256;
/// Time between two searches for idle connections while every connection is busy.
const EVICTION_SEARCH_INTERVAL: Duration = Duration::from_millis(10);
/// Time between two checks for room while the reserve is taken too.
const FULL_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Limits of the connections of one listener.
#[derive(Clone, Debug)]
pub(crate) struct SlotLimits {
    /// Most open connections.
    pub(crate) max_connections: usize,
    /// Most open connections from one address.
    pub(crate) max_per_address: usize,
    /// Networks of proxies, which connect for many clients and have no limit by address.
    pub(crate) exempt_networks: Arc<[IpNet]>,
}

/// Slots of one listener.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    limits: SlotLimits,
    table: Mutex<SlotTable>,
    freed: Notify,
}

/// Connections that hold a slot.
#[derive(Debug)]
struct SlotTable {
    events: &'static dyn ListenerEvents,
    next_id: u64,
    occupants: HashMap<u64, SlotOccupant>,
    /// Number of occupants that were not evicted.
    not_evicted: usize,
    /// Number of occupants that were not evicted, by address.
    by_address: HashMap<IpAddr, usize>,
    /// Time of the next search. The last one found no idle connection.
    search_after: Option<Instant>,
}

#[derive(Debug)]
struct SlotOccupant {
    activity: Arc<ConnectionActivity>,
    address: Option<IpAddr>,
    evicted: bool,
}

/// Decision about a new connection.
#[derive(Debug)]
pub(crate) enum SlotAdmission {
    /// A slot within the limits, given back when it is dropped.
    Regular(ConnectionSlot),
    /// Slot of the reserve, because every connection is busy.
    Reserve(ConnectionSlot),
    /// No slot, because the address has its share.
    Refused,
}

/// Slot of a connection, freed on drop.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    id: u64,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.slots.table().remove(self.id);
        self.slots.freed.notify_one();
    }
}

impl ConnectionSlots {
    pub(crate) fn new(limits: SlotLimits, events: &'static dyn ListenerEvents) -> Arc<Self> {
        Arc::new(Self {
            limits,
            table: Mutex::new(SlotTable::new(events)),
            freed: Notify::new(),
        })
    }

    /// Waits until another connection can be accepted.
    pub(crate) async fn wait_for_room(&self) {
        while !self.try_make_room() {
            // With a time limit: a connection that becomes idle notifies no one. Either way the loop checks
            // again.
            let _ = timeout(FULL_POLL_INTERVAL, self.freed.notified()).await;
        }
    }

    /// Returns `true` if another connection can be accepted. If not, asks idle ones to close.
    pub(crate) fn try_make_room(&self) -> bool {
        let mut table = self.table();
        // All occupants count, because an evicted connection holds its socket until it has closed.
        if table.occupants.len() < self.limits.max_connections.saturating_add(RESERVED_SLOTS) {
            return true;
        }
        table.evict(None, self.limits.max_connections);
        false
    }

    /// Asks idle connections to close, because the process has no file descriptors left.
    pub(crate) fn evict_idle(&self) {
        self.table().evict(None, self.limits.max_connections);
    }

    /// Decides about a new connection from `peer`, and evicts idle ones for it if necessary.
    pub(crate) fn admit(
        self: &Arc<Self>,
        peer: PeerAddr,
        activity: Arc<ConnectionActivity>,
    ) -> SlotAdmission {
        let address = self.counted_address(peer);
        // One lock from the checks to the insertion, so that two connections cannot take one slot.
        let mut table = self.table();
        // The address first: a client at its limit must not evict the connections of others.
        if let Some(address) = address
            && table.count_for_address(address) >= self.limits.max_per_address
            && !table.evict(Some(address), self.limits.max_per_address)
        {
            table.report_shed(ShedReason::Address);
            return SlotAdmission::Refused;
        }
        let fits =
            table.not_evicted < self.limits.max_connections || table.evict(None, self.limits.max_connections);
        let slot = ConnectionSlot {
            slots: Arc::clone(self),
            id: table.insert(activity, address),
        };
        if fits {
            return SlotAdmission::Regular(slot);
        }
        table.report_shed(ShedReason::Busy);
        SlotAdmission::Reserve(slot)
    }

    /// Returns the address that a connection counts for; `None` for a trusted proxy. An IPv6 host has a whole
    /// /64 network.
    fn counted_address(&self, peer: PeerAddr) -> Option<IpAddr> {
        if peer.is_trusted(&self.limits.exempt_networks) {
            return None;
        }
        Some(match peer.ip() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::from([a, b, c, d, 0, 0, 0, 0]).into()
            }
            address => address,
        })
    }

    // Never held across an `await`: `ConnectionSlot` takes it on drop.
    fn table(&self) -> MutexGuard<'_, SlotTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotTable {
    fn new(events: &'static dyn ListenerEvents) -> Self {
        Self {
            events,
            next_id: 0,
            occupants: HashMap::new(),
            not_evicted: 0,
            by_address: HashMap::new(),
            search_after: None,
        }
    }

    fn report_shed(&self, reason: ShedReason) {
        self.events.record(ListenerEvent::ConnectionShed(reason));
    }

    fn insert(&mut self, activity: Arc<ConnectionActivity>, address: Option<IpAddr>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.not_evicted += 1;
        if let Some(address) = address {
            *self.by_address.entry(address).or_default() += 1;
        }
        let occupant = SlotOccupant {
            activity,
            address,
            evicted: false,
        };
        self.occupants.insert(id, occupant);
        id
    }

    fn remove(&mut self, id: u64) {
        // An evicted occupant was subtracted when it was evicted.
        if let Some(occupant) = self.occupants.remove(&id)
            && !occupant.evicted
        {
            self.decrement_counts(occupant.address);
        }
    }

    /// Subtracts a connection that has closed, or that was evicted and is about to close.
    fn decrement_counts(&mut self, address: Option<IpAddr>) {
        self.not_evicted -= 1;
        // The situation has changed, so the next search may find something.
        self.search_after = None;
        let Some(address) = address else { return };
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            // Removed at zero, so that the map does not grow with every address.
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    fn count_for_address(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or(0)
    }

    /// Evicts the connections that have been idle longest, of this address or of all: a small part of
    /// `limit`. Returns `false` if there is none. A connection with a request in progress is never idle.
    fn evict(&mut self, address: Option<IpAddr>, limit: usize) -> bool {
        let now = Instant::now();
        if self.search_after.is_some_and(|time| now < time) {
            return false;
        }
        let idle = |(id, occupant): (&u64, &SlotOccupant)| {
            let is_candidate = !occupant.evicted && (address.is_none() || occupant.address == address);
            let since = occupant.activity.idle_since().filter(|_| is_candidate)?;
            Some((since, *id))
        };
        let mut idle: Vec<_> = self.occupants.iter().filter_map(idle).collect();
        // At most half of the reserve: closing ones occupy it, and the other half is for short answers.
        let target = (limit / EVICTION_DIVISOR).clamp(1, RESERVED_SLOTS / 2);
        if idle.len() > target {
            // A partial sort is enough: the order among the oldest does not matter.
            idle.select_nth_unstable(target - 1);
            idle.truncate(target);
        }
        // Some may have begun a request since they were listed, and are left out.
        let evicted = idle
            .into_iter()
            .filter(|(since, id)| self.try_evict(*id, *since))
            .count();
        if evicted == 0 {
            self.search_after = Some(now + EVICTION_SEARCH_INTERVAL);
        }
        evicted > 0
    }

    fn try_evict(&mut self, id: u64, idle_since: Instant) -> bool {
        let Some(occupant) = self.occupants.get_mut(&id) else {
            return false;
        };
        if !occupant.activity.try_evict(idle_since) {
            return false;
        }
        occupant.evicted = true;
        let address = occupant.address;
        self.decrement_counts(address);
        self.report_shed(ShedReason::Idle);
        true
    }
}

#[cfg(test)]
mod tests;
