//! Which blocks hold a shard's records, in order.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use super::arena::{Arena, Block, BlockId, WORDS};

/// Blocks whose numbers stand here; with ten million tokens that is all of them.
const INLINE: usize = 11;
/// Numbers in a block of numbers. Its last word is the number of the next such block.
const LISTED: usize = WORDS - 1;

/// The numbers of blocks: the first few here, the others in a chain of blocks of numbers.
#[derive(Debug)]
pub(super) struct Blocks {
    inline: [AtomicU32; INLINE],
    /// The first block of numbers, where there are more.
    more: AtomicU32,
}

impl Blocks {
    pub(super) const fn new() -> Self {
        Self {
            inline: [const { AtomicU32::new(0) }; INLINE],
            more: AtomicU32::new(0),
        }
    }

    /// The block with this index: `None` if there is none, which only a reader meets whom a write has overtaken.
    pub(super) fn block<'a>(&self, arena: &'a Arena, index: usize) -> Option<&'a Block> {
        arena.block(self.id(arena, index)?)
    }

    /// Lends one more block, which becomes the one with this index.
    pub(super) fn push(&self, arena: &Arena, index: usize) {
        let id = arena.take();
        let Some(listed) = index.checked_sub(INLINE) else {
            self.inline[index].store(id.0, Relaxed);
            return;
        };
        if listed.is_multiple_of(LISTED) {
            let list = arena.take();
            match listed
                .checked_sub(LISTED)
                .and_then(|before| self.list(arena, before))
            {
                Some(before) => before.word(LISTED).store(list.0.into(), Relaxed),
                None => self.more.store(list.0, Relaxed),
            }
        }
        if let Some(list) = self.list(arena, listed) {
            list.word(listed % LISTED).store(id.0.into(), Relaxed);
        }
    }

    /// Gives the last block back, which has this index.
    pub(super) fn pop(&self, arena: &Arena, index: usize) {
        if let Some(id) = self.id(arena, index) {
            arena.give_back(id);
        }
        if let Some(listed) = index.checked_sub(INLINE)
            && listed.is_multiple_of(LISTED)
            && let Some(list) = self.list_id(arena, listed)
        {
            arena.give_back(list);
        }
    }

    fn id(&self, arena: &Arena, index: usize) -> Option<BlockId> {
        match self.inline.get(index) {
            Some(id) => Some(BlockId(id.load(Relaxed))),
            None => number(self.list(arena, index - INLINE)?, (index - INLINE) % LISTED),
        }
    }

    /// The block of numbers that holds the one with this index beyond the inline ones.
    fn list<'a>(&self, arena: &'a Arena, listed: usize) -> Option<&'a Block> {
        arena.block(self.list_id(arena, listed)?)
    }

    fn list_id(&self, arena: &Arena, listed: usize) -> Option<BlockId> {
        let mut id = BlockId(self.more.load(Relaxed));
        for _ in 0..listed / LISTED {
            id = number(arena.block(id)?, LISTED)?;
        }
        Some(id)
    }
}

fn number(list: &Block, place: usize) -> Option<BlockId> {
    u32::try_from(list.word(place).load(Relaxed)).ok().map(BlockId)
}
