//! What a piece of memory takes of the allocator.
//!
//! Allocators hand memory out in a few sizes: mimalloc and jemalloc in four for each doubling. A piece just above one of them
//! wastes up to a fifth.

/// What is taken for so many bytes.
pub(crate) fn taken(bytes: usize) -> usize {
    bytes.next_multiple_of(step(bytes.saturating_sub(1)))
}

/// The most of so many bytes that fill what is taken for them.
pub(super) fn filled(bytes: usize) -> usize {
    bytes - bytes % step(bytes)
}

/// From one size to the next, near so many bytes: a quarter of the power of two below, and sixteen at the least.
fn step(bytes: usize) -> usize {
    1 << ((bytes | 64).ilog2() - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_four_sizes_for_each_doubling() {
        for (bytes, room) in [
            (0, 0),
            (1, 16),
            (100, 112),
            (128, 128),
            (129, 160),
            (257, 320),
            (897, 1_024),
            (1_025, 1_280),
        ] {
            assert_eq!(taken(bytes), room, "{bytes}");
        }
    }

    #[test]
    fn what_is_filled_wastes_nothing() {
        for bytes in 0..20_000 {
            let filled = filled(bytes);
            assert!(filled <= bytes && taken(filled) == filled, "{bytes}: {filled}");
            assert!(bytes < 64 || filled * 5 > bytes * 4, "{bytes}: {filled}");
        }
    }
}
