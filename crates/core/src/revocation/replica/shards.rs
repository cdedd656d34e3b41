//! Shards that are there once something is put into them: an index of nothing takes next to nothing.

use std::sync::OnceLock;

/// So many neighbours are made at a time: a few kibibytes.
const TOGETHER: usize = 64;

/// Shards, in groups that are made when the first of a group is written to.
#[derive(Debug)]
pub(super) struct Shards<T> {
    groups: Box<[OnceLock<Box<[T]>>]>,
    make: fn() -> T,
}

impl<T> Shards<T> {
    /// `2^bits` of them, at least 64.
    pub(super) fn new(bits: u32, make: fn() -> T) -> Self {
        let groups = (1_usize << bits).div_ceil(TOGETHER);
        Self {
            groups: (0..groups).map(|_| OnceLock::new()).collect(),
            make,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len() * TOGETHER
    }

    /// The shard with this number; `None` if nothing has been put into it or its neighbours yet.
    pub(super) fn get(&self, shard: usize) -> Option<&T> {
        self.groups[shard / TOGETHER].get()?.get(shard % TOGETHER)
    }

    /// The shard with this number, to be written to.
    pub(super) fn made(&self, shard: usize) -> &T {
        let make = || (0..TOGETHER).map(|_| (self.make)()).collect();
        &self.groups[shard / TOGETHER].get_or_init(make)[shard % TOGETHER]
    }

    /// All that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.groups.iter().filter_map(OnceLock::get).flatten()
    }

    /// Bytes that they and their groups take, without what hangs on them.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.groups) + self.iter().count() * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_shard_is_there_once_it_is_written_to_and_keeps_its_place() {
        let shards = Shards::new(8, || Cell::new(0));
        assert_eq!((shards.len(), shards.iter().count()), (256, 0));
        assert!((0..256).all(|shard| shards.get(shard).is_none()));
        let empty = shards.bytes();
        for shard in [0, 63, 64, 255] {
            shards.made(shard).set(shard + 1);
        }
        for shard in [0, 63, 64, 255] {
            assert_eq!(shards.get(shard).map(Cell::get), Some(shard + 1));
        }
        assert!(shards.get(128).is_none());
        assert_eq!(shards.iter().count(), 192);
        assert_eq!(shards.bytes(), empty + 192 * size_of::<usize>());
    }
}
