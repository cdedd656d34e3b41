//! The bounded set of unproven tokens: tokens that are refused although nothing proves them (decision 10).
//!
//! The revocation of such a token is a journal line like any other, with a short expiry. Each needs a place
//! in this set, so that strangers cannot fill the journal. Places are counted in the transaction that takes
//! one, for all instances that share the database.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::seal::SealedValue;
use crate::unavailable::Unavailable;
use crate::verdict::TokenKey;

/// Bytes of token text that take one place. A longer text takes another place for each further part of this
/// size.
const BYTES_PER_PLACE: usize = 2_048;

/// A token that is refused and that nothing proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnprovenToken {
    /// Name under which the journal line refuses the token.
    pub key: TokenKey,
    /// Token and client, sealed, while the token's state may still be determined; otherwise `None`.
    pub sealed: Option<SealedValue>,
    /// Number of places that the token takes.
    pub places: u32,
    /// Address of the client that sent the token.
    pub ip_address: Option<String>,
    /// Time at which the token was recorded.
    pub recorded_at: Timestamp,
    /// Expiry of the journal line.
    pub expires_at: Timestamp,
    /// Time until which the journal line is renewed while the token's state cannot be determined.
    pub keep_until: Timestamp,
    /// Number of attempts to determine the token's state.
    pub attempts: u32,
}

impl UnprovenToken {
    /// Number of places that a token takes. Only a token whose text is stored (`is_stored`) takes more than
    /// one.
    pub fn places_of(token: &str, is_stored: bool) -> u32 {
        // Without the text, a row has the same size for every token.
        if !is_stored {
            return 1;
        }
        u32::try_from(token.len().div_ceil(BYTES_PER_PLACE).max(1)).unwrap_or(u32::MAX)
    }
}

/// Result of a request for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceReservation {
    /// The token has a place now.
    Reserved,
    /// The token had a place before. Its journal line lasts until this time.
    AlreadyReserved(Timestamp),
    /// The set is full.
    Full,
}

/// The durable set of unproven tokens, in SQL.
#[async_trait]
pub trait UnprovenTokens: Send + Sync {
    /// Takes places for a token, unless more than `bound` places would be taken in total. The row of a token
    /// that has a place does not change, except if less than half of its time is left, or if its text is
    /// given and was not stored.
    async fn reserve(
        &self,
        token: &UnprovenToken,
        bound: u32,
        now: Timestamp,
    ) -> Result<PlaceReservation, Unavailable>;
    /// Takes up to `limit` due tokens whose text is stored, the earliest expiry first. No other instance can
    /// take them until `lease` has passed.
    async fn take_due(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<UnprovenToken>, Unavailable>;
    /// Returns up to `limit` tokens whose journal line expires before `before` and must be renewed, in the
    /// order of their keys, after `after`.
    async fn due_for_line_renewal(
        &self,
        after: Option<&TokenKey>,
        before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<UnprovenToken>, Unavailable>;
    /// Records a failed attempt to determine the token's state. The token is due again at `next_attempt_at`,
    /// and its journal line lasts until `expires_at`.
    async fn retry_at(
        &self,
        key: &TokenKey,
        next_attempt_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), Unavailable>;
    /// Records that the authorization server does not know the token. Deletes its text; its place is free
    /// when its journal line expires.
    async fn settle_unknown(&self, key: &TokenKey) -> Result<(), Unavailable>;
    /// Records that the token was proven and is revoked by a journal line of its own. Its place is free.
    async fn settle_proven(&self, key: &TokenKey) -> Result<(), Unavailable>;
    /// Returns the number of taken places.
    async fn places_taken(&self, now: Timestamp) -> Result<u64, Unavailable>;
    /// Deletes expired rows, and returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
