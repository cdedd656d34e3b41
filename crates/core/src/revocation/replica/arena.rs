//! Memory for records that can be read while it is written: blocks of atomic words, lent out by number.

use std::alloc::{Layout, handle_alloc_error};
use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::record::Record;

/// Records in a block (512 bytes).
pub(super) const BLOCK: u32 = 32;
/// Words in a block.
pub(super) const WORDS: usize = 2 * SECOND;
/// Where in a block the second words of its records begin.
const SECOND: usize = BLOCK as usize;
/// Records that a look-up compares at a time: the first words of so many fill two cache lines.
pub(super) const STRETCH: u32 = 16;
const STRETCH_WORDS: usize = STRETCH as usize;
/// Blocks that are obtained from the allocator at a time. One less than a mebibyte of them, so that with what alignment
/// costs they still fit into what allocators set aside for a mebibyte.
const SEGMENT: usize = NUMBERS - 1;
/// Numbers for the blocks of a segment.
const NUMBERS: usize = 2_048;
/// There is room for so many segments: sixteen gibibytes, half a billion records.
const SEGMENTS: usize = 16_384;

/// A block: the first words of its records and then the second ones, so that a look-up that finds nothing reads the
/// first alone; or else the numbers of blocks.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Block([AtomicU64; WORDS]);

/// The number of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockId(pub(super) u32);

/// All blocks there are. Memory, once obtained, stays: a block that is given back serves any shard that needs one next.
/// So a reader who comes late may see foreign records in a block, but never memory that is gone.
#[derive(Debug)]
pub(super) struct Arena {
    segments: Box<[OnceLock<Box<[Block]>>]>,
    filled: AtomicUsize,
    free: Mutex<Vec<BlockId>>,
}

impl Block {
    fn vacant() -> Self {
        Self([const { AtomicU64::new(0) }; WORDS])
    }

    /// The record at a place; what it says counts only once no write is known to have interfered.
    pub(super) fn record(&self, place: usize) -> Record {
        let word = |place: usize| self.0[place].load(Relaxed);
        Record::from_words([word(place), word(SECOND + place)])
    }

    /// The first word of the record at a place.
    pub(super) fn order(&self, place: usize) -> u64 {
        self.0[place].load(Relaxed)
    }

    pub(super) fn set_record(&self, place: usize, record: Record) {
        let [first, second] = record.into_words();
        self.0[place].store(first, Relaxed);
        self.0[SECOND + place].store(second, Relaxed);
    }

    /// Puts a record in and moves those behind it, of which the last falls out.
    pub(super) fn insert(&self, place: usize, record: Record) -> Record {
        let last = self.record(SECOND - 1);
        let (firsts, seconds) = self.0.split_at(SECOND);
        for words in [firsts, seconds] {
            for pair in words[place..].windows(2).rev() {
                pair[1].store(pair[0].load(Relaxed), Relaxed);
            }
        }
        self.set_record(place, record);
        last
    }

    /// Has the first words of a stretch fetched: two cache lines.
    pub(super) fn fetch(&self, stretch: usize) {
        let words = &self.0[stretch * STRETCH_WORDS..][..STRETCH_WORDS];
        black_box(words[0].load(Relaxed) ^ words[STRETCH_WORDS / 2].load(Relaxed));
    }

    /// How many of the first `filled` records of a stretch have a first word below `order`.
    pub(super) fn below(&self, stretch: usize, filled: u32, order: u64) -> u32 {
        // No branch in here: it would be guessed wrong every other time, and wait for main memory to be found out.
        self.0[stretch * STRETCH_WORDS..][..STRETCH_WORDS]
            .iter()
            .zip(0..)
            .map(|(word, place)| u32::from(word.load(Relaxed) < order) & u32::from(place < filled))
            .sum()
    }

    /// The word at a place, of a block that holds something other than records.
    pub(super) fn word(&self, place: usize) -> &AtomicU64 {
        &self.0[place]
    }
}

impl Arena {
    pub(super) fn new() -> Self {
        Self {
            segments: (0..SEGMENTS).map(|_| OnceLock::new()).collect(),
            filled: AtomicUsize::new(0),
            free: Mutex::new(Vec::new()),
        }
    }

    /// The block of that number: `None` if there is none, which only a reader can meet whom a write has overtaken.
    pub(super) fn block(&self, id: BlockId) -> Option<&Block> {
        let id = id.0 as usize;
        self.segments.get(id / NUMBERS)?.get()?.get(id % NUMBERS)
    }

    /// Lends a block. What it held before is still in it.
    pub(super) fn take(&self) -> BlockId {
        let mut free = self.free();
        if free.is_empty() {
            self.obtain(&mut free);
        }
        free.pop().unwrap_or_else(|| out_of_memory())
    }

    /// Takes a block back.
    pub(super) fn give_back(&self, id: BlockId) {
        self.free().push(id);
    }

    /// Bytes obtained so far.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.segments)
            + self.filled.load(Relaxed) * SEGMENT * size_of::<Block>()
            + self.free().capacity() * size_of::<BlockId>()
    }

    fn obtain(&self, free: &mut Vec<BlockId>) {
        let segment = self.filled.fetch_add(1, Relaxed);
        let Some(slot) = self.segments.get(segment) else {
            out_of_memory()
        };
        slot.get_or_init(|| (0..SEGMENT).map(|_| Block::vacant()).collect());
        let first = segment * NUMBERS;
        let ids = (first..first + SEGMENT).rev();
        free.extend(ids.filter_map(|id| u32::try_from(id).ok().map(BlockId)));
    }

    fn free(&self) -> MutexGuard<'_, Vec<BlockId>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A revocation that can't be held must not be dropped: it ends as any want of memory does.
fn out_of_memory() -> ! {
    handle_alloc_error(Layout::new::<[Block; SEGMENT]>())
}
