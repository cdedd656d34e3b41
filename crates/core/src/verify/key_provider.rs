//! Source of the keys that signatures are checked with.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::unavailable::Unavailable;
use maxlab_auth_jose::KeySet;

/// Provides the published keys of an issuer.
#[async_trait]
pub trait KeySetProvider: Send + Sync {
    /// Returns the cached keys, without a request. `None` if there are none, or if they are too old.
    fn cached(&self, now: Timestamp) -> Option<Arc<KeySet>>;
    /// Returns the keys that [`keys_for`](Self::keys_for) returns, if that needs no request.
    fn fresh(&self, kid: Option<&str>, now: Timestamp) -> Option<Arc<KeySet>>;
    /// Returns the keys to check a token that names `kid`. Fetches them if that is necessary and allowed.
    ///
    /// `None` if the issuer publishes no keys.
    ///
    /// # Errors
    /// Fails if no usable keys are known, and their source does not answer.
    async fn keys_for(&self, kid: Option<&str>, now: Timestamp) -> Result<Option<Arc<KeySet>>, Unavailable>;
    /// Fetches the key of a token that the issuer itself sent a moment ago, if the key is unknown. No forger
    /// chose its name, so the last fetch may be recent. A provider whose keys never change has nothing to do.
    async fn fetch_key_of_issued(&self, _kid: &str, _now: Timestamp) {}
    /// Returns `true` if the issuer certainly publishes no key with this name: its keys were fetched a moment
    /// ago. `false` if that is unknown.
    fn is_unpublished(&self, kid: &str, now: Timestamp) -> bool;
    /// Returns the issuer of the keys, if their source names it.
    fn issuer(&self, now: Timestamp) -> Option<String>;
    /// Returns the version of the keys that [`fresh`](Self::fresh) returns. `None` if it is unknown.
    fn current_version(&self) -> Option<KeySetVersion>;
}

/// Version of the current key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySetVersion {
    /// Number of the set. Keys that are read after this number belong to this set or to a later one.
    pub number: u32,
    /// Time from which the keys must be fetched again before they are used.
    pub fresh_until: Timestamp,
}
