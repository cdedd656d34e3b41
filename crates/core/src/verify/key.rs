//! What the verdict cache is keyed by: the whole token, which for a good one stands in its verdict already.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quick_cache::Equivalent;

use crate::revocation::{Packed, parts, taken};

/// A token in the cache, compared in full: no collision can lend one token another's verdict (I9).
#[derive(Clone, Debug)]
pub(super) enum Token {
    /// It is being asked about, or was refused.
    Plain(Arc<str>),
    /// It stands in its verdict.
    Packed(Arc<Packed>),
}

/// A token that is looked for.
#[derive(Clone, Copy)]
pub(super) struct Presented<'t>(pub(super) &'t str);

impl Token {
    fn parts(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Plain(token) => parts(token),
            Self::Packed(packed) => packed.token(),
        }
    }

    /// About how many bytes of memory it takes beside its verdict.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Plain(token) => taken(token.len() + 2 * size_of::<usize>()),
            Self::Packed(_) => 0,
        }
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Token {}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.parts(), state);
    }
}

impl Hash for Presented<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(parts(self.0), state);
    }
}

impl Equivalent<Token> for Presented<'_> {
    fn equivalent(&self, token: &Token) -> bool {
        parts(self.0) == token.parts()
    }
}

fn hash<H: Hasher>((front, end): (&[u8], &[u8]), state: &mut H) {
    state.write(front);
    state.write(end);
}

#[cfg(test)]
mod tests;
