//! What is remembered of a token: the verdict, until when it counts, and when it should be renewed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quick_cache::Weighter;

use super::chain::VerifyFault;
use super::jwt::KeysInForce;
use super::key::Token;
use crate::clock;
use crate::identity::VerificationSource;
use crate::revocation::Packed;

/// A token that was refused is refused again for this long without asking.
const KEEP_REFUSAL: Duration = Duration::from_secs(1);
/// A signature checked here counts as long as its key set is in force, so that a removed key is dead as soon as its removal is
/// known. Where that can't be told, or the keys are too old to be used without asking, it counts so long.
const KEEP_LOCAL: Duration = Duration::from_secs(15);
/// With the same keys a signature would be found as good as before until the token expires. After this long it is checked again
/// all the same, and costs nothing then.
const LONGEST_LOCAL: Duration = Duration::from_secs(3_600);

/// What the cache itself keeps for each entry: 64 bytes, in tables that double when they are full, and a place in an index.
const PER_ENTRY: usize = 128;

/// One verdict.
#[derive(Clone)]
pub(super) struct Remembered {
    pub(super) outcome: Result<Arc<Packed>, Arc<VerifyFault>>,
    /// It counts until then at the most, in milliseconds since 1970: of these there may be millions.
    until: i64,
    terms: Terms,
}

/// What else there is to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Terms {
    /// Nothing: asking again would not prolong it.
    Plain,
    /// It is renewed if the token is used within so many milliseconds before.
    Renewed(u32),
    /// Somebody sees to its renewal.
    Claimed,
    /// A signature was checked here. It is over when the key set that it was checked with is in force no more; and so many
    /// milliseconds before the end, unless that is known to be.
    Keys { edition: u32, beyond: u32 },
}

impl Remembered {
    /// A yes, to be remembered for `keep` if it comes from a remote layer; the layers took so long to say it. `edition` is that
    /// of the keys as they were before the token was looked at, where one is known.
    pub(super) fn accepted(
        packed: Arc<Packed>,
        now: Timestamp,
        keep: Duration,
        took: Duration,
        edition: Option<u32>,
    ) -> Self {
        let expires_at = packed.expires_at().unwrap_or(Timestamp::MAX);
        let limit = |keep| clock::after(now, keep).min(expires_at).as_millisecond();
        let without_keys = limit(keep.min(KEEP_LOCAL));
        let (until, terms) = match (packed.source(), edition) {
            (VerificationSource::LocalJwt, Some(edition)) if !keep.is_zero() => {
                let until = limit(LONGEST_LOCAL);
                // An hour in milliseconds at the most.
                let beyond = u32::try_from(until - without_keys).unwrap_or(0);
                (until, Terms::Keys { edition, beyond })
            }
            (VerificationSource::LocalJwt, _) => (without_keys, Terms::Plain),
            _ if clock::after(now, keep) > expires_at => (limit(keep), Terms::Plain),
            _ => (limit(keep), Terms::Renewed(ahead(keep, took))),
        };
        Self {
            outcome: Ok(packed),
            until,
            terms,
        }
    }

    /// Anything but a yes.
    pub(super) fn refused(fault: VerifyFault, now: Timestamp, keep: Duration) -> Self {
        let until = match fault {
            VerifyFault::Rejected(_) => clock::after(now, keep.min(KEEP_REFUSAL)),
            // Shared with whoever waits already, or each of them would wait for a time-out of its own in turn; whoever
            // comes later asks again.
            VerifyFault::Unavailable(_) => now,
        };
        Self {
            outcome: Err(Arc::new(fault)),
            until: until.as_millisecond(),
            terms: Terms::Plain,
        }
    }

    /// Whether it still counts; `keys` tells which are in force.
    pub(super) fn is_current(&self, now: Timestamp, keys: impl FnOnce() -> Option<KeysInForce>) -> bool {
        let left = self.until - now.as_millisecond();
        let Terms::Keys { edition, beyond } = self.terms else {
            return left > 0;
        };
        match keys() {
            Some(keys) if keys.edition != edition => false,
            Some(keys) if keys.fresh_until > now => left > 0,
            _ => left > i64::from(beyond),
        }
    }

    /// Whether a use of the token now asks for a renewal.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        match self.terms {
            Terms::Renewed(millis) => self.until - now.as_millisecond() <= i64::from(millis),
            Terms::Plain | Terms::Claimed | Terms::Keys { .. } => false,
        }
    }

    /// Takes its renewal upon the caller; `false` if it is not due any more.
    pub(super) fn claim(&mut self, now: Timestamp) -> bool {
        let due = self.is_current(now, || None) && self.is_due(now);
        if due {
            self.terms = Terms::Claimed;
        }
        due
    }

    /// Whether somebody has claimed its renewal, and it still counts.
    pub(super) fn is_claimed(&self, now: Timestamp) -> bool {
        self.terms == Terms::Claimed && self.is_current(now, || None)
    }
}

/// How long before its end a verdict is renewed, in milliseconds: twice as long as it took to get it, so that the new one
/// is there in time; a quarter of the time for which it is remembered at least, and half of it at most.
fn ahead(keep: Duration, took: Duration) -> u32 {
    let ahead = (took * 2).clamp(keep / 4, keep / 2);
    u32::try_from(ahead.as_millis()).unwrap_or(u32::MAX)
}

/// Weighs an entry by the memory that it takes.
#[derive(Clone)]
pub(super) struct ByBytes;

impl Weighter<Token, Remembered> for ByBytes {
    fn weight(&self, token: &Token, remembered: &Remembered) -> u64 {
        let known = match &remembered.outcome {
            Ok(packed) => packed.bytes(),
            Err(_) => size_of::<VerifyFault>(),
        };
        (token.bytes() + known + PER_ENTRY) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_cache_takes_no_more_than_is_counted() {
        assert!(size_of::<(Token, Remembered)>() <= 64);
    }

    #[test]
    fn it_begins_early_enough_for_a_slow_layer_and_never_before_half_the_time() {
        let keep = Duration::from_secs(8);
        for (took, millis) in [
            (0, 2_000),
            (999, 2_000),
            (1_500, 3_000),
            (2_001, 4_000),
            (60_000, 4_000),
        ] {
            assert_eq!(ahead(keep, Duration::from_millis(took)), millis, "{took}");
        }
        assert_eq!(ahead(Duration::ZERO, Duration::from_secs(1)), 0);
    }
}
