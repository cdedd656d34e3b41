//! Compact form of a JWS (RFC 7515 §7.1): its strict parser, and the verification of its signature.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::claims::{AuthenticClaims, numeric_date, string_claim};
use super::declared_kind::{DeclaredKind, resembles_id_token};
use super::fault::{JwsSegment, MalformedToken, SignatureFault};
use super::header::UnverifiedHeader;
use super::json::parse_object;
use super::keyset::KeySet;
use super::verification_key::VerificationKey;

/// JWS in compact form with any payload, not verified yet.
///
/// For access tokens use [`CompactJws`], which is built on it.
pub struct CompactParts<'a> {
    signing_input: &'a str,
    header: UnverifiedHeader,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> CompactParts<'a> {
    /// Reads the compact form strictly.
    ///
    /// # Errors
    /// [`MalformedToken`] for anything other than a signed JWS without extensions.
    pub fn parse(token: &'a str) -> Result<Self, MalformedToken> {
        // Strict in all three segments: lenient base64 would give one token several spellings.
        let [header, payload, signature] = split_segments(token).ok_or(MalformedToken::NotCompact)?;
        let object = parse_object(&decode_strict(header, JwsSegment::Header)?)
            .map_err(|fault| MalformedToken::Json(JwsSegment::Header, fault))?;
        let header = UnverifiedHeader::from_object(&object)?;
        // As sent, not re-encoded: the signature covers these characters (RFC 7515 §5.2). -1 is the last dot.
        let signing_input = &token[..token.len() - signature.len() - 1];
        Ok(Self {
            signing_input,
            header,
            payload: decode_strict(payload, JwsSegment::Payload)?,
            signature: decode_strict(signature, JwsSegment::Signature)?,
        })
    }

    /// Returns the unverified header.
    #[must_use]
    pub const fn header(&self) -> &UnverifiedHeader {
        &self.header
    }

    /// Verifies the signature, and returns the payload.
    ///
    /// # Errors
    /// [`SignatureFault`] when no key of `keys` made the signature, or the algorithm is not `allowed`.
    pub fn verified_payload(&self, keys: &KeySet, allowed: &[Algorithm]) -> Result<&[u8], SignatureFault> {
        self.verify_signature(keys, allowed)
            .map(|_| self.payload.as_slice())
    }

    /// Verifies the signature. The only place that does.
    fn verify_signature<'k>(
        &self,
        keys: &'k KeySet,
        allowed: &[Algorithm],
    ) -> Result<(&'k VerificationKey, Algorithm), SignatureFault> {
        let algorithm = self
            .header
            .algorithm()
            .filter(|algorithm| allowed.contains(algorithm))
            .ok_or(SignatureFault::AlgorithmNotAllowed)?;
        // The allow-list comes first, so that a header cannot choose an algorithm (RFC 8725 §3.1).
        let mut fault = SignatureFault::UnknownKey;
        for key in keys.candidates(&self.header) {
            match key.verifies(algorithm, allowed, self.signing_input.as_bytes(), &self.signature) {
                Some(true) => return Ok((key, algorithm)),
                Some(false) => fault = SignatureFault::BadSignature,
                // Of several reasons the strongest is reported: a wrong signature, then a wrong
                // algorithm, then no key.
                None if fault == SignatureFault::UnknownKey
                    && key.kid().is_some()
                    && key.kid() == self.header.kid() =>
                {
                    fault = SignatureFault::KeyAlgorithmMismatch;
                }
                None => {}
            }
        }
        Err(fault)
    }
}

impl fmt::Debug for CompactParts<'_> {
    /// Prints the header only, because the whole token is a credential.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CompactParts")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// JWT in JWS compact form, not verified yet.
///
/// The `unverified_*` readers exist to choose a key and to refuse early. Never accept anything
/// because of them.
pub struct CompactJws<'a> {
    parts: CompactParts<'a>,
    claims: Arc<Map<String, Value>>,
}

impl<'a> CompactJws<'a> {
    /// Reads a JWS whose payload is a JSON object.
    ///
    /// # Errors
    /// [`MalformedToken`] for anything else, also for opaque tokens. [`shape_of`](super::shape_of)
    /// distinguishes those.
    pub fn parse(token: &'a str) -> Result<Self, MalformedToken> {
        let parts = CompactParts::parse(token)?;
        let claims =
            parse_object(&parts.payload).map_err(|fault| MalformedToken::Json(JwsSegment::Payload, fault))?;
        Ok(Self {
            parts,
            // Shared with `AuthenticClaims` after the verification: the same object, never parsed twice.
            claims: Arc::new(claims),
        })
    }

    /// Returns the unverified header.
    #[must_use]
    pub const fn header(&self) -> &UnverifiedHeader {
        &self.parts.header
    }

    /// Computes the SHA-256 of the signing input (header and payload as sent): the canonical
    /// identity of the token.
    ///
    /// The signature is left out, because an ECDSA signature has two forms that both verify, and anyone can
    /// compute the other: (r, s) and (r, n − s).
    #[must_use]
    pub fn signing_input_digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, self.parts.signing_input.as_bytes()).as_ref());
        bytes
    }

    /// Reads `jti`, unverified: only for refusing early.
    #[must_use]
    pub fn unverified_jti(&self) -> Option<&str> {
        string_claim(&self.claims, "jti").ok().flatten()
    }

    /// Reads `iss`, unverified: only for choosing the keys and for declining a token of another issuer.
    #[must_use]
    pub fn unverified_issuer(&self) -> Option<&str> {
        string_claim(&self.claims, "iss").ok().flatten()
    }

    /// Reads `exp`, unverified: only for refusing early.
    #[must_use]
    pub fn unverified_expiry(&self) -> Option<Timestamp> {
        numeric_date(&self.claims, "exp").ok().flatten()
    }

    /// Returns the kind that header and claims declare, unverified: only for refusing early, or if the
    /// signature is proven elsewhere.
    #[must_use]
    pub fn unverified_kind(&self) -> DeclaredKind {
        DeclaredKind::of_header(self.header().typ()).combine(DeclaredKind::of_claims(&self.claims))
    }

    /// Returns `true` if the claims are those of an ID token that declares no kind, unverified: only for
    /// choosing between two refusals.
    #[must_use]
    pub fn unverified_resembles_id_token(&self) -> bool {
        resembles_id_token(&self.claims)
    }

    /// Returns the claims, which the issuer vouches for instead of a signature. Call it only if the
    /// authorization server itself issued or accepted exactly this token a moment ago. Private to this crate.
    #[must_use]
    pub fn claims_vouched_by_issuer(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Verifies the signature. The only constructor of [`AuthenticClaims`].
    ///
    /// The algorithm must be `allowed` and that of the key. With a `kid` in the header only keys with that
    /// `kid` are tried (see [`KeySet::candidates`]).
    ///
    /// # Errors
    /// [`SignatureFault`] when no key of the set made the signature.
    pub fn verify(&self, keys: &KeySet, allowed: &[Algorithm]) -> Result<AuthenticClaims, SignatureFault> {
        let (key, algorithm) = self.parts.verify_signature(keys, allowed)?;
        Ok(AuthenticClaims::new(
            Arc::clone(&self.claims),
            algorithm,
            key.kid().map(str::to_owned),
            self.header().typ().map(str::to_owned),
        ))
    }
}

impl fmt::Debug for CompactJws<'_> {
    /// Prints the header only, because the whole token is a credential.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CompactJws")
            .field("header", self.header())
            .finish_non_exhaustive()
    }
}

pub(super) fn split_segments(token: &str) -> Option<[&str; 3]> {
    let mut segments = token.split('.');
    let three = [segments.next()?, segments.next()?, segments.next()?];
    segments.next().is_none().then_some(three)
}

// The engine refuses padding, other alphabets and trailing bits, so a segment has one spelling only.
fn decode_strict(segment: &str, which: JwsSegment) -> Result<Vec<u8>, MalformedToken> {
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|_| MalformedToken::Base64(which))
}
