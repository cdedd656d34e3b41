//! Shards that are allocated when they are first written to, so that an empty index takes little memory.

use std::sync::OnceLock;

/// Shards that are allocated at a time: a few kibibytes.
const GROUP_SIZE: usize = 64;

/// Shards, in groups that are allocated when the first shard of a group is written to.
#[derive(Debug)]
pub(super) struct LazyShards<T> {
    groups: Box<[OnceLock<Box<[T]>>]>,
    make: fn() -> T,
}

impl<T> LazyShards<T> {
    /// Table of `2^bits` shards, at least 64.
    pub(super) fn new(bits: u32, make: fn() -> T) -> Self {
        let groups = (1_usize << bits).div_ceil(GROUP_SIZE);
        Self {
            groups: (0..groups).map(|_| OnceLock::new()).collect(),
            make,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len() * GROUP_SIZE
    }

    /// Returns the shard with this number; `None` if its group was never written to.
    pub(super) fn get(&self, shard: usize) -> Option<&T> {
        self.groups[shard / GROUP_SIZE].get()?.get(shard % GROUP_SIZE)
    }

    /// Returns the shard with this number. Allocates its group if necessary.
    pub(super) fn get_or_create(&self, shard: usize) -> &T {
        // `OnceLock` runs it once, also if two writers of one group race under different write locks.
        let make = || (0..GROUP_SIZE).map(|_| (self.make)()).collect();
        &self.groups[shard / GROUP_SIZE].get_or_init(make)[shard % GROUP_SIZE]
    }

    /// Iterates over the allocated shards.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.groups.iter().filter_map(OnceLock::get).flatten()
    }

    /// Memory of the shards and their groups in bytes, without what the shards own.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.groups) + self.iter().count() * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_shard_is_allocated_when_it_is_written_to_and_keeps_its_number() {
        let shards = LazyShards::new(8, || Cell::new(0));
        assert_eq!((shards.len(), shards.iter().count()), (256, 0));
        assert!((0..256).all(|shard| shards.get(shard).is_none()));
        let empty = shards.bytes();
        for shard in [0, 63, 64, 255] {
            shards.get_or_create(shard).set(shard + 1);
        }
        for shard in [0, 63, 64, 255] {
            assert_eq!(shards.get(shard).map(Cell::get), Some(shard + 1));
        }
        assert!(shards.get(128).is_none());
        assert_eq!(shards.iter().count(), 192);
        assert_eq!(shards.bytes(), empty + 192 * size_of::<usize>());
    }
}
