//! The compact form of a JWS (RFC 7515 §7.1): telling it from an opaque token, and verifying its signature.
//!
//! A token that some lenient reader could take for a JWS, but that is not one to the letter, is [`MalformedToken`] and never
//! opaque. Otherwise a revoked token would come back in another spelling, under another identity.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::claims::{AuthenticClaims, numeric_date, string_claim};
use super::header::UnverifiedHeader;
use super::json::{MalformedJson, parse_object};
use super::key::VerificationKey;
use super::keyset::KeySet;

/// What a presented token is, judged by its shape alone.
#[derive(Debug)]
pub enum TokenShape<'a> {
    /// A well-formed JWT in JWS compact form. Nothing about it is proven yet.
    Jws(CompactJws<'a>),
    /// Text without any meaning to us, such as a random access token or a JWE: only the server that issued it can judge.
    Opaque,
    /// Almost a JWS, and refused: no layer may be asked about it.
    Malformed(MalformedToken),
}

/// Why something that looks like a JWS is refused before any key is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedToken {
    /// Not three segments separated by dots.
    #[error("not a JWS in compact form")]
    NotCompact,
    /// A segment is not unpadded base64url in its one canonical spelling (RFC 7515 §2).
    #[error("the {0} is not strict base64url")]
    Base64(Segment),
    /// A segment is not a strict JSON object.
    #[error("the {0} is malformed: {1}")]
    Json(Segment, MalformedJson),
    /// A header parameter has a type or value that its definition does not allow, or `alg` is missing.
    #[error("the header parameter {0} is malformed")]
    HeaderParameter(&'static str),
    /// `alg` is `none`, in whatever case: the token carries no proof (RFC 7518 §3.6).
    #[error("the token is unsigned")]
    Unsigned,
    /// `crit` is present, and no extension is understood here (RFC 7515 §4.1.11).
    #[error("the header has critical extensions")]
    CriticalExtension,
    /// The header asks for a transformation that a JWS access token does not have (`b64`, `zip`, `enc`).
    #[error("the header parameter {0} is not supported")]
    Unsupported(&'static str),
}

/// One of the three parts of a JWS in compact form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// The JOSE header.
    Header,
    /// The payload: for a JWT its claims.
    Payload,
    /// The signature or MAC.
    Signature,
}

impl fmt::Display for Segment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Why a signature is not accepted under a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The token's algorithm is unknown or not on the issuer's allow-list.
    #[error("the signature algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// No key of the set could have made the signature; fetching the keys again may help.
    #[error("no key fits the token")]
    UnknownKey,
    /// The key that the token names is pinned to another algorithm.
    #[error("the key is meant for another algorithm")]
    KeyAlgorithmMismatch,
    /// Keys fit, and none of them made this signature: the token is forged — or, where neither it nor the keys have a
    /// `kid`, perhaps signed by a key that came later.
    #[error("the signature is wrong")]
    BadSignature,
}

/// A JWS in compact form with any payload, its signature not yet verified.
///
/// Access tokens want [`CompactJws`], which this is the lower half of.
pub struct CompactParts<'a> {
    signing_input: &'a str,
    header: UnverifiedHeader,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> CompactParts<'a> {
    /// Reads the compact form to the letter.
    ///
    /// # Errors
    /// [`MalformedToken`] for anything that is not exactly a signed JWS without extensions.
    pub fn parse(token: &'a str) -> Result<Self, MalformedToken> {
        let [header, payload, signature] = segments(token).ok_or(MalformedToken::NotCompact)?;
        let object = parse_object(&strict(header, Segment::Header)?)
            .map_err(|fault| MalformedToken::Json(Segment::Header, fault))?;
        let header = UnverifiedHeader::from_object(&object)?;
        let signing_input = &token[..token.len() - signature.len() - 1];
        Ok(Self {
            signing_input,
            header,
            payload: strict(payload, Segment::Payload)?,
            signature: strict(signature, Segment::Signature)?,
        })
    }

    /// The header, of which nothing is proven.
    #[must_use]
    pub const fn header(&self) -> &UnverifiedHeader {
        &self.header
    }

    /// The payload, given out only where the signature verifies under one of `keys` and the algorithm is `allowed`.
    ///
    /// # Errors
    /// [`SignatureFault`] otherwise.
    pub fn verified_payload(&self, keys: &KeySet, allowed: &[Algorithm]) -> Result<&[u8], SignatureFault> {
        self.signed_by(keys, allowed).map(|_| self.payload.as_slice())
    }

    /// The one place where a signature is verified.
    fn signed_by<'k>(
        &self,
        keys: &'k KeySet,
        allowed: &[Algorithm],
    ) -> Result<(&'k VerificationKey, Algorithm), SignatureFault> {
        let algorithm = self
            .header
            .algorithm()
            .filter(|algorithm| allowed.contains(algorithm))
            .ok_or(SignatureFault::AlgorithmNotAllowed)?;
        let mut fault = SignatureFault::UnknownKey;
        for key in keys.candidates(&self.header) {
            match key.verifies(algorithm, allowed, self.signing_input.as_bytes(), &self.signature) {
                Some(true) => return Ok((key, algorithm)),
                Some(false) => fault = SignatureFault::BadSignature,
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
    /// Shows the header only: the rest together is a credential.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CompactParts")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// A JWT in JWS compact form, well-formed, its signature not yet verified.
///
/// The `unverified_*` readers exist to choose a key and to refuse early. No acceptance may rest on them.
pub struct CompactJws<'a> {
    parts: CompactParts<'a>,
    claims: Arc<Map<String, Value>>,
}

impl<'a> CompactJws<'a> {
    /// Reads a token that is a JWS with a JSON object as its payload.
    ///
    /// # Errors
    /// [`MalformedToken`] for anything else; [`shape_of`] is the question to ask of a token whose kind is not known.
    pub fn parse(token: &'a str) -> Result<Self, MalformedToken> {
        let parts = CompactParts::parse(token)?;
        let claims =
            parse_object(&parts.payload).map_err(|fault| MalformedToken::Json(Segment::Payload, fault))?;
        Ok(Self {
            parts,
            claims: Arc::new(claims),
        })
    }

    /// The header, of which nothing is proven.
    #[must_use]
    pub const fn header(&self) -> &UnverifiedHeader {
        &self.parts.header
    }

    /// SHA-256 of the signing input, header and payload as sent: the token's canonical identity.
    ///
    /// The signature is left out, since a signature can be respelled without its key: (r, s) and (r, n − s) both verify.
    #[must_use]
    pub fn signing_input_digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, self.parts.signing_input.as_bytes()).as_ref());
        bytes
    }

    /// `jti`, unproven: only for refusing early.
    #[must_use]
    pub fn unverified_jti(&self) -> Option<&str> {
        string_claim(&self.claims, "jti").ok().flatten()
    }

    /// `iss`, unproven: only for choosing the keys and for declining a token of another issuer.
    #[must_use]
    pub fn unverified_issuer(&self) -> Option<&str> {
        string_claim(&self.claims, "iss").ok().flatten()
    }

    /// `exp`, unproven: only for refusing early.
    #[must_use]
    pub fn unverified_expiry(&self) -> Option<Timestamp> {
        numeric_date(&self.claims, "exp").ok().flatten()
    }

    /// The claims, on the word of the issuer and not of a signature checked here: to be called only where the
    /// authorization server itself gave out this very token, or accepted it, a moment ago. Inside this crate only.
    #[must_use]
    pub(crate) fn claims_vouched_by_issuer(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Verifies the signature; the only maker of [`AuthenticClaims`].
    ///
    /// The algorithm must be `allowed` and must be the key's own. With a `kid` in the header only keys of that `kid` are
    /// tried (see [`KeySet::candidates`]).
    ///
    /// # Errors
    /// [`SignatureFault`] when no key of the set made the signature.
    pub fn verify(&self, keys: &KeySet, allowed: &[Algorithm]) -> Result<AuthenticClaims, SignatureFault> {
        let (key, algorithm) = self.parts.signed_by(keys, allowed)?;
        Ok(AuthenticClaims::authentic(
            Arc::clone(&self.claims),
            algorithm,
            key.kid().map(str::to_owned),
            self.header().typ().map(str::to_owned),
        ))
    }
}

impl fmt::Debug for CompactJws<'_> {
    /// Shows the header only: the rest together is a credential.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CompactJws")
            .field("header", self.header())
            .finish_non_exhaustive()
    }
}

/// Tells a JWS from an opaque token.
///
/// Three segments of which the first, read as leniently as any decoder in use reads it, is a JSON object with `alg`, are
/// a JWS and must then be one to the letter. Everything else is opaque, JWE with its five segments included.
#[must_use]
pub fn shape_of(token: &str) -> TokenShape<'_> {
    // The strict reading comes first: what is a JWS to the letter is one to any forgiving reader too.
    let fault = match CompactJws::parse(token) {
        Ok(jws) => return TokenShape::Jws(jws),
        Err(fault) => fault,
    };
    match segments(token) {
        Some([header, _, _]) if could_be_header(&lenient(header)) => TokenShape::Malformed(fault),
        _ => TokenShape::Opaque,
    }
}

fn segments(token: &str) -> Option<[&str; 3]> {
    let mut segments = token.split('.');
    let three = [segments.next()?, segments.next()?, segments.next()?];
    segments.next().is_none().then_some(three)
}

fn strict(segment: &str, which: Segment) -> Result<Vec<u8>, MalformedToken> {
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|_| MalformedToken::Base64(which))
}

/// Decodes as the most forgiving decoders do: both alphabets, stray characters and padding dropped, unused bits ignored.
fn lenient(segment: &str) -> Vec<u8> {
    const FORGIVING: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let mut symbols: Vec<u8> = segment
        .bytes()
        .filter_map(|byte| match byte {
            b'+' => Some(b'-'),
            b'/' => Some(b'_'),
            b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => Some(byte),
            _ => None,
        })
        .collect();
    if symbols.len() % 4 == 1 {
        symbols.pop();
    }
    FORGIVING.decode(symbols).unwrap_or_default()
}

/// Whether bytes could pass for a JOSE header somewhere: an object with `alg`, or something broken that begins like one.
fn could_be_header(bytes: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => value.get("alg").is_some(),
        Err(_) => {
            bytes.trim_ascii_start().starts_with(b"{") && bytes.windows(3).any(|window| window == b"alg")
        }
    }
}
