//! Limits of open event streams: for each session, and for the process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use maxlab_auth_core::credential::SessionHandle;

/// Most streams of one session: each open tab of an application has one.
const MAX_PER_SESSION: usize = 64;

/// Counts of open streams.
#[derive(Debug)]
pub struct EventSlots {
    max_total: usize,
    // A mutex of std: it is never held across an await.
    open: Mutex<OpenStreams>,
}

#[derive(Debug, Default)]
struct OpenStreams {
    total: usize,
    by_session: HashMap<SessionHandle, usize>,
}

/// Reason for which a stream is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotRefusal {
    /// The session has its limit of streams.
    Session,
    /// The process has its limit of streams.
    Total,
}

/// Place of one stream. Free again when it is dropped.
#[derive(Debug)]
pub(super) struct EventSlot {
    slots: Arc<EventSlots>,
    session: SessionHandle,
}

impl EventSlots {
    /// Creates the counts. `max_total` is the most streams of this process.
    pub fn new(max_total: usize) -> Self {
        Self {
            max_total,
            open: Mutex::default(),
        }
    }

    /// Takes a place for a stream of a session.
    pub(super) fn try_take(self: &Arc<Self>, session: &SessionHandle) -> Result<EventSlot, SlotRefusal> {
        let mut open = self.lock();
        if open.total >= self.max_total {
            return Err(SlotRefusal::Total);
        }
        let of_session = open.by_session.entry(session.clone()).or_default();
        if *of_session >= MAX_PER_SESSION {
            return Err(SlotRefusal::Session);
        }
        *of_session += 1;
        open.total += 1;
        Ok(EventSlot {
            slots: Arc::clone(self),
            session: session.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, OpenStreams> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EventSlot {
    fn drop(&mut self) {
        let mut open = self.slots.lock();
        open.total = open.total.saturating_sub(1);
        if let Entry::Occupied(mut of_session) = open.by_session.entry(self.session.clone()) {
            *of_session.get_mut() -= 1;
            if *of_session.get() == 0 {
                // Otherwise every session that ever had a stream would stay in memory.
                of_session.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_bounded_for_each_session_and_in_total_and_leave_nothing_behind() {
        let slots = Arc::new(EventSlots::new(MAX_PER_SESSION + 1));
        let (one, two) = (
            SessionHandle::generate().unwrap(),
            SessionHandle::generate().unwrap(),
        );
        let mut taken: Vec<_> = (0..MAX_PER_SESSION)
            .map(|_| slots.try_take(&one).unwrap())
            .collect();
        assert_eq!(slots.try_take(&one).unwrap_err(), SlotRefusal::Session);
        taken.push(slots.try_take(&two).unwrap());
        assert_eq!(slots.try_take(&two).unwrap_err(), SlotRefusal::Total);
        taken.remove(0);
        taken.push(slots.try_take(&one).unwrap());
        drop(taken);
        assert_eq!(slots.lock().total, 0);
        assert!(slots.lock().by_session.is_empty());
    }
}
