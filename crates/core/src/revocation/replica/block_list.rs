//! List of the blocks of one shard, in the order of their records.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use super::arena::{BLOCK_WORDS, BlockArena, BlockId, RecordBlock};

/// Number of block ids that are stored inline. They fill the shard's cache line, and suffice for ten million
/// tokens.
const INLINE_IDS: usize = 11;
/// Ids in an overflow block. Its last word is the id of the next overflow block.
const IDS_PER_BLOCK: usize = BLOCK_WORDS - 1;

/// Block ids: the first few inline, the others in a chain of overflow blocks.
#[derive(Debug)]
pub(super) struct BlockList {
    inline: [AtomicU32; INLINE_IDS],
    /// Id of the first overflow block. It counts only if the shard has more than [`INLINE_IDS`] blocks.
    overflow: AtomicU32,
}

impl BlockList {
    pub(super) const fn new() -> Self {
        Self {
            inline: [const { AtomicU32::new(0) }; INLINE_IDS],
            overflow: AtomicU32::new(0),
        }
    }

    /// Returns the block with this index. `None` if it does not exist, which only a reader that a write
    /// overtook can see.
    pub(super) fn block<'a>(&self, arena: &'a BlockArena, index: usize) -> Option<&'a RecordBlock> {
        arena.block(self.block_id(arena, index)?)
    }

    /// Appends a block, which gets this index.
    pub(super) fn push(&self, arena: &BlockArena, index: usize) {
        let id = arena.allocate();
        let Some(overflow_index) = index.checked_sub(INLINE_IDS) else {
            self.inline[index].store(id.0, Relaxed);
            return;
        };
        // The first id of a new overflow block, which is linked to the previous one or to the list itself.
        if overflow_index.is_multiple_of(IDS_PER_BLOCK) {
            let overflow = arena.allocate();
            match overflow_index
                .checked_sub(IDS_PER_BLOCK)
                .and_then(|previous| self.overflow_block(arena, previous))
            {
                Some(previous) => previous.word(IDS_PER_BLOCK).store(overflow.0.into(), Relaxed),
                None => self.overflow.store(overflow.0, Relaxed),
            }
        }
        if let Some(overflow) = self.overflow_block(arena, overflow_index) {
            overflow
                .word(overflow_index % IDS_PER_BLOCK)
                .store(id.0.into(), Relaxed);
        }
    }

    /// Removes the last block, which has this index, and releases it.
    pub(super) fn pop(&self, arena: &BlockArena, index: usize) {
        if let Some(id) = self.block_id(arena, index) {
            arena.release(id);
        }
        // It was the only id in its overflow block. Links to that block stay, because no valid index leads
        // there.
        if let Some(overflow_index) = index.checked_sub(INLINE_IDS)
            && overflow_index.is_multiple_of(IDS_PER_BLOCK)
            && let Some(overflow) = self.overflow_block_id(arena, overflow_index)
        {
            arena.release(overflow);
        }
    }

    fn block_id(&self, arena: &BlockArena, index: usize) -> Option<BlockId> {
        match self.inline.get(index) {
            Some(id) => Some(BlockId(id.load(Relaxed))),
            None => id_at(
                self.overflow_block(arena, index - INLINE_IDS)?,
                (index - INLINE_IDS) % IDS_PER_BLOCK,
            ),
        }
    }

    /// Returns the overflow block with the id of this index, counted without the inline ids.
    fn overflow_block<'a>(&self, arena: &'a BlockArena, overflow_index: usize) -> Option<&'a RecordBlock> {
        arena.block(self.overflow_block_id(arena, overflow_index)?)
    }

    fn overflow_block_id(&self, arena: &BlockArena, overflow_index: usize) -> Option<BlockId> {
        let mut id = BlockId(self.overflow.load(Relaxed));
        // Bounded by the index: an overtaken reader could follow links between reused blocks without an end.
        for _ in 0..overflow_index / IDS_PER_BLOCK {
            id = id_at(arena.block(id)?, IDS_PER_BLOCK)?;
        }
        Some(id)
    }
}

fn id_at(overflow: &RecordBlock, index: usize) -> Option<BlockId> {
    // More than 32 bits: the block was reused for records, and the reader was overtaken.
    u32::try_from(overflow.word(index).load(Relaxed))
        .ok()
        .map(BlockId)
}
