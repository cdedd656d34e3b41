//! The records of one shard: one sorted sequence without gaps, read without a lock.

use std::cmp::Ordering;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, fence};
use std::{hint, thread};

use super::arena::{Arena, BLOCK, STRETCH};
use super::blocks::Blocks;
use super::moment::Second;
use super::record::{Name, Record};

/// How often a reader looks again at once before it lets another thread run.
const SPINS: u32 = 100;

/// Sorted records, in one cache line and the blocks that it names.
///
/// A hash says, to within the square root of their number, at which place among the sorted its record would stand:
/// a look-up begins there and compares a few records. There is nothing to rebuild: growth is one more block, and an
/// insertion moves the records behind its place by one.
///
/// It is a sequence lock: `version` is odd while a write goes on, and a reader who finds it changed looks again. All
/// that is written is atomic, so that a reader who is overtaken reads nonsense, never memory that is not there. At most
/// one thread may write at a time: see [`Named`](super::named::Named), which sees to it.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Run {
    version: AtomicU32,
    len: AtomicU32,
    sessions: AtomicU32,
    /// No record expires before.
    soonest: AtomicU32,
    blocks: Blocks,
}

/// A write in progress; it ends when this is dropped, also by a panic.
struct Writing<'a>(&'a AtomicU32);

impl<'a> Writing<'a> {
    fn begin(version: &'a AtomicU32) -> Self {
        version.fetch_add(1, Relaxed);
        // No store of the write is seen before the odd version is.
        fence(Release);
        Self(version)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Release);
    }
}

impl Run {
    pub(super) const fn new() -> Self {
        Self {
            version: AtomicU32::new(0),
            len: AtomicU32::new(0),
            sessions: AtomicU32::new(0),
            soonest: AtomicU32::new(u32::MAX),
            blocks: Blocks::new(),
        }
    }

    /// What stands recorded of the name, written or not at the moment of asking, never half written.
    pub(super) fn find(&self, arena: &Arena, name: Name) -> Option<Record> {
        let mut looks = 0;
        loop {
            let before = self.version.load(Acquire);
            if before & 1 == 0 {
                let found = self.locate(arena, name).ok();
                fence(Acquire);
                if self.version.load(Relaxed) == before {
                    return found.map(|(_, record)| record);
                }
            }
            looks += 1;
            if looks % SPINS == 0 {
                thread::yield_now();
            } else {
                hint::spin_loop();
            }
        }
    }

    /// Has the memory fetched in which a look-up of the name begins, and waits for none of it.
    pub(super) fn fetch(&self, arena: &Arena, name: Name) {
        let place = guess(name.order, self.len());
        // Few instructions, so that a processor has those of several names under way at once.
        if let Some(block) = self.blocks.block(arena, (place / BLOCK) as usize) {
            block.fetch((place % BLOCK / STRETCH) as usize);
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.len.load(Relaxed)
    }

    pub(super) fn sessions(&self) -> u32 {
        self.sessions.load(Relaxed)
    }

    /// Whether there may be something to forget.
    pub(super) fn is_due(&self, now: Second) -> bool {
        Second::from_u32(self.soonest.load(Relaxed)).is_past(now)
    }

    /// Records it, or lets the longer of two of one name stand.
    pub(super) fn put(&self, arena: &Arena, name: Name, record: Record) {
        match self.locate(arena, name) {
            Ok((place, standing)) => {
                let _writing = Writing::begin(&self.version);
                self.set(arena, place, standing.or_longer(record));
            }
            Err(place) => {
                // The allocator is asked before readers have to wait.
                if self.len().is_multiple_of(BLOCK) {
                    self.blocks.push(arena, (self.len() / BLOCK) as usize);
                }
                let _writing = Writing::begin(&self.version);
                self.insert(arena, place, record);
                self.sessions.fetch_add(u32::from(record.is_session()), Relaxed);
            }
        }
        self.soonest.fetch_min(record.expiry().as_u32(), Relaxed);
    }

    /// Forgets what has expired; how many records that were.
    pub(super) fn forget(&self, arena: &Arena, now: Second) -> u32 {
        let before = self.len();
        // Read first and written then: a reader waits for the second part alone, in which nothing is far away any more.
        let first = (0..before).find(|place| self.at(arena, *place).expiry().is_past(now));
        let soonest = (0..before)
            .map(|place| self.at(arena, place).expiry())
            .filter(|expiry| !expiry.is_past(now))
            .min();
        if let Some(first) = first {
            let _writing = Writing::begin(&self.version);
            self.close_gaps(arena, first, now);
        }
        self.soonest
            .store(soonest.unwrap_or(Second::NEVER).as_u32(), Relaxed);
        for index in (self.len().div_ceil(BLOCK)..before.div_ceil(BLOCK)).rev() {
            self.blocks.pop(arena, index as usize);
        }
        before - self.len()
    }

    /// The place of the name with what stands there, or the one where it belongs.
    fn locate(&self, arena: &Arena, name: Name) -> Result<(u32, Record), u32> {
        let len = self.len();
        for place in self.first_from(arena, name.order, len)..len {
            // The second word lies elsewhere: who only finds that nothing is there need not wait for it.
            if self.order(arena, place) != name.order {
                return Err(place);
            }
            let record = self.at(arena, place);
            match record.compare(name) {
                Ordering::Less => {}
                Ordering::Equal => return Ok((place, record)),
                Ordering::Greater => return Err(place),
            }
        }
        Err(len)
    }

    /// The first place whose record is not ordered before `order`.
    fn first_from(&self, arena: &Arena, order: u64, len: u32) -> u32 {
        let mut stretch = guess(order, len) / STRETCH;
        let (mut from_left, mut from_right) = (false, false);
        loop {
            let first = stretch * STRETCH;
            let filled = len.saturating_sub(first).min(STRETCH);
            let block = self.blocks.block(arena, (first / BLOCK) as usize);
            let below = block.map_or(0, |block| {
                block.below((first % BLOCK / STRETCH) as usize, filled, order)
            });
            if below == 0 && stretch > 0 && !from_left {
                stretch -= 1;
                from_right = true;
            } else if below == STRETCH && first + STRETCH < len && !from_right {
                stretch += 1;
                from_left = true;
            } else {
                return first + below;
            }
        }
    }

    fn insert(&self, arena: &Arena, place: u32, record: Record) {
        let (mut carried, mut from) = (record, (place % BLOCK) as usize);
        for index in place / BLOCK..=self.len() / BLOCK {
            if let Some(block) = self.blocks.block(arena, index as usize) {
                carried = block.insert(from, carried);
            }
            from = 0;
        }
        self.len.fetch_add(1, Relaxed);
    }

    fn close_gaps(&self, arena: &Arena, first: u32, now: Second) {
        let (mut kept, mut sessions) = (first, 0);
        for place in first..self.len() {
            let record = self.at(arena, place);
            if record.expiry().is_past(now) {
                sessions += u32::from(record.is_session());
            } else {
                self.set(arena, kept, record);
                kept += 1;
            }
        }
        self.len.store(kept, Relaxed);
        self.sessions.fetch_sub(sessions, Relaxed);
    }

    fn order(&self, arena: &Arena, place: u32) -> u64 {
        let block = self.blocks.block(arena, (place / BLOCK) as usize);
        block.map_or(0, |block| block.order((place % BLOCK) as usize))
    }

    fn at(&self, arena: &Arena, place: u32) -> Record {
        let block = self.blocks.block(arena, (place / BLOCK) as usize);
        block.map_or(Record::NONSENSE, |block| block.record((place % BLOCK) as usize))
    }

    fn set(&self, arena: &Arena, place: u32, record: Record) {
        if let Some(block) = self.blocks.block(arena, (place / BLOCK) as usize) {
            block.set_record((place % BLOCK) as usize, record);
        }
    }
}

/// Where a record so ordered would stand if all lay evenly.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the product's upper half is below the length"
)]
fn guess(order: u64, len: u32) -> u32 {
    ((u128::from(order) * u128::from(len)) >> 64) as u32
}
