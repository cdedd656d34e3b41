//! Reasons why a key of a JWK Set is not used.

/// Reason why a key of a JWK Set is not used. It does not affect the other keys of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SkipReason {
    /// Entry that is not an object, or member that is missing, of a wrong type or not base64.
    #[error("the member {0} is missing or malformed")]
    Member(&'static str),
    /// Unsupported `kty` or `crv`.
    #[error("the kind of key is not supported")]
    UnsupportedKind,
    /// `kty` `oct`: a published secret is not secret.
    #[error("a symmetric key in a published set is never used")]
    Symmetric,
    /// `use` or `key_ops` that excludes verifying signatures (RFC 7517 §4.2, §4.3).
    #[error("the key is not meant for verifying signatures")]
    NotForVerifying,
    /// `alg` that is not a signature algorithm of this kind of key.
    #[error("the key's alg is unknown or does not fit its kind")]
    Algorithm,
    /// RSA modulus under 2048 or over 8192 bits (RFC 7518 §3.3), or public exponent that is even or 1.
    #[error("the RSA key's size or exponent is not acceptable")]
    RsaSize,
    /// RSA key from a generator whose keys can be factored (ROCA, CVE-2017-15361).
    #[error("the RSA key can be factored (ROCA)")]
    Roca,
    /// Numbers that are not a key, for example a point that is not on its curve.
    #[error("the key material is invalid")]
    Material,
    /// Key with the same `kid` and algorithm as a different key. Neither is used (RFC 7517 §4.5).
    #[error("two different keys for one algorithm share a kid")]
    AmbiguousKid,
}
