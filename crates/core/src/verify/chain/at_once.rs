//! The verdict on a token that is not remembered, where it can be told without waiting: the first layer checks signatures here,
//! and has the keys at hand.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{VerifyChain, VerifyFault};
use crate::credential::PresentedToken;
use crate::identity::VerificationSource;
use crate::revocation::{Facts, Known};
use crate::token::TokenShape;
use crate::verify::examined::Examined;
use crate::verify::key::Token;
use crate::verify::remembered::Remembered;
use crate::verify::testimony::{Rejection, Shown, Verified};

impl VerifyChain {
    /// Verifies a token of which nothing is remembered without waiting. `None` decides nothing: [`verify`](Self::verify) does,
    /// and comes to the same for what is good. Nobody else is asked, so those who ask at once need not wait for each other.
    pub fn verify_at_once(&self, token: &str, now: Timestamp) -> Option<Verified> {
        let first = self.layers.first()?;
        if first.source() != VerificationSource::LocalJwt {
            return None;
        }
        let token = PresentedToken::parse(token).ok()?;
        let examined = Examined::of(&token);
        if has_expired(&examined, now) {
            return None;
        }
        let edition = self.keys_in_force().map(|keys| keys.edition);
        let proof = match self.early_look(&examined, now) {
            Ok(proof) => proof?,
            Err(rejection) => {
                self.refuse(&token, rejection, now);
                return None;
            }
        };
        let shown = Shown {
            examined: &examined,
            proof: Some(&proof),
        };
        let said = first.accepts_at_once(&shown, now)?;
        let facts = self.reading(&shown, now).facts(first.source(), said).ok()?;
        Some(Verified::new(self.kept(&token, facts, edition, now)))
    }

    /// Remembers a refusal for a moment, in which whoever decides it need not check the signature again.
    fn refuse(&self, token: &PresentedToken, rejection: Rejection, now: Timestamp) {
        let keep = self.limits.keep;
        if !keep.is_zero() {
            let refused = Remembered::refused(VerifyFault::Rejected(rejection), now, keep);
            self.cache.insert(Token::Plain(token.expose().into()), refused);
        }
    }

    fn kept(&self, token: &PresentedToken, facts: Facts, edition: Option<u32>, now: Timestamp) -> Known {
        if self.limits.keep.is_zero() {
            return Known::Whole(Arc::new(facts));
        }
        let packed = self.packed(token, &facts);
        let remembered = Remembered::accepted(
            Arc::clone(&packed),
            now,
            self.limits.keep,
            Duration::ZERO,
            edition,
        );
        self.cache.insert(Token::Packed(Arc::clone(&packed)), remembered);
        Known::Packed(packed)
    }
}

/// Most tokens that are not good are so because they are old, and no signature is needed to see that.
fn has_expired(examined: &Examined<'_>, now: Timestamp) -> bool {
    match examined.shape() {
        TokenShape::Jws(jws) => jws.unverified_expiry().is_some_and(|at| at <= now),
        TokenShape::Opaque | TokenShape::Malformed(_) => true,
    }
}

#[cfg(test)]
mod tests;
