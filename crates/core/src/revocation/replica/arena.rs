//! Arena of blocks for records that are read while they are written: atomic words, addressed by block id.

use std::alloc::{Layout, handle_alloc_error};
use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::compact_record::CompactRecord;

/// Records in a block (512 bytes).
pub(super) const BLOCK_RECORDS: u32 = 32;
/// Words in a block.
pub(super) const BLOCK_WORDS: usize = 2 * SECOND_WORDS_START;
/// Index of the first second word in a block.
const SECOND_WORDS_START: usize = BLOCK_RECORDS as usize;
/// Records that a lookup compares at a time. Their first words fill two cache lines.
pub(super) const SCAN_RECORDS: u32 = 16;
const SCAN_WORDS: usize = SCAN_RECORDS as usize;
/// Blocks that are allocated at a time: one less than a mebibyte of them, so that with the cost of alignment
/// they still fit into the allocator's size class of a mebibyte.
const SEGMENT_BLOCKS: usize = SEGMENT_IDS - 1;
/// Ids reserved for the blocks of one segment.
const SEGMENT_IDS: usize = 2_048;
/// Bound of the segments: sixteen gibibytes, half a billion records.
const MAX_SEGMENTS: usize = 16_384;

/// A block of records: all first words and then all second words, so that a lookup that finds nothing reads
/// the first words alone. Or a block of block ids ([`BlockList`](super::block_list::BlockList)).
#[derive(Debug)]
// One cache line, so that a scan of sixteen words touches two of them and not three.
#[repr(align(64))]
pub(super) struct RecordBlock([AtomicU64; BLOCK_WORDS]);

/// Id of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockId(pub(super) u32);

/// All blocks. Allocated memory stays: a released block is used by the next shard that needs one. So a late
/// reader may see records of another shard in a block, but never freed memory.
#[derive(Debug)]
pub(super) struct BlockArena {
    segments: Box<[OnceLock<Box<[RecordBlock]>>]>,
    segment_count: AtomicUsize,
    free_list: Mutex<Vec<BlockId>>,
}

impl RecordBlock {
    fn zeroed() -> Self {
        Self([const { AtomicU64::new(0) }; BLOCK_WORDS])
    }

    /// Returns the record at an index. It counts only if the sequence lock shows that no write interfered.
    pub(super) fn record(&self, index: usize) -> CompactRecord {
        // Relaxed everywhere in this file: the fences of the sequence lock order the accesses.
        let word = |index: usize| self.0[index].load(Relaxed);
        CompactRecord::from_words([word(index), word(SECOND_WORDS_START + index)])
    }

    /// Returns the first word of the record at an index.
    pub(super) fn order(&self, index: usize) -> u64 {
        self.0[index].load(Relaxed)
    }

    pub(super) fn set_record(&self, index: usize, record: CompactRecord) {
        let [first, second] = record.into_words();
        self.0[index].store(first, Relaxed);
        self.0[SECOND_WORDS_START + index].store(second, Relaxed);
    }

    /// Inserts a record, moves the ones behind it by one, and returns the last one, which no longer fits.
    pub(super) fn insert(&self, index: usize, record: CompactRecord) -> CompactRecord {
        let last = self.record(SECOND_WORDS_START - 1);
        let (firsts, seconds) = self.0.split_at(SECOND_WORDS_START);
        for words in [firsts, seconds] {
            // From the end: each word is read before it is overwritten.
            for pair in words[index..].windows(2).rev() {
                pair[1].store(pair[0].load(Relaxed), Relaxed);
            }
        }
        self.set_record(index, record);
        last
    }

    /// Fetches the first words of a scan window: two cache lines.
    pub(super) fn prefetch(&self, window: usize) {
        let words = &self.0[window * SCAN_WORDS..][..SCAN_WORDS];
        // `black_box` keeps loads whose values are not used. Nothing depends on them, so the processor does
        // not wait.
        black_box(words[0].load(Relaxed) ^ words[SCAN_WORDS / 2].load(Relaxed));
    }

    /// Counts the records of a scan window, among its first `filled` ones, whose first word is below `order`.
    pub(super) fn count_below(&self, window: usize, filled: u32, order: u64) -> u32 {
        // Without a branch: it would be predicted wrongly every other time, which shows only after main
        // memory has answered.
        self.0[window * SCAN_WORDS..][..SCAN_WORDS]
            .iter()
            .zip(0..)
            .map(|(word, index)| u32::from(word.load(Relaxed) < order) & u32::from(index < filled))
            .sum()
    }

    /// Returns the word at an index, of a block of block ids.
    pub(super) fn word(&self, index: usize) -> &AtomicU64 {
        &self.0[index]
    }
}

impl BlockArena {
    pub(super) fn new() -> Self {
        Self {
            segments: (0..MAX_SEGMENTS).map(|_| OnceLock::new()).collect(),
            segment_count: AtomicUsize::new(0),
            free_list: Mutex::new(Vec::new()),
        }
    }

    /// Returns the block with this id. `None` if it does not exist, which only a reader that a write overtook
    /// can see.
    pub(super) fn block(&self, id: BlockId) -> Option<&RecordBlock> {
        let id = id.0 as usize;
        self.segments.get(id / SEGMENT_IDS)?.get()?.get(id % SEGMENT_IDS)
    }

    /// Allocates a block. It still contains the words of its last use.
    pub(super) fn allocate(&self) -> BlockId {
        let mut free = self.lock_free_list();
        if free.is_empty() {
            self.allocate_segment(&mut free);
        }
        free.pop().unwrap_or_else(|| out_of_memory())
    }

    /// Releases a block for another use.
    pub(super) fn release(&self, id: BlockId) {
        self.lock_free_list().push(id);
    }

    /// Allocated memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.segments)
            + self.segment_count.load(Relaxed) * SEGMENT_BLOCKS * size_of::<RecordBlock>()
            + self.lock_free_list().capacity() * size_of::<BlockId>()
    }

    fn allocate_segment(&self, free: &mut Vec<BlockId>) {
        // The caller holds the lock of the free list, so no other thread allocates a segment at the same
        // time.
        let segment = self.segment_count.fetch_add(1, Relaxed);
        let Some(slot) = self.segments.get(segment) else {
            out_of_memory()
        };
        slot.get_or_init(|| (0..SEGMENT_BLOCKS).map(|_| RecordBlock::zeroed()).collect());
        let first = segment * SEGMENT_IDS;
        // Reversed, because `pop` takes from the end: blocks are used in the order of their addresses.
        let ids = (first..first + SEGMENT_BLOCKS).rev();
        free.extend(ids.filter_map(|id| u32::try_from(id).ok().map(BlockId)));
    }

    fn lock_free_list(&self) -> MutexGuard<'_, Vec<BlockId>> {
        self.free_list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the process as a failed allocation does. A revocation that does not fit must not be dropped silently.
fn out_of_memory() -> ! {
    handle_alloc_error(Layout::new::<[RecordBlock; SEGMENT_BLOCKS]>())
}
