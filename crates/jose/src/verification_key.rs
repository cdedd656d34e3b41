//! Verification key, checked and prepared when it is loaded. So verifying is fast and cannot fail
//! because of the key.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::jwk_member::{base64_member, coordinate_member, text_member, uint_member};
use super::skip_reason::SkipReason;

// RFC 7518 §3.3 requires 2048 bits or more. aws-lc's verifiers end at 8192, and longer keys are slow.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

// Boxed, because aws-lc's types are large and most sets have few keys.
enum PreparedKey {
    Mac(Box<hmac::Key>),
    Signature(Box<ParsedPublicKey>),
}

/// Key that verifies signatures.
///
/// A JWK with `alg` and a key on a curve have one algorithm. An RSA key whose JWK has no `alg` verifies each
/// RSA algorithm that the allow-list contains (`docs/decisions/0034-what-a-deviation-may-change.md`).
pub struct VerificationKey {
    kid: Option<String>,
    prepared_keys: Vec<(Algorithm, PreparedKey)>,
    /// Public numbers, to recognise the same key listed twice. Empty for a secret.
    material: Vec<u8>,
}

impl VerificationKey {
    /// Builds the key of a shared secret. Returns `None` for an algorithm other than an HMAC.
    pub(super) fn symmetric(secret: &[u8], algorithm: Algorithm) -> Option<Self> {
        let mac = match algorithm {
            Algorithm::HS256 => hmac::HMAC_SHA256,
            Algorithm::HS384 => hmac::HMAC_SHA384,
            Algorithm::HS512 => hmac::HMAC_SHA512,
            _ => return None,
        };
        let prepared = PreparedKey::Mac(Box::new(hmac::Key::new(mac, secret)));
        Some(Self {
            kid: None,
            prepared_keys: vec![(algorithm, prepared)],
            material: Vec::new(),
        })
    }

    /// Reads a public key (RFC 7517 §4). Private members are ignored.
    pub(super) fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, SkipReason> {
        let kind = text_member(jwk, "kty")?.ok_or(SkipReason::Member("kty"))?;
        if kind == "oct" {
            return Err(SkipReason::Symmetric);
        }
        check_key_use(jwk)?;
        let kid = text_member(jwk, "kid")?.map(str::to_owned);
        let (prepared_keys, material) = match kind {
            "RSA" => prepare_rsa(jwk)?,
            "EC" => prepare_ec(jwk)?,
            "OKP" => prepare_okp(jwk)?,
            _ => return Err(SkipReason::UnsupportedKind),
        };
        Ok(Self {
            kid,
            prepared_keys,
            material,
        })
    }

    /// Returns the `kid` of the key.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Verifies a signature over `message`. Returns `None` if the key is for another algorithm.
    pub(super) fn verifies(
        &self,
        algorithm: Algorithm,
        allowed: &[Algorithm],
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        // The caller has checked it too. Here it stands next to the only use of the key.
        if !allowed.contains(&algorithm) {
            return None;
        }
        let (_, prepared) = self.prepared_keys.iter().find(|(own, _)| *own == algorithm)?;
        // Both functions compare in constant time where a secret is involved.
        Some(match prepared {
            PreparedKey::Mac(key) => hmac::verify(key, message, signature).is_ok(),
            PreparedKey::Signature(key) => key.verify_sig(message, signature).is_ok(),
        })
    }

    /// Returns `true` if different keys have the same `kid` and an algorithm in common, so that choosing one
    /// would be a guess.
    pub(super) fn clashes_with(&self, other: &Self) -> bool {
        let share_algorithm = || {
            self.algorithms()
                .any(|own| other.algorithms().any(|its| its == own))
        };
        self.kid.is_some() && self.kid == other.kid && self.material != other.material && share_algorithm()
    }

    /// Returns `true` if both have the same `kid` and the same public numbers. Their algorithms may differ.
    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        self.kid == other.kid && self.material == other.material
    }

    /// Returns the algorithms that the key can verify, whatever the allow-list is.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.prepared_keys.iter().map(|(algorithm, _)| *algorithm)
    }

    /// Returns `true` if both are the same key for the same algorithm.
    pub(super) fn is_duplicate_of(&self, other: &Self) -> bool {
        self.is_same_key(other)
            && self.prepared_keys.len() == other.prepared_keys.len()
            && self.first_algorithm() == other.first_algorithm()
    }

    fn first_algorithm(&self) -> Option<Algorithm> {
        self.algorithms().next()
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.algorithms().collect();
        formatter
            .debug_struct("VerificationKey")
            .field("kid", &self.kid)
            .field("algorithms", &algorithms)
            .finish_non_exhaustive()
    }
}

type PreparedKeys = (Vec<(Algorithm, PreparedKey)>, Vec<u8>);

fn prepare_rsa(jwk: &Map<String, Value>) -> Result<PreparedKeys, SkipReason> {
    const FAMILY: [(Algorithm, &RsaParameters); 6] = [
        (Algorithm::RS256, &RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::RS384, &RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::RS512, &RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::PS256, &RSA_PSS_2048_8192_SHA256),
        (Algorithm::PS384, &RSA_PSS_2048_8192_SHA384),
        (Algorithm::PS512, &RSA_PSS_2048_8192_SHA512),
    ];
    let pinned = match text_member(jwk, "alg")? {
        Some(name) => Some(name.parse::<Algorithm>().map_err(|_| SkipReason::Algorithm)?),
        None => None,
    };
    let modulus = uint_member(jwk, "n")?;
    let exponent = uint_member(jwk, "e")?;
    // `uint_member` has removed leading zero bytes, so only the zero bits of the first byte remain.
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    // An even modulus or exponent is never a key, and `e` = 1 makes every signature its own message.
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    if !RSA_BITS.contains(&bits) || !is_odd(&modulus) || !is_odd(&exponent) || exponent == [1] {
        return Err(SkipReason::RsaSize);
    }
    if has_roca_fingerprint(&modulus) {
        return Err(SkipReason::Roca);
    }
    let components = RsaPublicKeyComponents {
        n: &modulus,
        e: &exponent,
    };
    // aws-lc binds a parsed key to its padding and hash, so each algorithm needs one of its own.
    let mut prepared_keys = Vec::new();
    for (algorithm, parameters) in FAMILY {
        if pinned.is_none_or(|pinned| pinned == algorithm) {
            let key = components
                .to_parsed_public_key(parameters)
                .map_err(|_| SkipReason::Material)?;
            prepared_keys.push((algorithm, PreparedKey::Signature(Box::new(key))));
        }
    }
    if prepared_keys.is_empty() {
        return Err(SkipReason::Algorithm);
    }
    Ok((prepared_keys, [modulus, exponent].concat()))
}

fn prepare_ec(jwk: &Map<String, Value>) -> Result<PreparedKeys, SkipReason> {
    let (algorithm, parameters, size): (_, &'static dyn VerificationAlgorithm, _) =
        match text_member(jwk, "crv")?.ok_or(SkipReason::Member("crv"))? {
            "P-256" => (Algorithm::ES256, &ECDSA_P256_SHA256_FIXED, 32),
            "P-384" => (Algorithm::ES384, &ECDSA_P384_SHA384_FIXED, 48),
            "P-521" => (Algorithm::ES512, &ECDSA_P521_SHA512_FIXED, 66),
            _ => return Err(SkipReason::UnsupportedKind),
        };
    // Some published sets say "ES521" for ES512, after the curve's name. The curve alone
    // decides the algorithm.
    let is_misnamed = algorithm == Algorithm::ES512 && text_member(jwk, "alg")? == Some("ES521");
    if !is_misnamed {
        check_alg(jwk, algorithm)?;
    }
    let (x, y) = (
        coordinate_member(jwk, "x", size)?,
        coordinate_member(jwk, "y", size)?,
    );
    // 04 begins an uncompressed point (SEC 1 §2.3.3). aws-lc checks that it is on the curve.
    prepare_key(algorithm, parameters, [vec![0x04], x, y].concat())
}

fn prepare_okp(jwk: &Map<String, Value>) -> Result<PreparedKeys, SkipReason> {
    if text_member(jwk, "crv")?.ok_or(SkipReason::Member("crv"))? != "Ed25519" {
        return Err(SkipReason::UnsupportedKind);
    }
    check_alg(jwk, Algorithm::EdDSA)?;
    let x = base64_member(jwk, "x")?;
    if x.len() != 32 {
        return Err(SkipReason::Material);
    }
    prepare_key(Algorithm::EdDSA, &ED25519, x)
}

fn prepare_key(
    algorithm: Algorithm,
    parameters: &'static dyn VerificationAlgorithm,
    material: Vec<u8>,
) -> Result<PreparedKeys, SkipReason> {
    let key = ParsedPublicKey::new(parameters, &material).map_err(|_| SkipReason::Material)?;
    Ok((vec![(algorithm, PreparedKey::Signature(Box::new(key)))], material))
}

fn check_alg(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<(), SkipReason> {
    match text_member(jwk, "alg")? {
        Some(name) if name.parse() != Ok(algorithm) => Err(SkipReason::Algorithm),
        _ => Ok(()),
    }
}

fn check_key_use(jwk: &Map<String, Value>) -> Result<(), SkipReason> {
    if text_member(jwk, "use")?.is_some_and(|usage| usage != "sig") {
        return Err(SkipReason::NotForVerifying);
    }
    // `key_ops` of a key pair lists "sign" too. "verify" must be among them.
    match jwk.get("key_ops") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(Value::Array(_)) => Err(SkipReason::NotForVerifying),
        Some(_) => Err(SkipReason::Member("key_ops")),
    }
}

/// Detects the ROCA fingerprint (Nemec et al., CCS 2017): modulo each small prime, such a modulus is a power
/// of 65537. A sound modulus is taken for one with a probability below 2^-27.
fn has_roca_fingerprint(modulus: &[u8]) -> bool {
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
