//! Records of one shard: a sorted sequence without gaps, read without a lock.

use std::cmp::Ordering;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use super::arena::{BLOCK_RECORDS, BlockArena, SCAN_RECORDS};
use super::block_list::BlockList;
use super::compact_record::{CompactRecord, RecordName};
use super::seqlock::SeqlockVersion;
use super::unix_second::UnixSecond;

/// Sorted records, in one cache line and the blocks that it names.
///
/// A hash gives the index of its record among the sorted ones, to within the square root of their number. A
/// lookup begins there and compares a few records. Growth adds one block and rebuilds nothing; an insertion
/// moves the records behind it by one.
///
/// A sequence lock protects the records: a reader that finds that `version` has changed reads again. All words are atomic, so a reader that a write overtakes reads mixed records, but never
/// memory that does not exist. At most one thread may write at a time;
/// [`NamedRevocations`](super::named_revocations::NamedRevocations) takes care of that.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct SortedRun {
    version: SeqlockVersion,
    len: AtomicU32,
    sessions: AtomicU32,
    /// Lower bound of all expiries.
    earliest_expiry: AtomicU32,
    blocks: BlockList,
}

impl SortedRun {
    pub(super) const fn new() -> Self {
        Self {
            version: SeqlockVersion::starting_at(AtomicU32::new(0)),
            len: AtomicU32::new(0),
            sessions: AtomicU32::new(0),
            earliest_expiry: AtomicU32::new(u32::MAX),
            blocks: BlockList::new(),
        }
    }

    /// Returns the record of the name. A concurrent write is seen completely or not at all.
    pub(super) fn find(&self, arena: &BlockArena, name: RecordName) -> Option<CompactRecord> {
        let found = self.version.read(|| self.locate(arena, name).ok());
        found.map(|(_, record)| record)
    }

    /// Fetches the memory in which a lookup of the name begins, without waiting for it.
    pub(super) fn prefetch(&self, arena: &BlockArena, name: RecordName) {
        let index = interpolate(name.order, self.len());
        // Few instructions, so that the processor runs those of several names at once.
        if let Some(block) = self.blocks.block(arena, (index / BLOCK_RECORDS) as usize) {
            block.prefetch((index % BLOCK_RECORDS / SCAN_RECORDS) as usize);
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.len.load(Relaxed)
    }

    pub(super) fn sessions(&self) -> u32 {
        self.sessions.load(Relaxed)
    }

    /// Returns true if a record may have expired.
    pub(super) fn is_due(&self, now: UnixSecond) -> bool {
        UnixSecond::from_u32(self.earliest_expiry.load(Relaxed)).is_past(now)
    }

    /// Inserts the record. If the name has one, the later expiry wins.
    pub(super) fn upsert(&self, arena: &BlockArena, name: RecordName, record: CompactRecord) {
        match self.locate(arena, name) {
            Ok((index, existing)) => {
                let _writing = self.version.begin_write();
                self.set_record(arena, index, existing.max_by_expiry(record));
            }
            Err(index) => {
                // Allocates before the write begins, so that no reader waits for the allocator.
                if self.len().is_multiple_of(BLOCK_RECORDS) {
                    self.blocks.push(arena, (self.len() / BLOCK_RECORDS) as usize);
                }
                let _writing = self.version.begin_write();
                self.insert_at(arena, index, record);
                self.sessions.fetch_add(u32::from(record.is_session()), Relaxed);
            }
        }
        self.earliest_expiry.fetch_min(record.expiry().as_u32(), Relaxed);
    }

    /// Removes expired records, and returns how many.
    pub(super) fn remove_expired(&self, arena: &BlockArena, now: UnixSecond) -> u32 {
        let before = self.len();
        // Reads everything before the write begins: readers wait for the write alone, which finds all memory
        // in the cache.
        let first = (0..before).find(|index| self.record_at(arena, *index).expiry().is_past(now));
        let earliest = (0..before)
            .map(|index| self.record_at(arena, index).expiry())
            .filter(|expiry| !expiry.is_past(now))
            .min();
        if let Some(first) = first {
            let _writing = self.version.begin_write();
            self.close_gaps(arena, first, now);
        }
        self.earliest_expiry
            .store(earliest.unwrap_or(UnixSecond::NEVER).as_u32(), Relaxed);
        // From the last block backwards, as `pop` requires.
        for index in (self.len().div_ceil(BLOCK_RECORDS)..before.div_ceil(BLOCK_RECORDS)).rev() {
            self.blocks.pop(arena, index as usize);
        }
        before - self.len()
    }

    /// Returns index and record of the name, or the index at which it would be inserted.
    fn locate(&self, arena: &BlockArena, name: RecordName) -> Result<(u32, CompactRecord), u32> {
        let len = self.len();
        for index in self.lower_bound(arena, name.order, len)..len {
            // The second word is in another cache line: a lookup that finds nothing need not wait for it.
            if self.order_at(arena, index) != name.order {
                return Err(index);
            }
            let record = self.record_at(arena, index);
            match record.compare(name) {
                Ordering::Less => {}
                Ordering::Equal => return Ok((index, record)),
                Ordering::Greater => return Err(index),
            }
        }
        Err(len)
    }

    /// Returns the first index whose record is not ordered before `order`.
    fn lower_bound(&self, arena: &BlockArena, order: u64, len: u32) -> u32 {
        let mut window = interpolate(order, len) / SCAN_RECORDS;
        // The search never turns back: at the boundary of two windows, or while a write moves records, it
        // would not end.
        let (mut from_left, mut from_right) = (false, false);
        loop {
            let first = window * SCAN_RECORDS;
            let filled = len.saturating_sub(first).min(SCAN_RECORDS);
            let block = self.blocks.block(arena, (first / BLOCK_RECORDS) as usize);
            let below = block.map_or(0, |block| {
                block.count_below((first % BLOCK_RECORDS / SCAN_RECORDS) as usize, filled, order)
            });
            if below == 0 && window > 0 && !from_left {
                window -= 1;
                from_right = true;
            } else if below == SCAN_RECORDS && first + SCAN_RECORDS < len && !from_right {
                window += 1;
                from_left = true;
            } else {
                return first + below;
            }
        }
    }

    fn insert_at(&self, arena: &BlockArena, index: u32, record: CompactRecord) {
        // The last record of each block moves to the front of the next one.
        let (mut displaced, mut from) = (record, (index % BLOCK_RECORDS) as usize);
        for block_index in index / BLOCK_RECORDS..=self.len() / BLOCK_RECORDS {
            if let Some(block) = self.blocks.block(arena, block_index as usize) {
                displaced = block.insert(from, displaced);
            }
            from = 0;
        }
        self.len.fetch_add(1, Relaxed);
    }

    fn close_gaps(&self, arena: &BlockArena, first: u32, now: UnixSecond) {
        let (mut len, mut sessions) = (first, 0);
        for index in first..self.len() {
            let record = self.record_at(arena, index);
            if record.expiry().is_past(now) {
                sessions += u32::from(record.is_session());
            } else {
                self.set_record(arena, len, record);
                len += 1;
            }
        }
        self.len.store(len, Relaxed);
        self.sessions.fetch_sub(sessions, Relaxed);
    }

    fn order_at(&self, arena: &BlockArena, index: u32) -> u64 {
        let block = self.blocks.block(arena, (index / BLOCK_RECORDS) as usize);
        block.map_or(0, |block| block.order((index % BLOCK_RECORDS) as usize))
    }

    fn record_at(&self, arena: &BlockArena, index: u32) -> CompactRecord {
        let block = self.blocks.block(arena, (index / BLOCK_RECORDS) as usize);
        // Only a reader that a write overtook finds no block. Its version check discards the value.
        block.map_or(CompactRecord::TORN_READ, |block| {
            block.record((index % BLOCK_RECORDS) as usize)
        })
    }

    fn set_record(&self, arena: &BlockArena, index: u32, record: CompactRecord) {
        if let Some(block) = self.blocks.block(arena, (index / BLOCK_RECORDS) as usize) {
            block.set_record((index % BLOCK_RECORDS) as usize, record);
        }
    }
}

/// Index at which a record of this order would be if the orders were evenly distributed.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the product's upper half is below the length"
)]
fn interpolate(order: u64, len: u32) -> u32 {
    ((u128::from(order) * u128::from(len)) >> 64) as u32
}
