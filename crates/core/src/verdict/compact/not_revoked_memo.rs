//! Memo of a replica lookup that found nothing.

use std::sync::OnceLock;

use crate::sync::atomic::{AtomicU64, Ordering};

/// Most names of one verdict whose lookup is remembered.
pub(crate) const MAX_NAMES: usize = 8;

/// Slots of a verdict's names in the replica's change log. With fewer names the first slot fills the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChangeSlots(pub(crate) [u16; MAX_NAMES]);

/// Remembers that the last replica lookup found nothing, so that it can be skipped until one of the credential's names
/// changes. One per cached verdict. Only `revocation` interprets the numbers.
#[derive(Debug, Default)]
pub(crate) struct NotRevokedMemo {
    /// Slots in which changes to the verdict's names show; `None` inside if there are too many names.
    slots: OnceLock<Option<ChangeSlots>>,
    /// Change number plus one at which nothing was recorded against the credential; zero if something was, or before the
    /// first lookup.
    not_revoked_since: AtomicU64,
}

impl NotRevokedMemo {
    /// Returns the slots and the change number of the last lookup that found nothing.
    pub(crate) fn last_clear_lookup(&self) -> Option<(&ChangeSlots, u64)> {
        // Relaxed is enough: a number that is seen late only costs one lookup more.
        let since = self.not_revoked_since.load(Ordering::Relaxed).checked_sub(1)?;
        Some((self.slots.get()?.as_ref()?, since))
    }

    /// Fixes the slots at the first lookup.
    pub(crate) fn set_slots(&self, slots: impl FnOnce() -> Option<ChangeSlots>) {
        self.slots.get_or_init(slots);
    }

    /// Remembers a lookup that found nothing, with the change number that was read before it.
    pub(crate) fn record_clear_lookup(&self, change_number: u64) {
        // If two threads race, either number is correct: each was read before its own lookup.
        self.not_revoked_since.store(change_number + 1, Ordering::Relaxed);
    }
}
