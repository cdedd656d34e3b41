//! What is remembered of a token: the verdict, until when it counts, and when it should be renewed.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quick_cache::Weighter;

use super::chain::VerifyFault;
use super::key::Token;
use crate::clock;
use crate::identity::VerificationSource;
use crate::revocation::Packed;

/// A token that was refused is refused again for this long without asking.
const KEEP_REFUSAL: Duration = Duration::from_secs(1);
/// A signature checked here is checked again after this long, so that a removed key dies within a minute.
const KEEP_LOCAL: Duration = Duration::from_secs(15);

/// What the cache itself keeps for each entry: 64 bytes, in tables that double when they are full, and a place in an index.
const PER_ENTRY: usize = 128;

/// One verdict.
#[derive(Clone)]
pub(super) struct Remembered {
    pub(super) outcome: Result<Arc<Packed>, Arc<VerifyFault>>,
    /// It counts until then.
    until: Timestamp,
    renewal: Renewal,
}

/// Whether a verdict is renewed before it runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    /// No: asking again is cheap, or would not prolong it.
    Never,
    /// If the token is used within so many milliseconds before its end.
    Before(u32),
    /// Somebody sees to it.
    Claimed,
}

impl Remembered {
    /// A yes, to be remembered for `keep` at most; the layers took so long to say it.
    pub(super) fn accepted(packed: Packed, now: Timestamp, keep: Duration, took: Duration) -> Self {
        let local = packed.source() == VerificationSource::LocalJwt;
        let keep = if local { keep.min(KEEP_LOCAL) } else { keep };
        let limit = clock::after(now, keep);
        let until = limit.min(packed.expires_at().unwrap_or(Timestamp::MAX));
        let renewal = if local || until < limit {
            Renewal::Never
        } else {
            Renewal::Before(ahead(keep, took))
        };
        Self {
            outcome: Ok(Arc::new(packed)),
            until,
            renewal,
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
            until,
            renewal: Renewal::Never,
        }
    }

    pub(super) fn is_current(&self, now: Timestamp) -> bool {
        self.until > now
    }

    /// Whether a use of the token now asks for a renewal.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        match self.renewal {
            Renewal::Before(millis) => {
                self.until.duration_since(now) <= SignedDuration::from_millis(millis.into())
            }
            Renewal::Never | Renewal::Claimed => false,
        }
    }

    /// Takes its renewal upon the caller; `false` if it is not due any more.
    pub(super) fn claim(&mut self, now: Timestamp) -> bool {
        let due = self.is_current(now) && self.is_due(now);
        if due {
            self.renewal = Renewal::Claimed;
        }
        due
    }

    /// Whether somebody has claimed its renewal, and it still counts.
    pub(super) fn is_claimed(&self, now: Timestamp) -> bool {
        self.renewal == Renewal::Claimed && self.is_current(now)
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
