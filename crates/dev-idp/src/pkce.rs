//! Proof Key for Code Exchange, method S256 only (RFC 7636).

use aws_lc_rs::{constant_time, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The SHA-256 of a verifier that only the client knows (RFC 7636 §4.2).
#[derive(Debug, Clone)]
pub(crate) struct PkceChallenge([u8; 32]);

impl PkceChallenge {
    /// Reads a `code_challenge`; `None` when it is not the base64url form of 32 bytes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// Returns `true` if `verifier` is well-formed (RFC 7636 §4.1) and is the one this challenge was made of.
    pub(crate) fn is_met_by(&self, verifier: &str) -> bool {
        let well_formed = (43..=128).contains(&verifier.len())
            && verifier
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
        well_formed && constant_time::verify_slices_are_equal(hash.as_ref(), &self.0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_is_met_and_nothing_else_is() {
        let challenge = PkceChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
        assert!(!challenge.is_met_by(""));
    }

    #[test]
    fn a_verifier_of_the_wrong_length_or_alphabet_is_refused_even_when_its_hash_fits() {
        for verifier in [
            "short".to_owned(),
            "a".repeat(129),
            "ä".repeat(30),
            "a b".repeat(20),
        ] {
            let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
            let challenge = PkceChallenge::parse(&URL_SAFE_NO_PAD.encode(hash)).unwrap();
            assert!(!challenge.is_met_by(&verifier), "{verifier}");
        }
    }

    #[test]
    fn a_challenge_that_is_not_a_hash_is_refused() {
        for text in [
            "",
            "abc",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
        ] {
            assert!(PkceChallenge::parse(text).is_none(), "{text}");
        }
    }
}
