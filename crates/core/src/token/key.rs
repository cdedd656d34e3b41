//! One verification key, checked and prepared when it is loaded so that verifying is fast and cannot fail for the key's sake.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;

const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why one key of a JWK Set is not used. The other keys of the set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SkipReason {
    /// The entry is not an object, or a member is missing, of a wrong type or not strict base64url.
    #[error("the member {0} is missing or malformed")]
    Member(&'static str),
    /// `kty` or `crv` names a kind of key that is not known here.
    #[error("the kind of key is not supported")]
    UnsupportedKind,
    /// `kty` is `oct`: a secret that a server publishes is none.
    #[error("a symmetric key in a published set is never used")]
    Symmetric,
    /// `use` or `key_ops` says that the key is not for verifying signatures (RFC 7517 §4.2, §4.3).
    #[error("the key is not meant for verifying signatures")]
    NotForVerifying,
    /// `alg` names something else than a signature algorithm of this kind of key.
    #[error("the key's alg is unknown or does not fit its kind")]
    Algorithm,
    /// An RSA modulus shorter than 2048 or longer than 8192 bits (RFC 7518 §3.3), or a public exponent that is even or 1.
    #[error("the RSA key's size or exponent is not acceptable")]
    RsaSize,
    /// An RSA key from a generator whose keys can be factored (ROCA, CVE-2017-15361).
    #[error("the RSA key can be factored (ROCA)")]
    Roca,
    /// The numbers are no key: for example a point that is not on its curve.
    #[error("the key material is invalid")]
    Material,
    /// Another key of the same kind has the same `kid`; neither is used (RFC 7517 §4.5).
    #[error("two keys of one kind share a kid")]
    AmbiguousKid,
}

enum Verifier {
    Mac(Box<hmac::Key>),
    Signature(Box<ParsedPublicKey>),
}

/// A key that verifies signatures of one algorithm.
///
/// An RSA key whose JWK has no `alg` is prepared for the whole RSA family, and yet verifies one algorithm only: `RS256`
/// where the issuer's allow-list has it, otherwise the first RSA algorithm of that list.
pub struct VerificationKey {
    kid: Option<String>,
    verifiers: Vec<(Algorithm, Verifier)>,
    material: Vec<u8>,
}

impl VerificationKey {
    pub(super) fn symmetric(secret: &[u8], algorithm: Algorithm) -> Option<Self> {
        let mac = match algorithm {
            Algorithm::HS256 => hmac::HMAC_SHA256,
            Algorithm::HS384 => hmac::HMAC_SHA384,
            Algorithm::HS512 => hmac::HMAC_SHA512,
            _ => return None,
        };
        let verifier = Verifier::Mac(Box::new(hmac::Key::new(mac, secret)));
        Some(Self {
            kid: None,
            verifiers: vec![(algorithm, verifier)],
            material: Vec::new(),
        })
    }

    /// Reads a public key (RFC 7517 §4). Private members are not looked at.
    pub(super) fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, SkipReason> {
        let kind = text(jwk, "kty")?.ok_or(SkipReason::Member("kty"))?;
        if kind == "oct" {
            return Err(SkipReason::Symmetric);
        }
        meant_for_verifying(jwk)?;
        let kid = text(jwk, "kid")?.map(str::to_owned);
        let (verifiers, material) = match kind {
            "RSA" => rsa(jwk)?,
            "EC" => elliptic(jwk)?,
            "OKP" => edwards(jwk)?,
            _ => return Err(SkipReason::UnsupportedKind),
        };
        Ok(Self {
            kid,
            verifiers,
            material,
        })
    }

    /// The key's `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether `signature` is this key's over `message`; `None` when the key is for another algorithm.
    pub(super) fn verifies(
        &self,
        algorithm: Algorithm,
        allowed: &[Algorithm],
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        if self.own_algorithm(allowed) != Some(algorithm) {
            return None;
        }
        let (_, verifier) = self.verifiers.iter().find(|(own, _)| *own == algorithm)?;
        Some(match verifier {
            Verifier::Mac(key) => hmac::verify(key, message, signature).is_ok(),
            Verifier::Signature(key) => key.verify_sig(message, signature).is_ok(),
        })
    }

    /// Whether both are of one kind (`kty`), and which of two kids is meant would be a guess.
    pub(super) fn clashes_with(&self, other: &Self) -> bool {
        self.kid.is_some() && self.kid == other.kid && self.kind() == other.kind()
    }

    /// Whether both are the same key for the same algorithm.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        self.kid == other.kid
            && self.material == other.material
            && self.verifiers.len() == other.verifiers.len()
            && self.first_algorithm() == other.first_algorithm()
    }

    fn own_algorithm(&self, allowed: &[Algorithm]) -> Option<Algorithm> {
        match self.verifiers.as_slice() {
            [(only, _)] => Some(*only),
            _ if allowed.contains(&Algorithm::RS256) => Some(Algorithm::RS256),
            family => allowed
                .iter()
                .copied()
                .find(|allowed| family.iter().any(|(own, _)| own == allowed)),
        }
    }

    fn first_algorithm(&self) -> Option<Algorithm> {
        self.verifiers.first().map(|(algorithm, _)| *algorithm)
    }

    fn kind(&self) -> Option<&'static str> {
        self.first_algorithm().map(|algorithm| match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => "oct",
            Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 => "EC",
            Algorithm::EdDSA => "OKP",
            _ => "RSA",
        })
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.verifiers.iter().map(|(algorithm, _)| algorithm).collect();
        formatter
            .debug_struct("VerificationKey")
            .field("kid", &self.kid)
            .field("algorithms", &algorithms)
            .finish_non_exhaustive()
    }
}

type Prepared = (Vec<(Algorithm, Verifier)>, Vec<u8>);

fn rsa(jwk: &Map<String, Value>) -> Result<Prepared, SkipReason> {
    const FAMILY: [(Algorithm, &RsaParameters); 6] = [
        (Algorithm::RS256, &RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::RS384, &RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::RS512, &RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::PS256, &RSA_PSS_2048_8192_SHA256),
        (Algorithm::PS384, &RSA_PSS_2048_8192_SHA384),
        (Algorithm::PS512, &RSA_PSS_2048_8192_SHA512),
    ];
    let pinned = match text(jwk, "alg")? {
        Some(name) => Some(name.parse::<Algorithm>().map_err(|_| SkipReason::Algorithm)?),
        None => None,
    };
    let modulus = unsigned(jwk, "n")?;
    let exponent = unsigned(jwk, "e")?;
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    if !RSA_BITS.contains(&bits) || !odd(&modulus) || !odd(&exponent) || exponent == [1] {
        return Err(SkipReason::RsaSize);
    }
    if roca(&modulus) {
        return Err(SkipReason::Roca);
    }
    let components = RsaPublicKeyComponents {
        n: &modulus,
        e: &exponent,
    };
    let mut verifiers = Vec::new();
    for (algorithm, parameters) in FAMILY {
        if pinned.is_none_or(|pinned| pinned == algorithm) {
            let key = components
                .to_parsed_public_key(parameters)
                .map_err(|_| SkipReason::Material)?;
            verifiers.push((algorithm, Verifier::Signature(Box::new(key))));
        }
    }
    if verifiers.is_empty() {
        return Err(SkipReason::Algorithm);
    }
    Ok((verifiers, [modulus, exponent].concat()))
}

fn elliptic(jwk: &Map<String, Value>) -> Result<Prepared, SkipReason> {
    let (algorithm, parameters, size): (_, &'static dyn VerificationAlgorithm, _) =
        match text(jwk, "crv")?.ok_or(SkipReason::Member("crv"))? {
            "P-256" => (Algorithm::ES256, &ECDSA_P256_SHA256_FIXED, 32),
            "P-384" => (Algorithm::ES384, &ECDSA_P384_SHA384_FIXED, 48),
            "P-521" => (Algorithm::ES512, &ECDSA_P521_SHA512_FIXED, 66),
            _ => return Err(SkipReason::UnsupportedKind),
        };
    // "ES521" is a slip of the pen for ES512, seen in published sets. The curve alone decides the algorithm.
    let slip = algorithm == Algorithm::ES512 && text(jwk, "alg")? == Some("ES521");
    if !slip {
        pinned_to(jwk, algorithm)?;
    }
    let (x, y) = (octets(jwk, "x")?, octets(jwk, "y")?);
    if x.len() != size || y.len() != size {
        return Err(SkipReason::Material);
    }
    prepared(algorithm, parameters, [vec![0x04], x, y].concat())
}

fn edwards(jwk: &Map<String, Value>) -> Result<Prepared, SkipReason> {
    if text(jwk, "crv")?.ok_or(SkipReason::Member("crv"))? != "Ed25519" {
        return Err(SkipReason::UnsupportedKind);
    }
    pinned_to(jwk, Algorithm::EdDSA)?;
    let x = octets(jwk, "x")?;
    if x.len() != 32 {
        return Err(SkipReason::Material);
    }
    prepared(Algorithm::EdDSA, &ED25519, x)
}

fn prepared(
    algorithm: Algorithm,
    parameters: &'static dyn VerificationAlgorithm,
    material: Vec<u8>,
) -> Result<Prepared, SkipReason> {
    let key = ParsedPublicKey::new(parameters, &material).map_err(|_| SkipReason::Material)?;
    Ok((vec![(algorithm, Verifier::Signature(Box::new(key)))], material))
}

fn pinned_to(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<(), SkipReason> {
    match text(jwk, "alg")? {
        Some(name) if name.parse() != Ok(algorithm) => Err(SkipReason::Algorithm),
        _ => Ok(()),
    }
}

fn meant_for_verifying(jwk: &Map<String, Value>) -> Result<(), SkipReason> {
    if text(jwk, "use")?.is_some_and(|usage| usage != "sig") {
        return Err(SkipReason::NotForVerifying);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(Value::Array(_)) => Err(SkipReason::NotForVerifying),
        Some(_) => Err(SkipReason::Member("key_ops")),
    }
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &'static str) -> Result<Option<&'j str>, SkipReason> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(SkipReason::Member(name)),
    }
}

fn octets(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, SkipReason> {
    let encoded = text(jwk, name)?.ok_or(SkipReason::Member(name))?;
    URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| SkipReason::Member(name))
}

/// Reads a Base64urlUInt (RFC 7518 §2). Leading zeros, which some servers send, change nothing and are dropped.
fn unsigned(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, SkipReason> {
    let bytes = octets(jwk, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

/// The ROCA fingerprint (Nemec et al., CCS 2017): modulo small primes such a modulus is always a power of 65537. A sound
/// modulus passes for one with a chance below 2^-27.
fn roca(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [
        11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
    ];
    PRIMES.iter().all(|prime| {
        let residue = modulus
            .iter()
            .fold(0, |residue, byte| (residue * 256 + u32::from(*byte)) % prime);
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * 65537 % prime;
            power == residue
        })
    })
}
