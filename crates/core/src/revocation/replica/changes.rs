//! When something was last recorded, so that a look-up that found nothing need not be made again.
//!
//! A look-up among millions of entries waits for main memory, once for each name. What it found stays true as long as
//! nothing is recorded of these names. So every recording is numbered, and its number is noted in a small table under a
//! part of the name's hash: 32 KiB, which processors keep close at hand. A name whose place in the table bears no later
//! number than the look-up did is as the look-up found it. Names that share a place are looked up once too often, and
//! never once too seldom.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

use super::fingerprint::Fingerprint;

/// 4,096 places. A thousand recordings a second leave nine in ten verdicts of five names, asked for fifty times a second
/// each, without a look-up.
const PLACE_BITS: u32 = 12;

/// More names than a verdict has.
const MOST_NAMES: usize = 8;

/// The places of a verdict's names in the table. Where there are fewer, the first stands in for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::revocation) struct Places([u16; MOST_NAMES]);

impl Places {
    /// Those of these names; `None` if there are too many, or none.
    pub(in crate::revocation) fn of(names: &[Fingerprint]) -> Option<Self> {
        if names.len() > MOST_NAMES {
            return None;
        }
        let mut places = [place(names.first()?); MOST_NAMES];
        for (noted, name) in places.iter_mut().zip(names) {
            *noted = place(name);
        }
        Some(Self(places))
    }
}

fn place(name: &Fingerprint) -> u16 {
    u16::try_from(name.shard(PLACE_BITS)).unwrap_or_default()
}

/// How many recordings a look-up came after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::revocation) struct Edition(pub(in crate::revocation) u64);

/// The numbers of recordings.
#[derive(Debug)]
pub(super) struct Changes {
    latest: AtomicU64,
    by_place: Box<[AtomicU64]>,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            latest: AtomicU64::new(0),
            by_place: (0..1 << PLACE_BITS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// To be read before a look-up. Whatever it counts, the look-up sees.
    pub(super) fn latest(&self) -> Edition {
        Edition(self.latest.load(Acquire))
    }

    /// To be noted after something was recorded of the name, and before anybody is told that it was: a number that is drawn
    /// before would be counted by a look-up that can't see the entry yet.
    pub(super) fn note(&self, name: Fingerprint) {
        let number = self.latest.fetch_add(1, AcqRel) + 1;
        self.by_place[usize::from(place(&name))].fetch_max(number, Release);
    }

    /// Whether something may have been recorded under one of these places since then.
    pub(super) fn any_since(&self, places: &Places, since: Edition) -> bool {
        let mut places = places.0.iter();
        places.any(|place| self.by_place[usize::from(*place)].load(Acquire) > since.0)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.by_place)
    }
}
