//! Size classes of the allocator.
//!
//! Allocators return memory in a few sizes: mimalloc and jemalloc have four for each doubling. A request just
//! above one of them wastes up to a fifth.

/// Size of the allocation that a request for `bytes` bytes gets.
pub(crate) fn allocated_size(bytes: usize) -> usize {
    // Minus one: a request of exactly one size gets that size and not the next one. Saturating, for an empty
    // request.
    bytes.next_multiple_of(size_class_step(bytes.saturating_sub(1)))
}

/// Largest number of bytes up to `bytes` that fill an allocation exactly.
pub(super) fn largest_exact_fit(bytes: usize) -> usize {
    bytes - bytes % size_class_step(bytes)
}

/// Distance between two sizes near `bytes`: a quarter of the power of two below, and at least sixteen.
fn size_class_step(bytes: usize) -> usize {
    // `| 64` gives the minimum, and a logarithm that exists for zero.
    1 << ((bytes | 64).ilog2() - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_four_sizes_for_each_doubling() {
        for (bytes, size) in [
            (0, 0),
            (1, 16),
            (100, 112),
            (128, 128),
            (129, 160),
            (257, 320),
            (897, 1_024),
            (1_025, 1_280),
        ] {
            assert_eq!(allocated_size(bytes), size, "{bytes}");
        }
    }

    #[test]
    fn an_exact_fit_wastes_nothing() {
        for bytes in 0..20_000 {
            let filled = largest_exact_fit(bytes);
            assert!(
                filled <= bytes && allocated_size(filled) == filled,
                "{bytes}: {filled}"
            );
            assert!(bytes < 64 || filled * 5 > bytes * 4, "{bytes}: {filled}");
        }
    }
}
