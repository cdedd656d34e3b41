//! Key of the verdict cache: the whole token. For a valid token it is already part of the compact verdict.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quick_cache::Equivalent;

use crate::verdict::{CompactVerdict, allocated_size, split_token};

/// Token as a cache key. Compared in full, so that no hash collision gives a
/// token another token's verdict (I9).
#[derive(Clone, Debug)]
pub(super) enum CacheKey {
    /// Text of a token that is being verified, or was rejected.
    Text(Arc<str>),
    /// Verdict that contains the token, to store its text only once.
    InVerdict(Arc<CompactVerdict>),
}

/// Token to look up, without an allocation.
#[derive(Clone, Copy)]
pub(super) struct CacheKeyRef<'t>(pub(super) &'t str);

impl CacheKey {
    /// Returns the text in the two pieces in which a compact verdict stores it.
    fn parts(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Text(token) => split_token(token),
            Self::InVerdict(verdict) => verdict.token_parts(),
        }
    }

    /// Returns the approximate number of bytes that the key takes in addition to its verdict.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            // An `Arc` allocates its two counters in front of the text.
            Self::Text(token) => allocated_size(token.len() + 2 * size_of::<usize>()),
            Self::InVerdict(_) => 0,
        }
    }
}

impl PartialEq for CacheKey {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for CacheKey {}

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_parts(self.parts(), state);
    }
}

impl Hash for CacheKeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_parts(split_token(self.0), state);
    }
}

impl Equivalent<CacheKey> for CacheKeyRef<'_> {
    fn equivalent(&self, key: &CacheKey) -> bool {
        split_token(self.0) == key.parts()
    }
}

/// Hashes the two pieces. Key and lookup must hash alike, or a lookup misses its entry.
fn hash_parts<H: Hasher>((front, end): (&[u8], &[u8]), state: &mut H) {
    state.write(front);
    state.write(end);
}

#[cfg(test)]
mod tests;
