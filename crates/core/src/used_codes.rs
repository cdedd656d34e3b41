//! Authorization codes that were exchanged: each is accepted once (RFC 6749 §4.1.2), even if the
//! authorization server is less strict (`docs/decisions/0018-a-code-is-used-once.md`).

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::credential::{hex, sha256};
use crate::unavailable::Unavailable;

/// Time for which an exchanged code is refused. RFC 6749 §4.1.2 recommends 10 minutes as the
/// longest life of a code.
pub const CODE_REUSE_WINDOW: Duration = Duration::from_secs(10 * 60);

/// Hash of an authorization code or of the name of a logout token, under which its use is recorded. The code itself
/// is not stored.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CodeKey(String);

impl CodeKey {
    /// Computes the key of a code. The client is not part of it: a stolen code arrives under
    /// another client's name.
    pub fn of(code: &str) -> Self {
        // The prefix keeps this hash different from other SHA-256 values of the same text.
        let mut input = zeroize::Zeroizing::new(b"maxlab-auth/code/".to_vec());
        input.extend_from_slice(code.as_bytes());
        Self(hex(&sha256(&input)))
    }

    /// Computes the key of a logout token, by its issuer and its `jti`. `None` is the default issuer.
    pub fn of_logout_token(issuer: Option<&str>, jti: &str) -> Self {
        let issuer = issuer.unwrap_or_default();
        // The length separates the two texts, so that no other pair has this key.
        let input = format!("maxlab-auth/logout-token/{}/{issuer}{jti}", issuer.len());
        Self(hex(&sha256(input.as_bytes())))
    }

    /// Returns the 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(..)")
    }
}

/// Record of used codes, in SQL: shared by all instances, and not lost when the store loses its data.
#[async_trait]
pub trait UsedCodes: Send + Sync {
    /// Claims a code for one exchange, until `until`. Returns `false` if the code is already claimed.
    async fn claim_code(&self, code: &CodeKey, until: Timestamp, now: Timestamp)
    -> Result<bool, Unavailable>;
    /// Releases a claim. Call it only if the code was certainly not exchanged.
    async fn release_code(&self, code: &CodeKey) -> Result<(), Unavailable>;
    /// Deletes claims whose `until` has passed, and returns their number.
    async fn purge_codes(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
