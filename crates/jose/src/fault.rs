//! Reasons why a token in compact form is refused.

use std::fmt;

use super::json::MalformedJson;

/// Reason why a token that looks like a JWS is refused before any key is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedToken {
    /// Text other than three segments separated by dots.
    #[error("not a JWS in compact form")]
    NotCompact,
    /// Segment that is not unpadded base64url in its one canonical spelling (RFC 7515 §2).
    #[error("the {0} is not strict base64url")]
    Base64(JwsSegment),
    /// Segment that is not a strict JSON object.
    #[error("the {0} is malformed: {1}")]
    Json(JwsSegment, MalformedJson),
    /// Header parameter with a type or value that its definition does not allow, or missing `alg`.
    #[error("the header parameter {0} is malformed")]
    HeaderParameter(&'static str),
    /// `alg` `none`, in any case: the token carries no proof (RFC 7518 §3.6).
    #[error("the token is unsigned")]
    Unsigned,
    /// `crit`, because no extension is understood here (RFC 7515 §4.1.11).
    #[error("the header has critical extensions")]
    CriticalExtension,
    /// Transformation that a JWS access token does not have (`b64`, `zip`, `enc`).
    #[error("the header parameter {0} is not supported")]
    Unsupported(&'static str),
}

/// Segment of a JWS in compact form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwsSegment {
    /// JOSE header.
    Header,
    /// Payload: the claims of a JWT.
    Payload,
    /// Signature or MAC.
    Signature,
}

impl fmt::Display for JwsSegment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Reason why a signature is not accepted under a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// Algorithm that is unsupported or not on the issuer's allow-list.
    #[error("the signature algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// No key of the set could have made the signature. Fetching the keys again may help.
    #[error("no key fits the token")]
    UnknownKey,
    /// The token names a key (`kid`) that is published for another algorithm.
    #[error("the key is meant for another algorithm")]
    KeyAlgorithmMismatch,
    /// Matching keys that did not make this signature. The token is forged. If neither token nor keys have a
    /// `kid`, it may also be signed by a newer key.
    #[error("the signature is wrong")]
    BadSignature,
}
