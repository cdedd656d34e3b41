//! Errors of making a guard.

use maxlab_auth_core::unavailable::Unavailable;

/// Error of making a guard.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupFault {
    /// An address cannot be used.
    #[error("the address of the gateway or of the key set is not an http or https URL")]
    Url,
    /// Settings are invalid or contradict each other; the text names the rule.
    #[error("{0}")]
    Settings(&'static str),
    /// The document of `maxlab-auth guard-config` cannot be used; the text names the place.
    #[error("the gateway's settings cannot be read: {0}; print them again with `maxlab-auth guard-config`")]
    GatewayConfig(String),
    /// No Tokio runtime is running, which the task that follows the revocations needs.
    #[error("no Tokio runtime is running; call AuthGuard::local inside one (for example in #[tokio::main])")]
    NoRuntime,
    /// A resource cannot be used: random numbers, root certificates for TLS, or the address of Redis.
    #[error(transparent)]
    MissingResource(#[from] Unavailable),
}
